//! Cloudflare's command, as far as a deployment needs it: typed questions and acts, none of which shows a secret.

use super::environment::Storage;
use crate::paths;
use crate::process::shown;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// In every call: it tells nobody, fetches nothing unasked, draws nothing, and keeps no log of its own.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("WRANGLER_SEND_METRICS", "false"),
    ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
    ("WRANGLER_HIDE_BANNER", "true"),
    ("WRANGLER_WRITE_LOGS", "false"),
    ("FORCE_COLOR", "0"),
    // Nobody is asked: what cannot be decided fails.
    ("CI", "true"),
];

pub struct Wrangler {
    program: Vec<OsString>,
    account_id: Option<String>,
}

/// A member of the account, as `whoami` tells it.
#[derive(Debug, Deserialize)]
pub struct Account {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Default)]
pub struct Deployed {
    pub version: Option<String>,
    /// Where it answers, like `https://….workers.dev`.
    pub addresses: Vec<String>,
}

struct Ran {
    succeeded: bool,
    stdout: String,
    stderr: String,
}

impl Wrangler {
    /// The one that `package.json` pins.
    pub fn pinned(account_id: Option<String>) -> Self {
        let script = paths::node_modules().join("wrangler/bin/wrangler.js");
        Self::with_program(vec![paths::node().into(), script.into()], account_id)
    }

    pub const fn with_program(program: Vec<OsString>, account_id: Option<String>) -> Self {
        Self { program, account_id }
    }

    /// The accounts that the log-in reaches.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Who {
            #[serde(default)]
            logged_in: bool,
            #[serde(default)]
            accounts: Vec<Account>,
        }
        let ran = self.run(&["whoami", "--json"], None)?;
        let who: Option<Who> = json_in(&ran.stdout).ok();
        match who.filter(|who| ran.succeeded && who.logged_in) {
            Some(who) => Ok(who.accounts),
            None => bail!(
                "wrangler is not logged in: set CLOUDFLARE_API_TOKEN, or run `{} login`",
                self.program.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
            ),
        }
    }

    /// The id of the database of this name.
    pub fn database(&self, name: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Row {
            uuid: String,
            name: String,
        }
        let rows: Vec<Row> = self.json(&["d1", "list", "--json"])?;
        Ok(rows.into_iter().find(|row| row.name == name).map(|row| row.uuid))
    }

    pub fn create_database(&self, name: &str, storage: &Storage) -> Result<()> {
        let mut arguments = vec!["d1", "create", name];
        match storage {
            Storage::Jurisdiction(place) => arguments.extend(["--jurisdiction", place]),
            Storage::Anywhere(Some(hint)) => arguments.extend(["--location", hint]),
            Storage::Anywhere(None) => {}
        }
        self.done(&arguments, None)
    }

    pub fn migrate(&self, database: &str, config: &Path) -> Result<()> {
        self.done(&["d1", "migrations", "apply", database, "--remote", "--config", text(config)?], None)
    }

    /// On a database of this machine that begins empty.
    pub fn migrate_local(&self, database: &str, config: &Path, folder: &Path) -> Result<()> {
        let (config, folder) = (text(config)?, text(folder)?);
        self.done(
            &["d1", "migrations", "apply", database, "--local", "--persist-to", folder, "--config", config],
            None,
        )
    }

    /// The names of the Worker's secrets; none when there is no such Worker.
    pub fn secrets(&self, worker: &str) -> Result<Option<BTreeSet<String>>> {
        #[derive(Deserialize)]
        struct Row {
            name: String,
        }
        let arguments = ["secret", "list", "--name", worker, "--format", "json"];
        let ran = self.run(&arguments, None)?;
        if !ran.succeeded {
            let missing = format!("Worker \"{worker}\" not found");
            if ran.stdout.contains(&missing) || ran.stderr.contains(&missing) {
                return Ok(None);
            }
            return Err(self.failure(&arguments, &ran));
        }
        let rows: Vec<Row> = json_in(&ran.stdout)?;
        Ok(Some(rows.into_iter().map(|row| row.name).collect()))
    }

    /// All in one request, over standard input. Makes the Worker, empty, where it is missing.
    pub fn set_secrets(&self, worker: &str, values: &BTreeMap<&str, &str>) -> Result<()> {
        let input = serde_json::to_string(values)?;
        let arguments = ["secret", "bulk", "--name", worker];
        let mut ran = self.run(&arguments, Some(&input))?;
        for said in [&mut ran.stdout, &mut ran.stderr] {
            for value in values.values() {
                *said = said.replace(*value, "…");
            }
        }
        if ran.succeeded { Ok(()) } else { Err(self.failure(&arguments, &ran)) }
    }

    /// The version that answers most requests now; none of a Worker that has never been deployed.
    pub fn running_version(&self, worker: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Deployment {
            versions: Vec<Traffic>,
        }
        #[derive(Deserialize)]
        struct Traffic {
            version_id: String,
            percentage: f64,
        }
        let arguments = ["deployments", "status", "--name", worker, "--json"];
        let ran = self.run(&arguments, None)?;
        if !ran.succeeded {
            let never = [&ran.stdout, &ran.stderr].iter().any(|said| said.contains("has no deployments"));
            return if never { Ok(None) } else { Err(self.failure(&arguments, &ran)) };
        }
        let deployment: Deployment = json_in(&ran.stdout)?;
        let most = deployment.versions.into_iter().max_by(|a, b| a.percentage.total_cmp(&b.percentage));
        Ok(most.map(|traffic| traffic.version_id))
    }

    pub fn deploy(&self, config: &Path) -> Result<Deployed> {
        let report = config.with_file_name("deployed.ndjson");
        if report.exists() {
            fs::remove_file(&report)?;
        }
        let arguments = ["deploy", "--config", text(config)?];
        let mut command = self.command(&arguments);
        command.env("WRANGLER_OUTPUT_FILE_PATH", &report);
        let ran = ran(&mut command, None)?;
        if !ran.succeeded {
            return Err(self.failure(&arguments, &ran));
        }
        Ok(deployed(&fs::read_to_string(&report).unwrap_or_default()))
    }

    /// Checks all that can be checked without an account, and takes a warning for an error; what would be uploaded is
    /// in `folder`.
    pub fn deploy_dry(&self, config: &Path, folder: &Path) -> Result<()> {
        let arguments = ["deploy", "--dry-run", "--outdir", text(folder)?, "--config", text(config)?];
        let ran = self.run(&arguments, None)?;
        // Such as a field that this version does not know.
        let warned = [&ran.stdout, &ran.stderr].iter().any(|said| said.contains("[WARNING]"));
        if ran.succeeded && !warned { Ok(()) } else { Err(self.failure(&arguments, &ran)) }
    }

    pub fn roll_back(&self, worker: &str, version: &str, why: &str) -> Result<()> {
        self.done(&["rollback", version, "--name", worker, "--message", why, "--yes"], None)
    }

    fn json<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let ran = self.run(arguments, None)?;
        if !ran.succeeded {
            return Err(self.failure(arguments, &ran));
        }
        json_in(&ran.stdout).with_context(|| format!("`wrangler {}`", arguments.join(" ")))
    }

    fn done(&self, arguments: &[&str], input: Option<&str>) -> Result<()> {
        let ran = self.run(arguments, input)?;
        if ran.succeeded { Ok(()) } else { Err(self.failure(arguments, &ran)) }
    }

    fn run(&self, arguments: &[&str], input: Option<&str>) -> Result<Ran> {
        ran(&mut self.command(arguments), input)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).args(arguments).current_dir(paths::root()).envs(ENVIRONMENT);
        if let Some(account_id) = &self.account_id {
            command.env("CLOUDFLARE_ACCOUNT_ID", account_id);
        }
        command
    }

    fn failure(&self, arguments: &[&str], ran: &Ran) -> anyhow::Error {
        let said = format!("{}\n{}", ran.stdout.trim(), ran.stderr.trim());
        anyhow::anyhow!("`wrangler {}` failed:\n{}", arguments.join(" "), said.trim())
    }
}

