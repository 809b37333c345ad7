//! `cargo xtask deploy`: from a checkout to a deployment that answers; docs/deploy-workers.md is its manual.

mod environment;
mod given;
mod jsonc;
mod kept;
mod plan;
mod rehearsal;
mod rendered;
mod runner;
mod secret_rules;
mod smoke;
#[cfg(test)]
mod tests;
mod web;
mod wrangler;

use crate::local::HostKind;
use crate::{build, paths, setup};
use anyhow::Result;
use environment::{Environment, PRODUCTION};
use kept::Kept;
use runner::World;
use std::path::{Path, PathBuf};
use web::NodeFetch;
use wrangler::Wrangler;

pub struct Options {
    /// None: production.
    pub environment: Option<String>,
    /// None: `infra/workers/deployment.jsonc`.
    pub config: Option<PathBuf>,
    pub act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Deploy,
    /// Only what needs no account.
    DryRun,
    /// To what ran before the last deployment.
    RollBack,
}

pub fn run(options: &Options) -> Result<()> {
    let environment = environment_of(options)?;
    setup::setup(setup::Scope::Run)?;
    if options.act != Act::RollBack {
        build::build(HostKind::Workers)?;
    }
    act(&environment, options.act)
}

/// The dry run of the shipped deployment, for what is built already.
pub fn check() -> Result<()> {
    let shipped = Options { environment: None, config: None, act: Act::DryRun };
    act(&environment_of(&shipped)?, Act::DryRun)
}

fn environment_of(options: &Options) -> Result<Environment> {
    let file = options.config.clone().unwrap_or_else(|| paths::root().join("infra/workers/deployment.jsonc"));
    Environment::read(&file, options.environment.as_deref().unwrap_or(PRODUCTION))
}

fn act(environment: &Environment, act: Act) -> Result<()> {
    let wrangler = Wrangler::pinned(environment.account_id.clone());
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let world = World {
        wrangler: &wrangler,
        web: &NodeFetch,
        kept: Kept::of(environment),
        variable: &variable,
        say: &|line| println!("{line}"),
    };
    match act {
        Act::Deploy => runner::deploy(environment, &world),
        Act::DryRun => rehearsal::rehearse(environment, &wrangler, &variable),
        Act::RollBack => runner::roll_back(environment, &world),
    }
}

/// How the first administrator is made; the token goes from its file to curl without being seen.
fn bootstrap_line(origin: &str, token_file: &Path) -> String {
    format!(
        "\
Make the first administrator, once; first-admin.json holds {{\"email\": …, \"password\": …}}:
  printf 'header = \"Authorization: Bearer %s\"' \"$(cat '{}')\" |
    curl -sS --config - -H 'Content-Type: application/json' --data @first-admin.json {origin}/admin/bootstrap
Then delete both files. docs/deploy-workers.md goes on from there.",
        token_file.display()
    )
}
