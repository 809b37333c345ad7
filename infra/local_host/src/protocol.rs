//! JSON lines, as `xtask/src/local` speaks them, also with `infra/local/run.mjs`:
//!
//! - in: first the run (below), then commands, `{"open":true}` once the demo user is there too, `{"trigger":"cron"}`
//! - out: `{"ready":true,"workerd_pid":…,"ports":{"front":…},"migrations":[…]}` or `{"error":"…"}`; then one answer per
//!   command, `{"opened":true}`, `{"triggered":"cron"}` or `{"error":"…"}`
//!
//! Until it is opened, a host answers questions for its health with 503.
//!
//! A host ends when stdin closes or on SIGINT and SIGTERM. Logs go to stderr.

use crate::directory::Statement;
use crate::readiness::Readiness;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub root: PathBuf,
    pub state_dir: PathBuf,
    pub port: u16,
    pub secrets: BTreeMap<String, String>,
    pub vars: BTreeMap<String, String>,
    pub test_hooks: Option<String>,
    pub dev_routes: bool,
    /// Whether a request's work ends with its caller, where a host of this kind may do that.
    pub ends_with_caller: bool,
    pub extra_workers: Vec<ExtraWorker>,
    pub seed: Vec<Statement>,
}

/// Something beside the product, on a port of its own; it may call everything, and has its variables.
#[derive(Deserialize)]
pub struct ExtraWorker {
    pub name: String,
    pub script: PathBuf,
    pub port: u16,
    pub vars: BTreeMap<String, String>,
}

/// A host that answers.
pub struct Started<H> {
    pub host: H,
    /// `front`, and the extra workers by their names.
    pub ports: BTreeMap<String, u16>,
    pub migrations: Vec<String>,
}

#[allow(async_fn_in_trait, reason = "a host speaks with xtask on one thread")]
pub trait Host {
    /// Runs the scheduled functions now, and waits for them.
    async fn trigger_cron(&self) -> Result<()>;

    fn readiness(&self) -> &Readiness;
}

impl<H: Host> Host for std::sync::Arc<H> {
    async fn trigger_cron(&self) -> Result<()> {
        H::trigger_cron(self).await
    }

    fn readiness(&self) -> &Readiness {
        H::readiness(self)
    }
}

impl<H: Host> Host for std::rc::Rc<H> {
    async fn trigger_cron(&self) -> Result<()> {
        H::trigger_cron(self).await
    }

    fn readiness(&self) -> &Readiness {
        H::readiness(self)
    }
}

/// Reads the run, starts the host, and obeys until it is told to end.
pub async fn serve<H: Host>(start: impl AsyncFnOnce(Run) -> Result<Started<H>>) -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let Some(first) = lines.next_line().await? else { return Ok(()) };
    let run: Run = serde_json::from_str(&first).context("the first line is no run")?;
    let Started { host, ports, migrations } = start(run).await?;
    // All functions run in this process.
    let pid = std::process::id();
    say(&json!({ "ready": true, "workerd_pid": pid, "ports": ports, "migrations": migrations }));
    let (mut interrupted, mut ended) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        result = obey(&host, &mut lines) => result,
        _ = interrupted.recv() => Ok(()),
        _ = ended.recv() => Ok(()),
    }
}

/// Tells what went wrong, if anything did, and ends the process.
pub fn end(done: Result<()>) -> ! {
    let failed = done.inspect_err(|error| say(&json!({ "error": format!("{error:#}") }))).is_err();
    // At once: whoever waits for the next command cannot be interrupted otherwise.
    std::process::exit(failed.into());
}

async fn obey(host: &impl Host, lines: &mut Lines<BufReader<Stdin>>) -> Result<()> {
    while let Some(line) = lines.next_line().await? {
        let answer = match command(host, &line).await {
            Ok(answer) => answer,
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        say(&answer);
    }
    Ok(())
}

async fn command(host: &impl Host, line: &str) -> Result<Value> {
    let command: Value = serde_json::from_str(line)?;
    if command["open"] == true {
        host.readiness().open();
        return Ok(json!({ "opened": true }));
    }
    if command["trigger"] != "cron" {
        bail!("unknown command {line}");
    }
    host.trigger_cron().await?;
    Ok(triggered())
}

fn triggered() -> Value {
    json!({ "triggered": "cron" })
}

/// `POST /__dev/trigger/cron` and `GET /__dev/outbox`; none for other requests.
pub async fn answer_developer(
    host: &impl Host,
    directory: &std::path::Path,
    method: &str,
    path: &str,
) -> Option<Result<Value>> {
    match (method, path) {
        ("POST", "/__dev/trigger/cron") => Some(host.trigger_cron().await.map(|()| triggered())),
        ("GET", "/__dev/outbox") => Some(crate::directory::outbox(directory)),
        _ => None,
    }
}

fn say(answer: &Value) {
    println!("{answer}");
}
