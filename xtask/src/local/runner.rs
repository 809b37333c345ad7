//! The process that runs the functions, spoken to in JSON lines: Node with Miniflare and workerd
//! (`infra/local/run.mjs`), the development host for Spin's ABI (`infra/spin_dev_host`), or `infra/native_host`.

#![allow(clippy::disallowed_methods, reason = "waits for real processes, against real deadlines")]

use super::{HostKind, Log};
use crate::paths;
use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Compiling the WASM of five functions on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);
const COMMAND_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(10);
const LOG_LINES_SHOWN_MAX: usize = 40;

pub struct Runner {
    child: Child,
    /// Closed to ask for the end.
    commands: Option<ChildStdin>,
    answers: Receiver<Value>,
    ready: Value,
}

impl Runner {
    /// Starts a run (described in run.mjs) and waits until all functions answer.
    pub fn start(host: HostKind, run: &Value, state: &Path, log: Log) -> Result<Self> {
        let log_file = state.join("host.log");
        let stderr = match log {
            Log::Terminal => Stdio::inherit(),
            Log::File => File::options().create(true).append(true).open(&log_file)?.into(),
        };
        let mut command = program_of(host);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // A group of its own: Ctrl-C reaches us, and we end it in good order.
            .process_group(0)
            .spawn()
            .with_context(|| {
                format!(
                    "{} could not be started; run `cargo xtask setup` and `cargo xtask build`",
                    command.get_program().display()
                )
            })?;
        let commands = child.stdin.take();
        let answers = read_lines(child.stdout.take().context("stdout is piped")?);
        let mut runner = Self { child, commands, answers, ready: Value::Null };
        let shown_log = (log == Log::File).then_some(log_file);
        runner.ready = runner.begin(run).map_err(|error| with_log(error, shown_log))?;
        Ok(runner)
    }

    fn begin(&mut self, run: &Value) -> Result<Value> {
        self.send(run)?;
        let ready = self.answer(START_MAX).context("the local host did not start")?;
        match ready["error"].as_str() {
            None => Ok(ready),
            Some(error) if error.contains("Address already in use") || error.contains("EADDRINUSE") => {
                bail!("port {} is taken; choose another with --port", run["port"])
            }
            Some(error) => {
                bail!("the local host did not start: {}", error.lines().next().unwrap_or_default())
            }
        }
    }

    pub fn workerd_pid(&self) -> u32 {
        self.ready["workerd_pid"].as_u64().and_then(|pid| pid.try_into().ok()).unwrap_or_default()
    }

    /// The port of a worker that has one: `front` is shared by the functions.
    pub fn port(&self, worker: &str) -> Result<u16> {
        let port = self.ready["ports"][worker].as_u64().and_then(|port| port.try_into().ok());
        port.with_context(|| format!("no worker called {worker} has a port"))
    }

    /// Lets the host say that it is healthy.
    pub fn open(&mut self) -> Result<()> {
        self.obey(&json!({ "open": true }))
    }

    pub fn trigger_cron(&mut self) -> Result<()> {
        self.obey(&json!({ "trigger": "cron" }))
    }

    fn obey(&mut self, command: &Value) -> Result<()> {
        self.send(command)?;
        match self.answer(COMMAND_MAX)?["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => Ok(()),
        }
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub fn stop(&mut self) {
        self.commands = None;
        if self.wait_for_end().is_err() {
            self.kill_hard();
        }
    }

    pub fn kill_hard(&mut self) {
        // The runner first: it would start a new workerd.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let workerd = self.workerd_pid();
        if let Some(pid) = i32::try_from(workerd).ok().and_then(Pid::from_raw) {
            // Gone already is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
        self.ready["workerd_pid"] = Value::Null;
        if let Ok(port) = self.port("front") {
            wait_until_free(port);
        }
    }

    fn send(&mut self, line: &Value) -> Result<()> {
        let commands = self.commands.as_mut().context("the local host was stopped")?;
        writeln!(commands, "{line}").context("the local host has ended")
    }

    fn answer(&self, timeout: Duration) -> Result<Value> {
        self.answers.recv_timeout(timeout).map_err(|error| match error {
            RecvTimeoutError::Timeout => anyhow!("no answer within {} s", timeout.as_secs()),
            RecvTimeoutError::Disconnected => anyhow!("it ended"),
        })
    }

    /// The runner's stdout closes when it ends.
    fn wait_for_end(&mut self) -> Result<()> {
        let deadline = Instant::now() + STOP_MAX;
        loop {
            match self.answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => bail!("it does not end"),
            }
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.stop();
        }
    }
}

fn program_of(host: HostKind) -> Command {
    match host {
        HostKind::Workers => {
            let mut node = Command::new(paths::node());
            node.arg(paths::root().join("infra/local/run.mjs"));
            node
        }
        HostKind::Spin => Command::new(paths::spin_dev_host()),
        HostKind::Native => Command::new(paths::native_host()),
    }
}

/// Parsed lines, in order; disconnected at the end of the stream.
fn read_lines(stdout: impl std::io::Read + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let Ok(message) = serde_json::from_str(&line) else { continue };
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A killed process gives its ports back a moment later.
fn wait_until_free(port: u16) {
    let deadline = Instant::now() + STOP_MAX;
    while TcpStream::connect(("127.0.0.1", port)).is_ok() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn with_log(error: anyhow::Error, log: Option<PathBuf>) -> anyhow::Error {
    let Some(content) = log.and_then(|file| fs::read_to_string(file).ok()) else { return error };
    let lines: Vec<_> = content.lines().collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN_MAX)..];
    anyhow!("{error:#}\n{}", last.join("\n"))
}
