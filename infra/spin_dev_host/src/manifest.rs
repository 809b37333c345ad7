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
    _application: toml::Table,
    #[serde(default)]
    variables: BTreeMap<String, Declared>,
    trigger: Triggers,
    component: BTreeMap<String, Component>,
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
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let file: File = toml::from_str(&text).with_context(|| path.display().to_string())?;
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
}
