//! `spin.toml`, as far as this host knows it. What it does not know is refused: it must never silently differ from what
//! is deployed.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    spin_manifest_version: u32,
    #[serde(rename = "application")]
    _application: Application,
    #[serde(default)]
    variables: BTreeMap<String, Declared>,
    trigger: Triggers,
    component: BTreeMap<String, Component>,
}

/// Says nothing that a host acts on; what would is not among these keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "version")]
    _version: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "authors")]
    _authors: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    default: Option<String>,
    #[serde(default)]
    required: bool,
    #[serde(default, rename = "secret")]
    _secret: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Triggers {
    http: Vec<Trigger>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trigger {
    route: String,
    component: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    #[serde(rename = "description")]
    _description: Option<String>,
    source: PathBuf,
    #[serde(default)]
    sqlite_databases: Vec<String>,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    /// How to build it is no business of the host's.
    #[serde(rename = "build")]
    _build: Option<toml::Table>,
}

/// One component with everything it may use, and nothing else.
#[derive(Clone, Debug)]
pub struct Granted {
    pub name: String,
    pub wasm: PathBuf,
    pub databases: Vec<String>,
    pub hosts: Vec<String>,
    pub variables: BTreeMap<String, String>,
}

pub struct Manifest {
    pub components: Vec<Granted>,
    /// A route and the name of its component.
    pub routes: Vec<(String, String)>,
}

/// Reads the file and fills its templates with `values`.
pub fn read(path: &Path, values: &BTreeMap<String, String>) -> Result<Manifest> {
    let file = parse(path)?;
    if file.spin_manifest_version != 2 {
        bail!("{}: only manifests of version 2 are known", path.display());
    }
    let variables = resolve(&file.variables, values)?;
    let folder = path.parent().context("a manifest lies in a folder")?;
    let components =
        file.component.iter().map(|(name, component)| granted(name, component, folder, &variables));
    let components = components.collect::<Result<Vec<_>>>()?;
    for Trigger { route, component } in &file.trigger.http {
        if !components.iter().any(|granted| granted.name == *component) {
            bail!("the route {route} names the component {component}, which there is not");
        }
    }
    let routes = file.trigger.http.into_iter().map(|trigger| (trigger.route, trigger.component)).collect();
    Ok(Manifest { components, routes })
}

fn parse(path: &Path) -> Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

fn resolve(
    declared: &BTreeMap<String, Declared>,
    values: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let value = |(name, declared): (&String, &Declared)| {
        let value = values.get(name).cloned().or_else(|| declared.default.clone());
        match value {
            Some(value) => Ok((name.clone(), value)),
            None if declared.required => bail!("no value for the required variable {name}"),
            None => bail!("the variable {name} is neither required nor has it a default"),
        }
    };
    declared.iter().map(value).collect()
}

fn granted(
    name: &str,
    component: &Component,
    folder: &Path,
    variables: &BTreeMap<String, String>,
) -> Result<Granted> {
    let filled = |template: &String| fill(template, variables).with_context(|| format!("component {name}"));
    Ok(Granted {
        name: name.to_owned(),
        wasm: folder.join(&component.source),
        databases: component.sqlite_databases.clone(),
        hosts: component.allowed_outbound_hosts.iter().map(filled).collect::<Result<_>>()?,
        variables: component
            .variables
            .iter()
            .map(|(name, template)| Ok((name.clone(), filled(template)?)))
            .collect::<Result<_>>()?,
    })
}

/// `{{ name }}` stands for a variable's value.
fn fill(template: &str, variables: &BTreeMap<String, String>) -> Result<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").context("a template without an end")?;
        let name = name.trim();
        filled.push_str(before);
        filled.push_str(variables.get(name).with_context(|| format!("the variable {name} is not declared"))?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_take_declared_variables_only() {
        let variables = BTreeMap::from([("host".to_owned(), "api.example.com".to_owned())]);
        assert_eq!(fill("https://{{ host }}:443", &variables).unwrap(), "https://api.example.com:443");
        assert!(fill("{{ other }}", &variables).is_err());
        assert!(fill("{{ host", &variables).is_err());
    }

    fn shipped(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../spin").join(name)
    }

    #[test]
    fn unknown_keys_are_refused_wherever_they_are() {
        let manifest = std::fs::read_to_string(shipped("spin.toml")).unwrap();
        assert!(toml::from_str::<File>(&manifest).is_ok());
        for (place, key) in [
            ("[application]\n", "trigger = { type = \"http\" }\n"),
            ("[[trigger.http]]\n", "executor = { type = \"wagi\" }\n"),
            ("[component.proxy]\n", "key_value_stores = [\"default\"]\n"),
            ("[variables]\n", "more = { defualt = \"\" }\n"),
        ] {
            assert!(manifest.contains(place), "{place}");
            let changed = manifest.replacen(place, &format!("{place}{key}"), 1);
            assert!(toml::from_str::<File>(&changed).is_err(), "{key}");
        }
    }

    #[test]
    fn every_database_of_the_manifest_is_in_both_runtime_configurations() {
        let manifest = parse(&shipped("spin.toml")).unwrap();
        let named: Vec<&String> =
            manifest.component.values().flat_map(|component| &component.sqlite_databases).collect();
        assert!(named.iter().any(|name| *name == "ledger"), "{named:?}");
        for file in ["runtime-config.toml", "runtime-config.libsql.toml"] {
            let configuration: toml::Table =
                toml::from_str(&std::fs::read_to_string(shipped(file)).unwrap()).unwrap();
            let known = configuration["sqlite_database"].as_table().unwrap();
            for name in &named {
                assert!(known.contains_key(*name), "{file} lacks [sqlite_database.{name}]");
            }
        }
    }

    #[test]
    fn every_declared_variable_is_used() {
        let manifest = parse(&shipped("spin.toml")).unwrap();
        for name in manifest.variables.keys() {
            let template = format!("{{{{ {name} }}}}");
            let used = manifest.component.values().any(|component| {
                component
                    .variables
                    .values()
                    .chain(&component.allowed_outbound_hosts)
                    .any(|value| *value == template)
            });
            assert!(used, "{name}");
        }
    }
}
