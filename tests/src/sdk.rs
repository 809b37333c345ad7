//! Runs the official SDKs, unmodified, through the small scripts in `clients/`.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, Debug)]
pub enum Sdk {
    Python,
    Node,
}

pub const ALL: [Sdk; 2] = [Sdk::Python, Sdk::Node];

impl Sdk {
    /// Runs a scenario of OpenAI's SDK with its usual environment variables and gives back the JSON that the script
    /// prints. `base_url` ends in `/v1`; `arguments` are handed to the scenario.
    pub fn run(self, base_url: &str, api_key: &str, scenario: &str, arguments: &Value) -> Value {
        let variables = [("OPENAI_BASE_URL", base_url), ("OPENAI_API_KEY", api_key)];
        self.run_script("chat", variables, scenario, arguments)
    }

    /// The same with Anthropic's, which adds `/v1` itself.
    pub fn run_messages(self, base_url: &str, api_key: &str, scenario: &str, arguments: &Value) -> Value {
        let base_url = base_url.trim_end_matches("/v1");
        let variables = [("ANTHROPIC_BASE_URL", base_url), ("ANTHROPIC_API_KEY", api_key)];
        self.run_script("messages", variables, scenario, arguments)
    }

    fn run_script(
        self,
        script: &str,
        variables: [(&str, &str); 2],
        scenario: &str,
        arguments: &Value,
    ) -> Value {
        let (program, script) = match self {
            Self::Python => (
                from_environment("PYTHON").unwrap_or_else(xtask::paths::python),
                format!("python/{script}.py"),
            ),
            Self::Node => {
                (from_environment("NODE").unwrap_or_else(xtask::paths::node), format!("node/{script}.mjs"))
            }
        };
        let output = Command::new(&program)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script))
            .args([scenario, &arguments.to_string()])
            .envs(variables)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let (printed, complaints) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&printed)
            .unwrap_or_else(|error| panic!("{self:?} {scenario}: {error}: {printed}{complaints}"))
    }
}

fn from_environment(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}
