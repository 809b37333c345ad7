//! What a deployment does, decided before it begins: from the environment and what is there already to steps.

use super::environment::{Environment, Storage};
use super::secret_rules::{Decision, RULES};
use crate::paths::FUNCTIONS;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Billing owns the accounts that the others are bound to; model traffic comes last.
pub const ORDER: [&str; 5] = ["billing", "admin-api", "cron-reset", "stripe-webhook", "proxy"];

/// What the account holds already, and what the operator gives.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub database: bool,
    /// By function the names of its secrets; a Worker that does not exist is absent.
    pub workers: BTreeMap<&'static str, BTreeSet<String>>,
    /// Secrets whose values are known.
    pub given: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    CreateDatabase {
        name: String,
        storage: Storage,
    },
    /// The functions' configurations with names, ids and hosts of the environment.
    Render,
    Migrate {
        database: String,
    },
    SetSecrets {
        function: &'static str,
        secrets: Vec<NewSecret>,
    },
    /// Of what runs now, so that it can be rolled back to.
    NoteVersions {
        functions: Vec<&'static str>,
    },
    Deploy {
        function: &'static str,
    },
    SmokeTest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSecret {
    pub name: &'static str,
    /// From fresh randomness; else it is given.
    pub made: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// By function, the secrets that it has afterwards.
    pub secrets: BTreeMap<&'static str, BTreeSet<String>>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// The steps, or everything that must be mended first.
pub fn plan(environment: &Environment, found: &Found) -> Result<Plan, Vec<String>> {
    let (new_secrets, notes) = secrets(environment, found)?;
    let mut steps = Vec::new();
    if !found.database {
        let (name, storage) = (environment.name.clone(), environment.storage.clone());
        steps.push(Step::CreateDatabase { name, storage });
    }
    steps.extend([Step::Render, Step::Migrate { database: environment.name.clone() }]);
    let mut after: BTreeMap<_, _> = FUNCTIONS.map(|function| (function, present(found, function))).into();
    for function in ORDER {
        let secrets = new_secrets.get(function).cloned().unwrap_or_default();
        after.entry(function).or_default().extend(secrets.iter().map(|secret| secret.name.to_owned()));
        if !secrets.is_empty() {
            steps.push(Step::SetSecrets { function, secrets });
        }
    }
    let functions: Vec<_> =
        ORDER.into_iter().filter(|function| found.workers.contains_key(function)).collect();
    if !functions.is_empty() {
        steps.push(Step::NoteVersions { functions });
    }
    steps.extend(ORDER.map(|function| Step::Deploy { function }));
    steps.push(Step::SmokeTest);
    Ok(Plan { steps, secrets: after, notes })
}

type NewSecrets = BTreeMap<&'static str, Vec<NewSecret>>;

fn secrets(environment: &Environment, found: &Found) -> Result<(NewSecrets, Vec<String>), Vec<String>> {
    let everywhere = FUNCTIONS.map(|function| (function, present(found, function))).into();
    let (mut new, mut notes, mut problems) = (NewSecrets::new(), Vec::new(), Vec::new());
    for rule in &RULES {
        match rule.decide(&everywhere, &found.given) {
            Decision::Keep => {}
            Decision::Leave => notes.extend(without(rule.name).map(|meaning| {
                format!("{} is not set: {meaning}. To set it, export it and deploy again", rule.name)
            })),
            Decision::Set { made } => {
                for function in rule.functions {
                    new.entry(function).or_default().push(NewSecret { name: rule.name, made });
                }
            }
            Decision::Torn { has, lacks } => problems.push(torn(environment, rule.name, &has, &lacks)),
        }
    }
    if problems.is_empty() { Ok((new, notes)) } else { Err(problems) }
}

fn present(found: &Found, function: &str) -> BTreeSet<String> {
    found.workers.get(function).cloned().unwrap_or_default()
}

fn torn(environment: &Environment, name: &str, has: &[&str], lacks: &[&str]) -> String {
    let workers =
        |all: &[&str]| all.iter().map(|it| environment.worker(it)).collect::<Vec<_>>().join(" and ");
    format!(
        "the secret {name} is set in {} and missing in {}, and a secret cannot be read back. Export {name} with the \
         value that the first has, and deploy again; if it is lost, rotate it (docs/deploy-workers.md, Secrets)",
        workers(has),
        workers(lacks),
    )
}

/// What it means that an operator's secret is not there, if that should be known.
fn without(name: &str) -> Option<&'static str> {
    match name {
        "STRIPE_WEBHOOK_SECRETS" => Some("Stripe's events are refused until it is"),
        "MAIL_API_KEY" => Some("nobody is told by mail until it is"),
        _ => None,
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateDatabase { name, storage: Storage::Jurisdiction(place) } => {
                write!(f, "create the database {name}, kept in: {place}")
            }
            Self::CreateDatabase { name, storage: Storage::Anywhere(hint) } => {
                write!(
                    f,
                    "create the database {name}, kept anywhere, best in: {}",
                    hint.as_deref().unwrap_or("–")
                )
            }
            Self::Render => write!(f, "write the functions' configurations"),
            Self::Migrate { database } => write!(f, "apply the migrations that {database} lacks"),
            Self::SetSecrets { function, secrets } => {
                let name = |NewSecret { name, made }: &NewSecret| {
                    format!("{name} ({})", if *made { "made now" } else { "given" })
                };
                let names: Vec<_> = secrets.iter().map(name).collect();
                write!(f, "set secrets of {function}: {}", names.join(", "))
            }
            Self::NoteVersions { functions } => {
                write!(f, "note which versions run of {}", functions.join(", "))
            }
            Self::Deploy { function } => write!(f, "deploy {function}"),
            Self::SmokeTest => write!(f, "smoke test; if it fails, back to the versions noted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::environment::PRODUCTION;

    fn environment() -> Environment {
        let file = crate::paths::root().join("infra/workers/deployment.jsonc");
        Environment::read(&file, PRODUCTION).unwrap()
    }

    fn deployed(plan: &Plan) -> Found {
        Found { database: true, workers: plan.secrets.clone(), given: BTreeSet::new() }
    }

    #[test]
    fn a_fresh_account_gets_database_secrets_and_functions_in_that_order() {
        let plan = plan(&environment(), &Found::default()).unwrap();
        let shown: Vec<_> = plan.steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "create the database cloudfreedom, kept in: eu",
                "write the functions' configurations",
                "apply the migrations that cloudfreedom lacks",
                "set secrets of billing: API_KEY_PEPPER_1 (made now), PROVIDER_KEYS_KEY_1 (made now)",
                "set secrets of admin-api: SESSION_KEY_P256 (made now), BOOTSTRAP_TOKEN (made now)",
                "set secrets of cron-reset: PROVIDER_KEYS_KEY_1 (made now)",
                "set secrets of proxy: API_KEY_PEPPER_1 (made now), PROVIDER_KEYS_KEY_1 (made now)",
                "deploy billing",
                "deploy admin-api",
                "deploy cron-reset",
                "deploy stripe-webhook",
                "deploy proxy",
                "smoke test; if it fails, back to the versions noted",
            ]
        );
        assert_eq!(plan.notes.len(), 2, "{:?}", plan.notes);
    }

    #[test]
    fn p29_what_is_deployed_already_is_given_nothing_new() {
        let environment = environment();
        let first = plan(&environment, &Found::default()).unwrap();
        let second = plan(&environment, &deployed(&first)).unwrap();
        let creates = |step: &Step| matches!(step, Step::CreateDatabase { .. } | Step::SetSecrets { .. });
        assert!(!second.steps.iter().any(creates), "{:?}", second.steps);
        assert!(second.steps.contains(&Step::NoteVersions { functions: ORDER.to_vec() }));
        assert_eq!(second.secrets, first.secrets);
    }

    #[test]
    fn every_function_is_deployed_and_the_owner_of_the_accounts_first() {
        assert_eq!(ORDER[0], "billing");
        assert_eq!(BTreeSet::from(ORDER), BTreeSet::from(FUNCTIONS));
    }

    #[test]
    fn a_torn_secret_stops_it_and_names_the_remedy() {
        let environment = environment();
        let mut found = deployed(&plan(&environment, &Found::default()).unwrap());
        found.workers.get_mut("proxy").unwrap().remove("PROVIDER_KEYS_KEY_1");
        let problems = plan(&environment, &found).unwrap_err();
        assert_eq!(problems.len(), 1);
        for word in ["PROVIDER_KEYS_KEY_1", "cloudfreedom-billing", "cloudfreedom-proxy", "rotate"] {
            assert!(problems[0].contains(word), "{word}: {}", problems[0]);
        }
    }
}
