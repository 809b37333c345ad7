//! The five functions in one native process, on the memory room, with its rows in the state folder: the quickest host to
//! build and start, for developers and for the black-box suite. See docs/hosts.md.
//!
//! Started by xtask, which speaks JSON lines with it (`infra/local_host`). Logs go to stderr.

mod alarms;
mod front_door;
mod native_platform;
mod router;
mod server;
mod test_hooks;
mod upstream_hyper;

use anyhow::{Result, bail};
use local_host::directory;
use local_host::protocol::{self, Run, Started};
use local_host::readiness::Readiness;
use native_platform::NativePlatform;
use platform_memory::{DIRECTORY_FILE, MemoryPlatform};
use server::Server;
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

/// One thread, as an isolate has: nothing of the functions is `Send`.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    init_log();
    protocol::end(LocalSet::new().run_until(protocol::serve(start)).await)
}

async fn start(run: Run) -> Result<Started<Rc<Server>>> {
    if let Some(extra) = run.extra_workers.first() {
        bail!("{}: the native host runs nothing beside the functions; choose another host", extra.name);
    }
    let folder = run.state_dir.join("native");
    std::fs::create_dir_all(&folder)?;
    let directory_file = folder.join(DIRECTORY_FILE);
    let mut directory = rusqlite::Connection::open(&directory_file)?;
    let migrations = directory::migrate(&mut directory, &run.root.join("infra/migrations"))?;
    directory::seed(&mut directory, &run.seed)?;
    drop(directory);

    let room = MemoryPlatform::in_folder(&folder)?;
    for (name, value) in run.secrets.iter().chain(&run.vars) {
        room.set_secret(name, value);
    }
    let platform = NativePlatform::start(room)?;
    let listener = TcpListener::bind(("127.0.0.1", run.port)).await?;
    let port = listener.local_addr()?.port();
    let server = Rc::new(Server {
        platform,
        dev_routes: run.dev_routes.then_some(directory_file),
        test_hooks: run.test_hooks.is_some(),
        readiness: Readiness::default(),
    });
    spawn_local(server.clone().listen(listener));
    Ok(Started { host: server, ports: BTreeMap::from([("front".to_owned(), port)]), migrations })
}

/// xtask keeps what is written to standard error.
struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!("{} {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

fn init_log() {
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}
