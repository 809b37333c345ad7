//! Does what a plan says, and goes back when it fails.

use super::environment::{Environment, Hosts};
use super::kept::{self, Kept};
use super::plan::{Found, NewSecret, ORDER, Plan, Step, plan};
use super::secret_rules::{RULES, Rule};
use super::smoke::{self, Login};
use super::web::Web;
use super::wrangler::Wrangler;
use super::{given, rendered};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;

/// What a deployment needs of the world.
pub struct World<'a, W> {
    pub wrangler: &'a Wrangler,
    pub web: &'a W,
    pub kept: Kept,
    /// The operator's environment variables.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Where each step is told.
    pub say: &'a dyn Fn(&str),
}

/// How far a deployment has come.
#[derive(Default)]
struct Progress {
    database_id: Option<String>,
    /// By function, what ran before.
    before: BTreeMap<String, String>,
    deployed: Vec<&'static str>,
    /// By function, where it answers.
    origins: BTreeMap<&'static str, String>,
}

pub fn deploy<W: Web>(environment: &Environment, world: &World<'_, W>) -> Result<()> {
    check_account(environment, world)?;
    let unfinished = world.kept.unfinished()?;
    let values = given::known(world.variable, &unfinished)?;
    let database_id = world.wrangler.database(&environment.name)?;
    let found = found(environment, world, database_id.is_some(), &values)?;
    let plan = plan(environment, &found).map_err(|problems| anyhow!("{}", problems.join("\n")))?;
    tell(world, &plan);
    let values = complete(values, &plan)?;
    let mut progress = Progress { database_id, ..Progress::default() };
    if plan.steps.iter().any(|step| matches!(step, Step::SetSecrets { .. })) {
        let made = values.iter().filter(|(name, _)| {
            unfinished.contains_key(*name) || plan.made().any(|made| made == name.as_str())
        });
        world.kept.begin_secrets(&made.map(|(name, value)| (name.clone(), value.clone())).collect())?;
    }
    for (at, step) in plan.steps.iter().enumerate() {
        (world.say)(&format!("▸ {}/{} {step}", at + 1, plan.steps.len()));
        if let Err(error) = run(environment, world, &plan, &values, step, &mut progress) {
            return Err(undo(environment, world, &progress, error.context(step.to_string())));
        }
        if !plan.steps[at + 1..].iter().any(|step| matches!(step, Step::SetSecrets { .. })) {
            world.kept.end_secrets()?;
        }
    }
    farewell(environment, world, &progress);
    Ok(())
}

/// Back to what ran before the last deployment.
pub fn roll_back<W: Web>(environment: &Environment, world: &World<'_, W>) -> Result<()> {
    check_account(environment, world)?;
    let before = world.kept.versions_before()?.with_context(|| {
        format!(
            "no deployment of {} from this machine has noted what ran before; `wrangler rollback --name <worker>` goes \
             back by one",
            environment.label
        )
    })?;
    let functions: Vec<_> = ORDER.into_iter().filter(|function| before.contains_key(*function)).collect();
    let failures = go_back(environment, world, &functions, &before, "cargo xtask deploy --rollback");
    if failures.is_empty() { Ok(()) } else { bail!("{}", failures.join("\n")) }
}

fn run<W: Web>(
    environment: &Environment,
    world: &World<'_, W>,
    plan: &Plan,
    values: &BTreeMap<String, String>,
    step: &Step,
    progress: &mut Progress,
) -> Result<()> {
    let wrangler = world.wrangler;
    match step {
        Step::CreateDatabase { name, storage } => {
            wrangler.create_database(name, storage)?;
            progress.database_id = wrangler.database(name)?;
            Ok(())
        }
        Step::Render => {
            let id = progress.database_id.as_deref().context("the new database is not listed yet; repeat")?;
            rendered::write(environment, id, &plan.secrets)
        }
        Step::Migrate { database } => {
            wrangler.migrate(database, &rendered::config_file(environment, ORDER[0]))
        }
        Step::SetSecrets { function, secrets } => {
            let value = |NewSecret { name, .. }: &NewSecret| Some((*name, values.get(*name)?.as_str()));
            wrangler.set_secrets(&environment.worker(function), &secrets.iter().filter_map(value).collect())
        }
        Step::NoteVersions { functions } => {
            for function in functions {
                let version = wrangler.running_version(&environment.worker(function))?;
                progress.before.extend(version.map(|version| ((*function).to_owned(), version)));
            }
            world.kept.note_versions(&progress.before)
        }
        Step::Deploy { function } => deploy_one(environment, world, function, progress),
        Step::SmokeTest => smoke_test(environment, world, progress),
    }
}

fn deploy_one<W: Web>(
    environment: &Environment,
    world: &World<'_, W>,
    function: &'static str,
    progress: &mut Progress,
) -> Result<()> {
    // Also one that fails may have taken effect.
    progress.deployed.push(function);
    let deployed = world.wrangler.deploy(&rendered::config_file(environment, function))?;
    let address = match environment.hosts {
        Hosts::WorkersDev => deployed.addresses.into_iter().next(),
        Hosts::Shared(_) | Hosts::Each(_) => environment.origin(function),
    };
    (world.say)(&format!(
        "  version {} at {}",
        deployed.version.as_deref().unwrap_or("(not told)"),
        address.as_deref().unwrap_or("no address")
    ));
    progress.origins.extend(address.map(|address| (function, address)));
    Ok(())
}

