//! The functions' configurations as one environment has them: copies below `target/deploy`, so that deploying changes no
//! file that is tracked.

use super::environment::{Environment, Hosts};
use super::jsonc;
use crate::paths::{self, FUNCTIONS};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// What the checked-in configurations call the product.
const PRODUCT: &str = "cloudfreedom-";
/// From `target/deploy/<environment>/<function>` to `target` and to the repository's top folder.
const TARGET: &str = "../../..";
const ROOT: &str = "../../../..";
/// The only one that Stripe must give first; a function deploys without it and refuses events.
const NOT_YET_NEEDED: [&str; 1] = ["STRIPE_WEBHOOK_SECRETS"];

pub fn folder(environment: &Environment) -> PathBuf {
    paths::root().join("target/deploy").join(&environment.label)
}

pub fn config_file(environment: &Environment, function: &str) -> PathBuf {
    folder(environment).join(function).join("wrangler.jsonc")
}

/// Writes all of them. `secrets` are those that each function will have.
pub fn write(
    environment: &Environment,
    database_id: &str,
    secrets: &BTreeMap<&'static str, BTreeSet<String>>,
) -> Result<()> {
    let mut declared = BTreeSet::new();
    for function in FUNCTIONS {
        let shipped: Value = jsonc::read(&paths::wrangler_config(function))?;
        declared.extend(shipped["vars"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
        let none = BTreeSet::new();
        let rendered =
            render(shipped, function, environment, database_id, secrets.get(function).unwrap_or(&none))
                .with_context(|| format!("the configuration of {function}"))?;
        let file = config_file(environment, function);
        fs::create_dir_all(file.parent().context("a file in a folder")?)?;
        fs::write(&file, serde_json::to_vec_pretty(&rendered)?)
            .with_context(|| file.display().to_string())?;
    }
    match environment.vars.keys().find(|name| !declared.contains(*name)) {
        Some(unknown) => {
            bail!("vars: no function declares {unknown}, only: {}", Vec::from_iter(declared).join(", "))
        }
        None => Ok(()),
    }
}

fn render(
    mut config: Value,
    function: &'static str,
    environment: &Environment,
    database_id: &str,
    secrets: &BTreeSet<String>,
) -> Result<Value> {
    config["name"] = environment.worker(function).into();
    config["main"] = format!("{TARGET}/workers/{function}/dist/index.js").into();
    for database in items(&mut config, "/d1_databases") {
        database["database_name"] = environment.name.as_str().into();
        database["database_id"] = database_id.into();
        database["migrations_dir"] = format!("{ROOT}/infra/migrations").into();
    }
    for binding in items(&mut config, "/durable_objects/bindings") {
        if let Some(script) = binding["script_name"].as_str() {
            let owner = script.strip_prefix(PRODUCT).context("an object's owner is none of our functions")?;
            binding["script_name"] = environment.worker(owner).into();
        }
    }
    for (name, value) in &environment.vars {
        if let Some(declared) = config.pointer_mut(&format!("/vars/{name}")) {
            *declared = value.as_str().into();
        }
    }
    let missing = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        NOT_YET_NEEDED.contains(&name) && !secrets.contains(name)
    };
    if let Some(required) = config.pointer_mut("/secrets/required").and_then(Value::as_array_mut) {
        required.retain(|name| !missing(name));
    }
    let routes = routes(environment, function);
    config["workers_dev"] = (environment.hosts == Hosts::WorkersDev).into();
    config["preview_urls"] = false.into();
    if !routes.is_empty() {
        config["routes"] = routes.into();
    }
    Ok(config)
}

/// None for what is no list.
fn items<'a>(config: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    config.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

fn routes(environment: &Environment, function: &str) -> Vec<Value> {
    match &environment.hosts {
        Hosts::WorkersDev => Vec::new(),
        Hosts::Each(hosts) => hosts
            .get(function)
            .map(|host| json!({ "pattern": host, "custom_domain": true }))
            .into_iter()
            .collect(),
        Hosts::Shared(host) if function == "proxy" => {
            vec![json!({ "pattern": host.name, "custom_domain": true })]
        }
        Hosts::Shared(host) => {
            let paths: &[&str] = match function {
                "billing" => &["/api/*", "/billing/health"],
                "admin-api" => &["/admin/*"],
                "stripe-webhook" => &["/webhooks/*"],
                _ => &["/cron/health"],
            };
            let route =
                |path: &&str| json!({ "pattern": format!("{}{path}", host.name), "zone_name": host.zone });
            paths.iter().map(route).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::environment::{PRODUCTION, SharedHost};

    fn environment(hosts: Hosts) -> Environment {
        let file = paths::root().join("infra/workers/deployment.jsonc");
        Environment { name: "ours".into(), hosts, ..Environment::read(&file, PRODUCTION).unwrap() }
    }

    fn rendered(function: &'static str, environment: &Environment, secrets: &[&str]) -> Value {
        let shipped = jsonc::read(&paths::wrangler_config(function)).unwrap();
        let secrets = secrets.iter().map(|name| (*name).to_owned()).collect();
        render(shipped, function, environment, "an-id", &secrets).unwrap()
    }

    #[test]
    fn names_ids_and_owners_are_the_environments() {
        let environment = environment(Hosts::WorkersDev);
        for function in FUNCTIONS {
            let config = rendered(function, &environment, &[]);
            assert_eq!(config["name"], format!("ours-{function}"));
            assert_eq!(config["d1_databases"][0]["database_id"], "an-id");
            assert_eq!(config["d1_databases"][0]["database_name"], "ours");
            assert_eq!((&config["workers_dev"], &config["preview_urls"]), (&json!(true), &json!(false)));
            let owner = &config["durable_objects"]["bindings"][0]["script_name"];
            let expected = match function {
                "billing" | "stripe-webhook" => Value::Null,
                _ => json!("ours-billing"),
            };
            assert_eq!(owner, &expected, "{function}");
            assert!(!config.to_string().contains("cloudfreedom-"), "{config}");
        }
    }

    #[test]
    fn one_host_is_the_proxys_and_the_others_take_their_paths() {
        let host = SharedHost { name: "ai.example.com".into(), zone: "example.com".into() };
        let environment = environment(Hosts::Shared(host));
        let pattern = |function, at: usize| rendered(function, &environment, &[])["routes"][at].clone();
        assert_eq!(pattern("proxy", 0), json!({ "pattern": "ai.example.com", "custom_domain": true }));
        let api = json!({ "pattern": "ai.example.com/api/*", "zone_name": "example.com" });
        assert_eq!(pattern("billing", 0), api);
        assert_eq!(rendered("cron-reset", &environment, &[])["workers_dev"], false);
        for function in FUNCTIONS {
            let path = environment.health_path(function);
            let routes = rendered(function, &environment, &[])["routes"].to_string();
            let first = path.split('/').nth(1).unwrap_or_default();
            let covered = function == "proxy"
                || routes.contains(&format!("com{path}\""))
                || routes.contains(&format!("/{first}/*"));
            assert!(covered, "{function}: {routes}");
        }
    }

    #[test]
    fn each_function_may_have_its_own_host_and_the_scheduler_none() {
        let hosts = [("proxy", "api.example.com"), ("billing", "billing.example.com")];
        let hosts = hosts.map(|(function, host)| (function.to_owned(), host.to_owned())).into();
        let environment = environment(Hosts::Each(hosts));
        let own = json!([{ "pattern": "api.example.com", "custom_domain": true }]);
        assert_eq!(rendered("proxy", &environment, &[])["routes"], own);
        let scheduler = rendered("cron-reset", &environment, &[]);
        assert_eq!((&scheduler["routes"], &scheduler["workers_dev"]), (&Value::Null, &json!(false)));
        assert_eq!(scheduler["triggers"]["crons"], json!(["* * * * *"]));
    }

    #[test]
    fn only_what_stripe_has_not_given_yet_is_not_required() {
        let environment = environment(Hosts::WorkersDev);
        let required = |function, secrets: &[&str]| {
            rendered(function, &environment, secrets)["secrets"]["required"].clone()
        };
        assert_eq!(required("stripe-webhook", &[]), json!([]));
        assert_eq!(
            required("stripe-webhook", &["STRIPE_WEBHOOK_SECRETS"]),
            json!(["STRIPE_WEBHOOK_SECRETS"])
        );
        assert_eq!(required("billing", &[]), json!(["API_KEY_PEPPER_1", "PROVIDER_KEYS_KEY_1"]));
    }
}
