//! Starts the product on a host. `TEST_HOST` chooses which; a story never asks which it got.

use crate::client::Client;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xtask::build_spin;
use xtask::local::{DevFacts, ExtraWorker, HostKind, LocalHost, Options};
use xtask::paths;
use xtask::secrets::{self, Secrets};
use xtask::seed::UpstreamEnv;

/// A running host with test hooks, its state in a folder of its own.
pub struct Host {
    /// Absent only while it is being restarted.
    local: Option<LocalHost>,
    options: Options,
}

/// Rows as platforms bill them: index entries count, and so do alarms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Billed {
    pub ledger_rows: u64,
    pub object_calls: u64,
    pub database_rows: u64,
}

impl Billed {
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            ledger_rows: self.ledger_rows - earlier.ledger_rows,
            object_calls: self.object_calls - earlier.object_calls,
            database_rows: self.database_rows - earlier.database_rows,
        }
    }

    pub const fn plus(self, more: Self) -> Self {
        Self {
            ledger_rows: self.ledger_rows + more.ledger_rows,
            object_calls: self.object_calls + more.object_calls,
            database_rows: self.database_rows + more.database_rows,
        }
    }
}

impl Host {
    /// Starts the whole product on a fresh state, with an OpenAI-compatible provider at `upstream_base_url`.
    pub fn start(upstream_base_url: &str) -> Self {
        Self::start_with(options(upstream_base_url))
    }

    /// Starts it as a deployment finds it: nobody and nothing is there yet.
    pub fn start_unseeded() -> Self {
        let nobody_listens = "http://127.0.0.1:9/v1";
        Self::start_with(Options { unseeded: true, seed: Vec::new(), ..options(nobody_listens) })
    }

    /// What makes the first administrator.
    pub fn bootstrap_token(&self) -> String {
        Secrets::load_or_generate(self.state()).expect("the host's secrets").bootstrap_token
    }

    /// As [`Self::start`], and if hosts of its kind may end a request's work as soon as its caller is gone or served, it does.
    pub fn start_ending_with_callers(upstream_base_url: &str) -> Self {
        Self::start_with(Options { ends_with_caller: true, ..options(upstream_base_url) })
    }

    /// The same with something beside it that passes every request on to the provider. Nothing is counted for tests
    /// where that would cost as much as the work itself.
    pub fn start_with_pass_through(upstream_base_url: &str, name: &str) -> Self {
        let mut options = options(upstream_base_url);
        let script = match options.host {
            HostKind::Workers => Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/pass_through.mjs"),
            HostKind::Spin => {
                options.test_hooks = None;
                paths::spin_component(build_spin::YARDSTICK)
            }
            HostKind::Native => panic!("the native host runs nothing beside the functions"),
        };
        options.extra_workers.push(ExtraWorker {
            name: name.into(),
            script,
            port: 0,
            vars: BTreeMap::from([("UPSTREAM".into(), upstream_base_url.trim_end_matches("/v1").into())]),
        });
        Self::start_with(options)
    }

    fn start_with(options: Options) -> Self {
        Self { local: Some(start(&options)), options }
    }

    fn local(&self) -> &LocalHost {
        self.local.as_ref().expect("a host that runs")
    }

    /// Addresses, keys and log-ins, as in `dev.json`.
    pub fn facts(&self) -> &DevFacts {
        self.local().facts()
    }

    pub fn client(&self) -> Client {
        Client::new(&self.facts().url)
    }

    /// Where the host keeps what outlives it.
    pub fn state(&self) -> &Path {
        self.local().state()
    }

    /// The process that runs all functions.
    pub fn workerd_pid(&self) -> u32 {
        self.local().workerd_pid()
    }

    /// The port of a worker beside the functions.
    pub fn port(&self, worker: &str) -> u16 {
        self.local().port(worker).expect("a worker with a port")
    }

