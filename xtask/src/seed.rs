//! What a fresh local installation finds in its database, and the demo user it makes through billing.

mod catalogue;
mod directory;

use crate::secrets::Secrets;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// The first request of a cold host compiles its WASM.
const PROVISION_TIMEOUT: Duration = Duration::from_secs(30);

/// One statement with the values of `?1`, `?2`, …
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedStatement {
    pub sql: String,
    pub params: Vec<Value>,
}

/// A real provider, from the environment of the person who starts the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamEnv {
    pub openai_api_key: Option<String>,
    pub openai_base_url: Option<String>,
}

impl UpstreamEnv {
    /// `OPENAI_API_KEY` and `OPENAI_BASE_URL`; an empty value counts as none.
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { openai_api_key: variable("OPENAI_API_KEY"), openai_base_url: variable("OPENAI_BASE_URL") }
    }
}

/// Run, all or none, at every start, after the migrations: safe to repeat. What people may have changed
/// (tenants, products, the administrator) is only made where it is missing; what comes from the state
/// folder's secrets and the environment (service key, provider, models, routing) follows them.
pub fn statements(secrets: &Secrets, env: &UpstreamEnv) -> Result<Vec<SeedStatement>> {
    let mut all: Vec<_> = store::first_rows::statements().into_iter().map(SeedStatement::from).collect();
    all.extend(directory::statements(secrets));
    all.extend(catalogue::statements(secrets, env)?);
    Ok(all)
}

impl SeedStatement {
    fn new(sql: &str, params: Vec<Value>) -> Self {
        Self { sql: sql.to_owned(), params }
    }
}

impl From<platform::Statement> for SeedStatement {
    fn from(statement: platform::Statement) -> Self {
        let params = statement.parameters.into_iter().map(|value| match value {
            platform::Value::Null => Value::Null,
            platform::Value::Integer(integer) => integer.into(),
            platform::Value::Real(real) => real.into(),
            platform::Value::Text(text) => text.into(),
        });
        Self { sql: statement.sql.to_owned(), params: params.collect() }
    }
}

/// The demo user's API key, made once per state folder by `POST /api/users`.
///
/// `origin` is like `http://127.0.0.1:8787`.
pub fn provision(origin: &str, secrets: &Secrets) -> Result<String> {
    let url = format!("{origin}/api/users");
    let user = json!({
        "email": "demo@example.com",
        "name": "Demo",
        "tenant_id": "demo",
        "budget_total": "25.00",
    });
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PROVISION_TIMEOUT))
        .build()
        .new_agent();
    let mut answer = agent.post(&url).header("X-API-Key", &secrets.billing_api_key).send_json(&user)?;
    let body = answer.body_mut().read_to_string()?;
    if !answer.status().is_success() {
        bail!("the demo user could not be made: POST {url} answered {}: {body}", answer.status());
    }
    let body: Value = serde_json::from_str(&body)?;
    Ok(body["api_key"].as_str().context("POST /api/users answered without api_key")?.to_owned())
}

#[cfg(test)]
mod tests;
