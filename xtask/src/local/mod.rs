//! The local host: all five functions on one port, from what `cargo xtask build` made, with their state in one folder.
//! On Workers that is one real workerd, on Spin the development host for its ABI, natively a process of our own.
//! `cargo xtask dev` and the black-box suite start the same ones.

mod runner;
mod state_folder;

pub use state_folder::StateFolder;

use crate::build::require_built;
use crate::paths;
use crate::secrets::{Secrets, write_private};
use crate::seed::{self, SeedStatement, UpstreamEnv};
use anyhow::{Context, Result};
use runner::Runner;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which host runs the functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostKind {
    #[default]
    Workers,
    Spin,
    /// The functions in one native process.
    Native,
}

impl HostKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Spin => "spin",
            Self::Native => "native",
        }
    }

    pub fn parse(text: &str) -> Result<Self> {
        let found = [Self::Workers, Self::Spin, Self::Native].into_iter().find(|host| host.name() == text);
        found.with_context(|| format!("{text}: the hosts are `workers`, `spin` and `native`"))
    }
}

/// How a host is started.
#[derive(Clone, Debug)]
pub struct Options {
    pub host: HostKind,
    /// Where everything is kept that outlives the host. Made where it is missing.
    pub state: PathBuf,
    /// 0: any free one; `LocalHost::facts` tells which.
    pub port: u16,
    /// The provider that the seed data names.
    pub upstream: UpstreamEnv,
    /// Run after the usual seed statements, at every start.
    pub seed: Vec<SeedStatement>,
    /// Variables of `wrangler.jsonc` with other values.
    pub vars: BTreeMap<String, String>,
    /// The value of the binding `TEST_HOOKS`, which no shipped configuration has.
    pub test_hooks: Option<String>,
    pub extra_workers: Vec<ExtraWorker>,
    /// `POST /__dev/trigger/cron` and `GET /__dev/outbox` on the shared port.
    pub dev_routes: bool,
    /// Where hosts of this kind may end a request's work with its caller, this one shall.
    pub ends_with_caller: bool,
    /// The directory has its tables and no row, as a deployment finds it: no tenant, no model, no demo user.
    pub unseeded: bool,
    pub log: Log,
}

impl Options {
    /// A host on a free port, without hooks, that logs to `<state>/host.log`.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self {
            host: HostKind::default(),
            state: state.into(),
            port: 0,
            upstream: UpstreamEnv::default(),
            seed: Vec::new(),
            vars: local_vars(),
            test_hooks: None,
            extra_workers: Vec::new(),
            dev_routes: false,
            ends_with_caller: false,
            unseeded: false,
            log: Log::File,
        }
    }
}

/// What a local host says otherwise than the shipped configurations.
fn local_vars() -> BTreeMap<String, String> {
    let vars = [
        // Local workerd has none.
        ("JURISDICTIONS", "off"),
        // Mails are kept in the database: GET /__dev/outbox.
        ("MAIL_URL", "capture:"),
        // A receiver of webhooks may run on this machine.
        ("WEBHOOK_ADDRESSES", "any"),
        ("WEBHOOK_HOSTS", "*://*:*"),
    ];
    vars.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Spin lets models run at declared hosts only: also where the environment says the provider is.
fn vars(options: &Options) -> BTreeMap<String, String> {
    let mut vars = options.vars.clone();
    if let Some((scheme, rest)) =
        options.upstream.openai_base_url.as_deref().and_then(|url| url.split_once("://"))
    {
        let host = rest.split('/').next().unwrap_or(rest);
        vars.entry("PROVIDER_HOST_4".into()).or_insert_with(|| format!("{scheme}://{host}"));
    }
    vars
}

/// Where the functions' console output and the runtime's complaints go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Terminal,
    /// `<state>/host.log`, appended.
    File,
}

/// A plain JavaScript module worker, or on Spin a component, beside the functions on its own port.
#[derive(Clone, Debug, Serialize)]
pub struct ExtraWorker {
    pub name: String,
    /// The path of its only module, or of the component.
    pub script: PathBuf,
    /// 0: any free one; `LocalHost::port` tells which.
    pub port: u16,
    pub vars: BTreeMap<String, String>,
}

/// What a client needs to know; the content of `<state>/dev.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DevFacts {
    /// Like `http://127.0.0.1:8787`.
    pub url: String,
    /// What an OpenAI SDK takes as its base URL: `url` with `/v1`.
    pub base_url: String,
    /// The demo user's; empty where there is none.
    pub api_key: String,
    pub billing_api_key: String,
    pub admin: AdminLogin,
    pub stripe_webhook_secret: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdminLogin {
    pub email: String,
    pub password: String,
}

