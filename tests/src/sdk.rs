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
    /// Runs the script's scenario with the SDK's usual environment variables and gives back the JSON it
    /// prints. `base_url` ends in `/v1`; `arguments` are handed to the scenario.
    pub fn run(self, base_url: &str, api_key: &str, scenario: &str, arguments: &Value) -> Value {
        let (program, script) = match self {
            Self::Python => {
                (from_environment("PYTHON").unwrap_or_else(xtask::paths::python), "python/chat.py")
            }
            Self::Node => (from_environment("NODE").unwrap_or_else(xtask::paths::node), "node/chat.mjs"),
        };
        let output = Command::new(&program)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script))
            .args([scenario, &arguments.to_string()])
            .env("OPENAI_BASE_URL", base_url)
            .env("OPENAI_API_KEY", api_key)
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
