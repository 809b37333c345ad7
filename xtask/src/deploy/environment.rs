//! Where to deploy: one environment of `infra/workers/deployment.jsonc`, or of a file like it.

use super::jsonc;
use crate::paths::FUNCTIONS;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

pub const PRODUCTION: &str = "production";
/// Begins the names of Workers and database where an environment states no other.
const PRODUCT: &str = "cloudfreedom";
/// A Worker's name is part of a host name; the longest of ours ends in `-stripe-webhook`.
const NAME_MAX: usize = 48;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    environments: BTreeMap<String, Stated>,
}

/// An environment as it is written.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    name: Option<String>,
    account_id: Option<String>,
    jurisdiction: Option<String>,
    location: Option<String>,
    host: Option<SharedHost>,
    hosts: Option<BTreeMap<String, String>>,
    #[serde(default)]
    vars: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedHost {
    pub name: String,
    /// The zone of the account that the name belongs to.
    pub zone: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// As it is chosen on the command line.
    pub label: String,
    /// Begins the names of the Workers, and is the database's.
    pub name: String,
    pub account_id: Option<String>,
    pub storage: Storage,
    pub hosts: Hosts,
    /// Values for variables that the functions' configurations declare.
    pub vars: BTreeMap<String, String>,
}

/// Where the database is kept; decided when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Bound to it: `eu`.
    Jurisdiction(String),
    /// Anywhere, with a hint such as `weur`.
    Anywhere(Option<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// `<worker>.<the account's subdomain>.workers.dev`.
    WorkersDev,
    /// All on one host, by path.
    Shared(SharedHost),
    /// One each, by function.
    Each(BTreeMap<String, String>),
}

impl Environment {
    pub fn read(file: &Path, label: &str) -> Result<Self> {
        let File { mut environments } = jsonc::read(file)?;
        let known = environments.keys().cloned().collect::<Vec<_>>().join(", ");
        let stated = environments
            .remove(label)
            .with_context(|| format!("{} has no environment {label}, only: {known}", file.display()))?;
        Self::of(label, stated).with_context(|| format!("{}, environment {label}", file.display()))
    }

    fn of(label: &str, stated: Stated) -> Result<Self> {
        let Stated { name, account_id, jurisdiction, location, host, hosts, vars } = stated;
        let default_name =
            if label == PRODUCTION { PRODUCT.to_owned() } else { format!("{PRODUCT}-{label}") };
        let name = name.unwrap_or(default_name);
        if !is_label(&name) || name.len() > NAME_MAX {
            bail!("name: {name:?} must be at most {NAME_MAX} lower-case letters, digits and hyphens");
        }
        let hosts = match (host, hosts) {
            (None, None) => Hosts::WorkersDev,
            (Some(host), None) => Hosts::Shared(shared(host)?),
            (None, Some(hosts)) => Hosts::Each(each(hosts)?),
            (Some(_), Some(_)) => {
                bail!("`host` is for all functions and `hosts` for each: state one of them")
            }
        };
        let storage = match jurisdiction.as_deref() {
            Some("none") => Storage::Anywhere(location),
            _ if location.is_some() => {
                bail!(
                    "location: a jurisdiction says where the database is; state \"jurisdiction\": \"none\" with it"
                )
            }
            Some(other) if !is_label(other) => bail!("jurisdiction: {other:?} is none"),
            jurisdiction => Storage::Jurisdiction(jurisdiction.unwrap_or("eu").to_owned()),
        };
        Ok(Self { label: label.to_owned(), name, account_id, storage, hosts, vars })
    }

    /// The Worker's name.
    pub fn worker(&self, function: &str) -> String {
        format!("{}-{function}", self.name)
    }

    /// Where a function answers, like `https://api.example.com`; none on workers.dev, whose address only a deployment
    /// tells, and for one that has no host.
    pub fn origin(&self, function: &str) -> Option<String> {
        match &self.hosts {
            Hosts::WorkersDev => None,
            Hosts::Shared(host) => Some(format!("https://{}", host.name)),
            Hosts::Each(hosts) => hosts.get(function).map(|host| format!("https://{host}")),
        }
    }

    /// The path of a function's health.
    pub fn health_path(&self, function: &str) -> &'static str {
        match (&self.hosts, function) {
            (Hosts::Shared(_), "billing") => "/billing/health",
            (Hosts::Shared(_), "admin-api") => "/admin/health",
            (Hosts::Shared(_), "stripe-webhook") => "/webhooks/health",
            (Hosts::Shared(_), "cron-reset") => "/cron/health",
            _ => "/health",
        }
    }
}

/// `example.com` is within the zone `example.com`, and so is `ai.example.com`.
fn shared(host: SharedHost) -> Result<SharedHost> {
    let SharedHost { name, zone } = &host;
    if !is_host(name) || !is_host(zone) {
        bail!(
            "host: {name:?} in the zone {zone:?} must be names like ai.example.com, without scheme or path"
        );
    }
    if name != zone && !name.ends_with(&format!(".{zone}")) {
        bail!("host: {name} does not lie in the zone {zone}");
    }
    Ok(host)
}

fn each(hosts: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    for (function, host) in &hosts {
        if !FUNCTIONS.contains(&function.as_str()) {
            bail!("hosts: {function} is none of {}", FUNCTIONS.join(", "));
        }
        if !is_host(host) {
            bail!("hosts: {host:?} must be a name like api.example.com, without scheme or path");
        }
        if hosts.values().filter(|other| *other == host).count() > 1 {
            bail!("hosts: {host} is there twice; functions share a host with `host`");
        }
    }
    for function in FUNCTIONS {
        if function != "cron-reset" && !hosts.contains_key(function) {
            bail!("hosts: {function} has none, and would be out of reach");
        }
    }
    Ok(hosts)
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_host(text: &str) -> bool {
    text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(label: &str, json: &str) -> Result<Environment> {
        Environment::of(label, serde_json::from_str(json)?)
    }

    #[test]
    fn the_shipped_file_deploys_to_workers_dev_with_storage_in_the_eu() {
        let file = crate::paths::root().join("infra/workers/deployment.jsonc");
        let production = Environment::read(&file, PRODUCTION).unwrap();
        assert_eq!(production.hosts, Hosts::WorkersDev);
        assert_eq!(production.storage, Storage::Jurisdiction("eu".into()));
        assert_eq!(production.worker("admin-api"), "cloudfreedom-admin-api");
        assert!(Environment::read(&file, "staging").unwrap_err().to_string().contains("only: production"));
    }

    #[test]
    fn another_environment_shares_no_name_and_no_host_with_production() {
        let staging = environment("staging", "{}").unwrap();
        assert_eq!(staging.worker("proxy"), "cloudfreedom-staging-proxy");
        assert_eq!(staging.origin("proxy"), None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (json, word) in [
            (r#"{"name": "Upper"}"#, "name"),
            (r#"{"host": {"name": "https://a.example.com", "zone": "example.com"}}"#, "host"),
            (r#"{"host": {"name": "a.example.com", "zone": "other.com"}}"#, "zone"),
            (r#"{"hosts": {"proxy": "a.example.com"}}"#, "billing"),
            (r#"{"hosts": {"gateway": "a.example.com"}}"#, "gateway"),
            (r#"{"host": {"name": "a.b.c", "zone": "b.c"}, "hosts": {}}"#, "one of them"),
            (r#"{"location": "weur"}"#, "jurisdiction"),
            (r#"{"acount_id": "x"}"#, "acount_id"),
        ] {
            let error = format!("{:#}", environment("production", json).unwrap_err());
            assert!(error.contains(word), "{json}: {error}");
        }
    }
}
