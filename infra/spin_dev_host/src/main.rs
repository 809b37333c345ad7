//! A development host for the Spin ABI: runs the components of `infra/spin/spin.toml` as Spin would, on the same
//! engine, for tests and for developers without Spin. It is no Spin: see docs/hosts.md.
//!
//! Started by xtask, which speaks JSON lines with it (`infra/local_host`). Components' logs go to stderr.
//!
//! `spin-dev-host imports <component.wasm>…` prints what components import and export instead.

mod compiled;
mod imports;
mod instance;
mod interfaces;
mod manifest;
mod server;
mod with_caller;

use anyhow::{Context, Result};
use domain::outbound_hosts::OutboundHosts;
use instance::{App, Ready};
use local_host::directory;
use local_host::protocol::{self, ExtraWorker, Run, Started};
use local_host::readiness::Readiness;
use manifest::Granted;
use server::Server;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    protocol::end(match arguments.next().as_deref() {
        Some("imports") => imports::print(arguments),
        Some(other) => Err(anyhow::anyhow!("{other}: unknown argument")),
        None => protocol::serve(start).await,
    })
}

async fn start(run: Run) -> Result<Started<Arc<Server>>> {
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
        let app = App { granted, hosts, folder: folder.clone(), ends_with_caller: run.ends_with_caller };
        components.insert(name, Ready::new(&engine, app, room.clone())?);
    }
    let listener = TcpListener::bind(("127.0.0.1", run.port)).await?;
    let port = listener.local_addr()?.port();
    let server = Arc::new(Server {
        components,
        routes: manifest.routes,
        dev_routes: run.dev_routes.then_some(directory_file),
        cron_secret: values.get("cron_secret").cloned().unwrap_or_default(),
        readiness: Readiness::default(),
    });
    tokio::spawn(server.clone().listen(listener));
    let mut ports = BTreeMap::from([("front".to_owned(), port)]);
    for extra in &run.extra_workers {
        ports.insert(extra.name.clone(), start_extra(&engine, extra, &folder, &room).await?);
    }
    Ok(Started { host: server, ports, migrations })
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
    let app = App {
        granted,
        hosts: OutboundHosts::parse("*://*:*")?,
        folder: folder.to_owned(),
        ends_with_caller: false,
    };
    let components = BTreeMap::from([(extra.name.clone(), Ready::new(engine, app, room.clone())?)]);
    let routes = vec![("/...".to_owned(), extra.name.clone())];
    // It is none of the product, and has no health of its own to tell.
    let readiness = Readiness::default();
    readiness.open();
    let server = Server { components, routes, dev_routes: None, cron_secret: String::new(), readiness };
    let listener = TcpListener::bind(("127.0.0.1", extra.port)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(Arc::new(server).listen(listener));
    Ok(port)
}
