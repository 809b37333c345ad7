//! `--dry-run`: all that needs no account. The pinned wrangler reads the configurations as they would be deployed, takes
//! the bundles, and applies the migrations to an empty database of this machine.

use super::environment::Environment;
use super::plan::{Found, ORDER, plan};
use super::wrangler::Wrangler;
use super::{given, rendered};
use crate::paths;
use crate::process::step;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::fs;

/// Stands for the id that the account would give.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

/// Fails with everything that wrangler refuses. Needs what `cargo xtask build` makes.
pub fn rehearse(
    environment: &Environment,
    wrangler: &Wrangler,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<()> {
    let known = given::known(variable, &BTreeMap::new())?;
    let found = Found { given: known.into_keys().collect(), ..Found::default() };
    let plan = plan(environment, &found).map_err(|problems| anyhow!("{}", problems.join("\n")))?;
    rendered::write(environment, NO_ID, &plan.secrets)?;

    let mut problems = Vec::new();
    let mut check = |name: &str, act: &dyn Fn() -> Result<()>| {
        if let Err(error) = step(name, act) {
            problems.push(format!("{name}: {error:#}"));
        }
    };
    check("migrations, on an empty local database", &|| migrate(environment, wrangler));
    for function in ORDER {
        check(&format!("wrangler takes {function}"), &|| take(environment, wrangler, function));
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n\n"));
    }
    println!("\nOn an account that has nothing of {} yet, a deployment would:", environment.name);
    for (at, step) in plan.steps.iter().enumerate() {
        println!("  {:>2}. {step}", at + 1);
    }
    for note in &plan.notes {
        println!("  note: {note}");
    }
    Ok(())
}

fn migrate(environment: &Environment, wrangler: &Wrangler) -> Result<()> {
    let folder = rendered::folder(environment).join("local-database");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    wrangler.migrate_local(&environment.name, &rendered::config_file(environment, ORDER[0]), &folder)
}

/// What would be uploaded is what was built and tested, byte for byte.
fn take(environment: &Environment, wrangler: &Wrangler, function: &str) -> Result<()> {
    let config = rendered::config_file(environment, function);
    let upload = config.with_file_name("upload");
    if upload.exists() {
        fs::remove_dir_all(&upload)?;
    }
    wrangler.deploy_dry(&config, &upload)?;
    for name in ["index.js", "index_bg.wasm"] {
        let built = fs::read(paths::worker_bundle(function).join(name))?;
        let taken = fs::read(upload.join(name)).with_context(|| format!("{name} would not be uploaded"))?;
        if built != taken {
            bail!("{name} would be uploaded otherwise than it was built");
        }
    }
    Ok(())
}
