//! A development host for the Spin ABI: runs the components of `infra/spin/spin.toml` as Spin would, on the same
//! engine, for tests and for developers without Spin. It is no Spin: see docs/hosts.md.
//!
//! Started by xtask (`xtask/src/local`), which speaks JSON lines with it, as with `infra/local/run.mjs`:
//!
//! - in: first the run (below), then commands, `{"trigger":"cron"}`
//! - out: `{"ready":true,"workerd_pid":…,"ports":{"front":…},"migrations":[…]}` or `{"error":"…"}`; then one answer per
//!   command, `{"triggered":"cron"}` or `{"error":"…"}`
//!
//! It ends when stdin closes or on SIGINT and SIGTERM. Components' logs go to stderr.
//!
//! `spin-dev-host imports <component.wasm>…` prints what components import and export instead.

mod compiled;
mod directory;
mod imports;
mod instance;
mod interfaces;
mod manifest;
mod server;

use anyhow::{Context, Result, bail};
use domain::outbound_hosts::OutboundHosts;
use instance::{App, Ready};
use manifest::Granted;
use serde::Deserialize;
use serde_json::{Value, json};
use server::Server;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    root: PathBuf,
    state_dir: PathBuf,
    port: u16,
    secrets: BTreeMap<String, String>,
    vars: BTreeMap<String, String>,
    test_hooks: Option<String>,
    dev_routes: bool,
    extra_workers: Vec<ExtraWorker>,
    seed: Vec<directory::Statement>,
}

/// A component beside the product, on a port of its own; it may call everything, and has its variables.
#[derive(Deserialize)]
struct ExtraWorker {
    name: String,
    script: PathBuf,
    port: u16,
    vars: BTreeMap<String, String>,
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some("imports") => imports::print(arguments),
        Some(other) => Err(anyhow::anyhow!("{other}: unknown argument")),
        None => serve().await,
    };
    let failed = done.inspect_err(|error| say(&json!({ "error": format!("{error:#}") }))).is_err();
    // At once: whoever waits for the next command cannot be interrupted otherwise.
    std::process::exit(failed.into());
}

async fn serve() -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let Some(first) = lines.next_line().await? else { return Ok(()) };
    let run: Run = serde_json::from_str(&first).context("the first line is no run")?;
    let (server, ready) = start(run).await?;
    say(&ready);
    let (mut interrupted, mut ended) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        result = obey(&server, &mut lines) => result,
        _ = interrupted.recv() => Ok(()),
        _ = ended.recv() => Ok(()),
    }
}

async fn start(run: Run) -> Result<(Arc<Server>, Value)> {
    let folder = run.state_dir.join("spin");
    std::fs::create_dir_all(&folder)?;
    let directory_file = folder.join("default.db");
    let mut directory = rusqlite::Connection::open(&directory_file)?;
    let migrations = directory::migrate(&mut directory, &run.root.join("infra/migrations"))?;
    directory::seed(&mut directory, &run.seed)?;
    drop(directory);

    let lowercase = |(name, value): (&String, &String)| (name.to_ascii_lowercase(), value.clone());
    let values: BTreeMap<String, String> = run.secrets.iter().chain(&run.vars).map(lowercase).collect();
    let manifest = manifest::read(&run.root.join("infra/spin/spin.toml"), &values)?;
    let (engine, room) = (instance::engine()?, Ready::room());
    let mut components = BTreeMap::new();
    for mut granted in manifest.components {
        if let Some(hooks) = &run.test_hooks {
            granted.variables.insert("test_hooks".into(), hooks.clone());
        }
        let name = granted.name.clone();
        let hosts = OutboundHosts::of_entries(granted.hosts.iter().map(String::as_str))
            .with_context(|| format!("component {name}"))?;
        let app = App { granted, hosts, folder: folder.clone() };
        components.insert(name, Ready::new(&engine, app, room.clone())?);
    }
    let listener = TcpListener::bind(("127.0.0.1", run.port)).await?;
    let port = listener.local_addr()?.port();
    let server = Arc::new(Server {
        components,
        routes: manifest.routes,
        dev_routes: run.dev_routes.then_some(directory_file),
        cron_secret: values.get("cron_secret").cloned().unwrap_or_default(),
    });
    tokio::spawn(server.clone().listen(listener));
    let mut ports = json!({ "front": port });
    for extra in &run.extra_workers {
        ports[&extra.name] = start_extra(&engine, extra, &folder, &room).await?.into();
    }
    let ready =
        json!({ "ready": true, "workerd_pid": std::process::id(), "ports": ports, "migrations": migrations });
    Ok((server, ready))
}

async fn start_extra(
    engine: &wasmtime::Engine,
    extra: &ExtraWorker,
    folder: &Path,
    room: &Arc<Semaphore>,
) -> Result<u16> {
    let granted = Granted {
        name: extra.name.clone(),
        wasm: extra.script.clone(),
        databases: Vec::new(),
        hosts: Vec::new(),
        variables: extra
            .vars
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect(),
    };
    let app = App { granted, hosts: OutboundHosts::parse("*://*:*")?, folder: folder.to_owned() };
    let components = BTreeMap::from([(extra.name.clone(), Ready::new(engine, app, room.clone())?)]);
    let routes = vec![("/...".to_owned(), extra.name.clone())];
    let server = Server { components, routes, dev_routes: None, cron_secret: String::new() };
    let listener = TcpListener::bind(("127.0.0.1", extra.port)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(Arc::new(server).listen(listener));
    Ok(port)
}

async fn obey(server: &Server, lines: &mut Lines<BufReader<Stdin>>) -> Result<()> {
    while let Some(line) = lines.next_line().await? {
        let answer = match command(server, &line).await {
            Ok(answer) => answer,
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        say(&answer);
    }
    Ok(())
}

async fn command(server: &Server, line: &str) -> Result<Value> {
    let command: Value = serde_json::from_str(line)?;
    if command["trigger"] != "cron" {
        bail!("unknown command {line}");
    }
    server.trigger_cron().await?;
    Ok(json!({ "triggered": "cron" }))
}

fn say(answer: &Value) {
    println!("{answer}");
}