    /// Kills the runtime without warning (SIGKILL) and starts it again on the same state and port.
    pub fn restart_hard(&mut self) {
        self.options.port = port_of(&self.facts().url);
        self.local.take().expect("a host that runs").kill_hard();
        self.local = Some(start(&self.options));
    }

    /// Runs the scheduled functions now, and waits for them.
    pub fn trigger_cron(&mut self) {
        self.local
            .as_mut()
            .expect("a host that runs")
            .trigger_cron()
            .expect("the scheduled functions to run");
    }

    /// Moves the clock of every function this far ahead of real time.
    pub async fn set_clock_ahead(&self, milliseconds: i64) {
        self.hook(&format!("clock?offset_ms={milliseconds}")).await;
    }

    /// Makes the account's ledger misbehave from now on: `hang`, `panic` or `fail`.
    pub async fn break_ledger(&self, account: &str, fault: &str) {
        self.hook(&format!("fault?account={account}&fault={fault}")).await;
    }

    pub async fn mend_ledger(&self, account: &str) {
        self.hook(&format!("fault?account={account}")).await;
    }

    /// What has been done since the host started that a platform bills; 0 where nobody counts.
    pub async fn billed(&self) -> Billed {
        if self.options.test_hooks.is_none() {
            return Billed::default();
        }
        let counts = self.hook("rows").await;
        let count = |name: &str| counts[name].as_u64().unwrap_or(0);
        Billed {
            ledger_rows: count("rows_written"),
            object_calls: count("object_calls"),
            database_rows: count("database_rows_written"),
        }
    }

    /// The local host hands `/__test/…` to every function.
    async fn hook(&self, name: &str) -> Value {
        self.client().get(&format!("/__test/{name}")).send().await.expect(200).json()
    }
}

fn options(upstream_base_url: &str) -> Options {
    let wanted = std::env::var("TEST_HOST").unwrap_or_else(|_| HostKind::default().name().into());
    let mut options = Options::new(fresh_state_folder());
    options.host = HostKind::parse(&wanted).unwrap_or_else(|error| panic!("TEST_HOST: {error}"));
    add_second_stripe_secret(&options.state);
    options.test_hooks = Some("on".into());
    // Mails are captured; the host shows them.
    options.dev_routes = true;
    options.seed = crate::seed::statements();
    options.upstream = UpstreamEnv {
        openai_api_key: Some("the-scripted-provider-asks-for-none".into()),
        openai_base_url: Some(upstream_base_url.into()),
    };
    options
}

/// As while the secret is being rotated: the endpoint accepts both.
fn add_second_stripe_secret(state: &Path) {
    let mut secrets = Secrets::load_or_generate(state).expect("new secrets");
    let another = secrets.stripe_webhook_secret.chars().rev().collect::<String>();
    secrets.stripe_webhook_secret = format!("{},whsec_{another}", secrets.stripe_webhook_secret);
    let content = serde_json::to_vec(&secrets).expect("plain data");
    secrets::write_private(&secrets::file_in(state), &content).expect("a state folder that can be written");
}

fn start(options: &Options) -> LocalHost {
    LocalHost::start(options.clone()).unwrap_or_else(|error| panic!("the host did not start: {error:#}"))
}

fn port_of(url: &str) -> u16 {
    url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a URL with a port")
}

/// Of this process alone, and empty. In memory where the machine offers it: the ledger waits for every write.
fn fresh_state_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() }.join("ai-router-tests");
    remove_left_behind(&parent);
    let folder = parent.join(std::process::id().to_string());
    std::fs::create_dir_all(&folder).expect("a state folder");
    folder
}

/// The host outlives the test's last line, so a run cannot tidy up behind itself: the next one does. Folders are
/// named for processes; where there is no /proc to ask, they stay.
fn remove_left_behind(parent: &Path) {
    let processes = Path::new("/proc");
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        if processes.is_dir() && !processes.join(entry.file_name()).exists() {
            // Another run may be quicker.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