/// A running host. Dropped, it stops.
pub struct LocalHost {
    facts: DevFacts,
    runner: Runner,
    /// Held as long as the host may write.
    state: StateFolder,
}

impl LocalHost {
    /// Starts what has been built and waits until it answers. Blocks for a second or two. `GET /health` is 503 until
    /// the seed and the demo user are in and `dev.json` is written.
    ///
    /// Fails when nothing is built, the state folder is in use or not ours, or the port is taken.
    pub fn start(options: Options) -> Result<Self> {
        let state = StateFolder::claim(&options.state)?;
        Self::start_in(state, options)
    }

    /// The same in a folder that is claimed already.
    pub fn start_in(state: StateFolder, options: Options) -> Result<Self> {
        require_built(options.host)?;
        let secrets = Secrets::load_or_generate(state.path())?;
        let seeds = |options: &Options| seed::statements(&secrets, &options.upstream);
        let mut seed = if options.unseeded { Vec::new() } else { seeds(&options)? };
        let vars = vars(&options);
        seed.extend(options.seed);
        let run = json!({
            "root": paths::root(),
            "stateDir": state.path(),
            "port": options.port,
            "secrets": secrets.bindings(),
            "vars": vars,
            "testHooks": options.test_hooks,
            "devRoutes": options.dev_routes,
            "endsWithCaller": options.ends_with_caller,
            "extraWorkers": options.extra_workers,
            "seed": seed,
        });
        let mut runner = Runner::start(options.host, &run, state.path(), options.log)?;
        let origin = format!("http://127.0.0.1:{}", runner.port("front")?);
        let api_key = match options.unseeded {
            true => String::new(),
            false => demo_key(options.host, state.path(), &origin, &secrets)?,
        };
        let facts = write_facts(state.path(), &origin, api_key, &secrets)?;
        runner.open()?;
        Ok(Self { facts, runner, state })
    }

    pub fn facts(&self) -> &DevFacts {
        &self.facts
    }

    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// The process id of workerd, or of the host that takes its place: it runs all functions.
    pub fn workerd_pid(&self) -> u32 {
        self.runner.workerd_pid()
    }

    /// The port of an extra worker, by its name.
    pub fn port(&self, worker: &str) -> Result<u16> {
        self.runner.port(worker)
    }

    /// Runs the scheduled functions now, and waits for them.
    pub fn trigger_cron(&mut self) -> Result<()> {
        self.runner.trigger_cron()
    }

    /// Whether the host ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.runner.has_ended()
    }

    /// Ends the host in good order.
    pub fn stop(mut self) {
        self.runner.stop();
    }

    /// SIGKILL for workerd and what runs it, as a power cut would end them; waits until the port is free.
    pub fn kill_hard(mut self) {
        self.runner.kill_hard();
    }
}

/// The facts of this start.
fn write_facts(state: &Path, origin: &str, api_key: String, secrets: &Secrets) -> Result<DevFacts> {
    let facts = DevFacts {
        url: origin.to_owned(),
        base_url: format!("{origin}/v1"),
        api_key,
        billing_api_key: secrets.billing_api_key.clone(),
        admin: AdminLogin { email: secrets.admin_email.clone(), password: secrets.admin_password.clone() },
        stripe_webhook_secret: secrets.stripe_webhook_secret.clone(),
    };
    write_private(&facts_file(state), &serde_json::to_vec_pretty(&facts)?)?;
    Ok(facts)
}

/// The demo user's key of earlier starts; where there is none, a new user's. Each host has databases of its own in the
/// folder, and so a demo user of its own.
fn demo_key(host: HostKind, state: &Path, origin: &str, secrets: &Secrets) -> Result<String> {
    let file = state.join("demo-keys.json");
    let mut keys: BTreeMap<String, String> = read_json(&file)?.unwrap_or_default();
    if let Some(key) = keys.get(host.name()) {
        return Ok(key.clone());
    }
    let key = seed::provision(origin, secrets)?;
    keys.insert(host.name().to_owned(), key.clone());
    write_private(&file, &serde_json::to_vec_pretty(&keys)?)?;
    Ok(key)
}

/// What the last host of this state folder wrote down, if there was one.
pub fn read_facts(state: &Path) -> Result<Option<DevFacts>> {
    read_json(&facts_file(state))
}

fn read_json<T: DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    if !file.exists() {
        return Ok(None);
    }
    let content = fs::read(file).with_context(|| file.display().to_string())?;
    let read = serde_json::from_slice(&content);
    Ok(Some(read.with_context(|| format!("{} is damaged; start with --fresh", file.display()))?))
}

fn facts_file(state: &Path) -> PathBuf {
    state.join("dev.json")
}
