//! Who changed what. Written in the same commit as the change.

use domain::time::Timestamp;
use platform::Statement;
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// `service_key:<id>`, `user:<id>`.
    pub actor: &'a str,
    /// `user.create`, `api_key.revoke` …
    pub action: &'static str,
    /// `user:<id>`, `tenant:<id>`.
    pub object: &'a str,
    /// Without secrets and personal data.
    pub after: Value,
}

pub fn insert(entry: &Entry<'_>, now: Timestamp) -> Statement {
    Statement::new("INSERT INTO audit_log (at, actor, action, object, after) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(now.as_millis())
        .bind(entry.actor)
        .bind(entry.action)
        .bind(entry.object)
        .bind(entry.after.to_string())
}