fn ran(command: &mut Command, input: Option<&str>) -> Result<Ran> {
    let could_not_start = format!("`{}` could not be started", shown(command));
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| could_not_start.clone())?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // One that fails without having read says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().context(could_not_start)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ran { succeeded: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) })
}

/// The JSON in what a command printed, which may have warned before.
fn json_in<T: DeserializeOwned>(stdout: &str) -> Result<T> {
    let mut at = 0;
    for line in stdout.split_inclusive('\n') {
        if line.starts_with(['{', '[']) {
            let parsed = serde_json::Deserializer::from_str(&stdout[at..]).into_iter::<T>().next();
            if let Some(Ok(value)) = parsed {
                return Ok(value);
            }
        }
        at += line.len();
    }
    bail!("wrangler printed no such JSON as this version of it does:\n{}", stdout.trim())
}

/// From the lines that wrangler writes for programs.
fn deployed(report: &str) -> Deployed {
    let mut lines = report.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let Some(entry) = lines.find(|entry| entry["type"] == "deploy") else {
        return Deployed::default();
    };
    let targets = entry["targets"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Deployed {
        version: entry["version_id"].as_str().map(str::to_owned),
        addresses: targets.filter(|target| target.starts_with("https://")).map(str::to_owned).collect(),
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_behind_warnings() {
        let rows: Vec<BTreeMap<String, String>> =
            json_in("▲ a warning [1]\n\n[{\"name\": \"A\"}]\nmore\n").unwrap();
        assert_eq!(rows[0]["name"], "A");
        assert!(json_in::<Vec<Value>>("nothing").is_err());
    }

    #[test]
    fn what_was_deployed_is_read_from_the_report() {
        let report = "{\"type\":\"wrangler-session\"}\n\
            {\"type\":\"deploy\",\"version_id\":\"v2\",\"targets\":[\"https://a.b.workers.dev\",\"schedule: * * * * *\"]}\n";
        let Deployed { version, addresses } = deployed(report);
        assert_eq!((version.as_deref(), addresses), (Some("v2"), vec!["https://a.b.workers.dev".to_owned()]));
    }
}