fn smoke_test<W: Web>(environment: &Environment, world: &World<'_, W>, progress: &Progress) -> Result<()> {
    for function in ORDER {
        match progress.origins.get(function) {
            Some(origin) => {
                let url = format!("{origin}{}", environment.health_path(function));
                smoke::health(world.web, function, &url)?;
                (world.say)(&format!("  {function} answers at {url}"));
            }
            None if function == "cron-reset" => (world.say)("  cron-reset has no host, so nobody asks it"),
            None => bail!("{function}: wrangler told no address of it"),
        }
    }
    let login = match ((world.variable)("SMOKE_TEST_EMAIL"), (world.variable)("SMOKE_TEST_PASSWORD")) {
        (Some(email), Some(password)) => Some(Login { email, password }),
        _ => None,
    };
    smoke::log_in(world.web, &progress.origins["admin-api"], login.as_ref())?;
    (world.say)(if login.is_some() {
        "  the administrator logs in"
    } else {
        "  log-in works, and refuses nobody's"
    });
    Ok(())
}

/// The error, and what became of the functions that it found deployed.
fn undo<W: Web>(
    environment: &Environment,
    world: &World<'_, W>,
    progress: &Progress,
    error: anyhow::Error,
) -> anyhow::Error {
    if progress.deployed.is_empty() {
        return error.context("nothing was deployed; what ran before runs on. Mend it and deploy again");
    }
    let (back, new): (Vec<_>, Vec<_>) =
        progress.deployed.iter().copied().partition(|function| progress.before.contains_key(*function));
    let failures = go_back(environment, world, &back, &progress.before, "the deployment failed");
    let mut said = vec![match back.len() {
        0 => "the deployment failed".to_owned(),
        _ if failures.is_empty() => format!("the deployment failed; rolled back: {}", back.join(", ")),
        _ => "the deployment failed, and so did rolling back".to_owned(),
    }];
    if !new.is_empty() {
        said.push(format!("there is no earlier version of {} to go back to", new.join(", ")));
    }
    said.extend(failures);
    error.context(said.join("\n"))
}

/// The last deployed first. What could not be done.
fn go_back<W: Web>(
    environment: &Environment,
    world: &World<'_, W>,
    functions: &[&'static str],
    before: &BTreeMap<String, String>,
    why: &str,
) -> Vec<String> {
    let mut failures = Vec::new();
    for function in functions.iter().rev() {
        let version = &before[*function];
        (world.say)(&format!("▸ roll {function} back to {version}"));
        if let Err(error) = world.wrangler.roll_back(&environment.worker(function), version, why) {
            failures.push(format!("{function} was not rolled back to {version}: {error:#}"));
        }
    }
    failures
}

/// Where the log-in reaches several accounts, one must be named.
fn check_account<W: Web>(environment: &Environment, world: &World<'_, W>) -> Result<()> {
    let accounts = world.wrangler.accounts()?;
    let named = environment.account_id.clone().or_else(|| (world.variable)("CLOUDFLARE_ACCOUNT_ID"));
    if named.is_none() && accounts.len() > 1 {
        let all: Vec<_> =
            accounts.iter().map(|account| format!("{} ({})", account.id, account.name)).collect();
        bail!("the log-in reaches several accounts; write one as `account_id`: {}", all.join(", "));
    }
    Ok(())
}

fn found<W: Web>(
    environment: &Environment,
    world: &World<'_, W>,
    database: bool,
    values: &BTreeMap<String, String>,
) -> Result<Found> {
    let mut workers = BTreeMap::new();
    for function in ORDER {
        if let Some(secrets) = world.wrangler.secrets(&environment.worker(function))? {
            workers.insert(function, secrets);
        }
    }
    Ok(Found { database, workers, given: values.keys().cloned().collect() })
}

/// A value for each secret that is to be made.
fn complete(mut values: BTreeMap<String, String>, plan: &Plan) -> Result<BTreeMap<String, String>> {
    for name in plan.made() {
        if !values.contains_key(name) {
            let rule = Rule::named(name).context("a secret without a rule")?;
            values.insert(name.to_owned(), kept::made(rule)?);
        }
    }
    Ok(values)
}

fn tell<W: Web>(world: &World<'_, W>, plan: &Plan) {
    for note in &plan.notes {
        (world.say)(&format!("note: {note}"));
    }
}

fn farewell<W: Web>(environment: &Environment, world: &World<'_, W>, progress: &Progress) {
    (world.say)(&format!("\n{} is deployed.", environment.label));
    let (token, origin) = (world.kept.token_file(), &progress.origins["admin-api"]);
    if token.exists() {
        (world.say)(&super::bootstrap_line(origin, &token));
    }
}

impl Plan {
    /// The secrets that are made now, each once.
    fn made(&self) -> impl Iterator<Item = &'static str> {
        RULES.iter().map(|rule| rule.name).filter(|name| {
            self.steps.iter().any(|step| match step {
                Step::SetSecrets { secrets, .. } => {
                    secrets.iter().any(|secret| secret.made && secret.name == *name)
                }
                _ => false,
            })
        })
    }
}
