//! `cargo xtask dev`: from a fresh clone to a running product.

use crate::local::{DevFacts, HostKind, LocalHost, Log, Options as HostOptions, StateFolder, read_facts};
use crate::seed::UpstreamEnv;
use crate::{build, setup};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

pub struct Options {
    pub host: HostKind,
    pub port: u16,
    pub state: PathBuf,
    /// Forget what the state folder holds.
    pub fresh: bool,
}

/// How often a running host is asked whether it still runs.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// Sets up, builds, runs, and returns after Ctrl-C or SIGTERM.
pub fn run(options: Options) -> Result<()> {
    // Both can be wrong from the start: say so before minutes of building.
    let state = StateFolder::claim(&options.state)?;
    require_free(options.port)?;
    setup::setup(setup::Scope::to_run(options.host))?;
    build::build(options.host)?;
    if options.fresh {
        state.wipe()?;
    }

    let signals = end_signals()?;
    let upstream = UpstreamEnv::from_environment();
    let real_upstream = upstream.openai_api_key.is_some() || upstream.openai_base_url.is_some();
    let mut host = LocalHost::start_in(
        state,
        HostOptions {
            host: options.host,
            port: options.port,
            upstream,
            dev_routes: true,
            log: Log::Terminal,
            ..HostOptions::new(&options.state)
        },
    )?;
    greet(host.facts(), host.state(), real_upstream);
    loop {
        match signals.recv_timeout(WATCH_INTERVAL) {
            Err(RecvTimeoutError::Timeout) if host.has_ended() => {
                bail!("the local host ended; its log is above")
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    println!("\nending …");
    host.stop();
    Ok(())
}

/// Asks the host that runs on this state folder to run the scheduled functions now.
pub fn trigger_cron(state: &Path) -> Result<()> {
    let not_running = || format!("no host runs on {}; start it with `cargo xtask dev`", state.display());
    let facts = read_facts(state)?.with_context(not_running)?;
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut answer =
        agent.post(format!("{}/__dev/trigger/cron", facts.url)).send_empty().with_context(not_running)?;
    let body = answer.body_mut().read_to_string()?;
    if !answer.status().is_success() {
        let error = serde_json::from_str::<Value>(&body).ok();
        let error = error.as_ref().and_then(|error| error["error"].as_str()).unwrap_or(&body);
        bail!("the scheduled functions failed: {error}");
    }
    println!("the scheduled functions ran");
    Ok(())
}

fn require_free(port: u16) -> Result<()> {
    if let Err(error) = TcpListener::bind(("127.0.0.1", port)) {
        bail!(
            "port {port} cannot be used ({error}); end what listens there, or choose another: cargo xtask dev --port {}",
            if port < 65_535 { port + 1 } else { 8787 }
        );
    }
    Ok(())
}

/// One message per Ctrl-C or SIGTERM.
fn end_signals() -> Result<Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if sender.send(()).is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}

fn greet(facts: &DevFacts, state: &Path, real_upstream: bool) {
    let DevFacts { url, base_url, api_key, billing_api_key: _, admin, stripe_webhook_secret: _ } = facts;
    let upstream = if real_upstream {
        "from OPENAI_API_KEY / OPENAI_BASE_URL, and demo/echo"
    } else {
        "demo/echo only (set OPENAI_API_KEY for a real one)"
    };
    println!(
        "\
Running on {url}
  OpenAI base URL  {base_url}
  demo API key     {api_key}
  admin            {} / {}
  models           {upstream}
  all facts        {}
  cron             cargo xtask dev --trigger cron   (POST {url}/__dev/trigger/cron)
  mails            {url}/__dev/outbox

Try it:
  curl {base_url}/chat/completions -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
    -d '{{\"model\":\"demo/echo\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'

Ctrl-C ends it.",
        admin.email,
        admin.password,
        state.join("dev.json").display(),
    );
}
