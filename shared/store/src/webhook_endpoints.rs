//! Where tenants want to be told by webhook.

use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement};

/// As it may be shown: without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: String,
    pub url: String,
    /// Types of notices; `*` is all of them.
    pub events: Vec<String>,
    /// Not once it has answered 410.
    pub active: bool,
    pub created_at: Timestamp,
}

/// As it is made.
#[derive(Clone, Debug)]
pub struct NewEndpoint<'a> {
    pub id: &'a str,
    pub tenant_id: &'a str,
    pub url: &'a str,
    pub events: &'a [String],
    pub sealed_secret: &'a str,
}

/// What a secret is sealed to: it opens for no other endpoint.
pub fn sealing_name(id: &str) -> String {
    format!("webhook:{id}")
}

/// Endpoints of one tenant.
pub const ENDPOINTS_MAX: i64 = 5;

/// Of one too many the address is null, which it must not be.
const INSERT: &str = "
INSERT INTO webhook_endpoints (id, tenant_id, url, events, sealed_secret, created_at)
VALUES (?1, ?2, CASE WHEN (SELECT COUNT(*) FROM webhook_endpoints WHERE tenant_id = ?2) < ?7 THEN ?3 END, ?4, ?5, ?6)";

/// Violates a constraint when the tenant has [`ENDPOINTS_MAX`], also of several that are inserted at once.
pub fn insert(endpoint: &NewEndpoint<'_>, now: Timestamp) -> Statement {
    let NewEndpoint { id, tenant_id, url, events, sealed_secret } = endpoint;
    Statement::new(INSERT)
        .bind(*id)
        .bind(*tenant_id)
        .bind(*url)
        .bind(crate::list_text(events))
        .bind(*sealed_secret)
        .bind(now.as_millis())
        .bind(ENDPOINTS_MAX)
}

const OF_TENANT: &str = "
SELECT id, url, events, active, created_at FROM webhook_endpoints
WHERE tenant_id = ?1 ORDER BY created_at, id";

/// A tenant has few: [`ENDPOINTS_MAX`].
pub async fn of_tenant(database: &impl Database, tenant_id: &str) -> Result<Vec<Endpoint>, PlatformError> {
    let rows = database.query(Statement::new(OF_TENANT).bind(tenant_id)).await?;
    rows.iter().map(of_row).collect()
}

pub fn delete(id: &str, tenant_id: &str) -> Statement {
    Statement::new("DELETE FROM webhook_endpoints WHERE id = ?1 AND tenant_id = ?2").bind(id).bind(tenant_id)
}

/// It wants no more.
pub fn switch_off(id: &str) -> Statement {
    Statement::new("UPDATE webhook_endpoints SET active = 0 WHERE id = ?1").bind(id)
}

fn of_row(row: &Row) -> Result<Endpoint, PlatformError> {
    Ok(Endpoint {
        id: row.text("id")?.to_owned(),
        url: row.text("url")?.to_owned(),
        events: crate::texts(row, "events")?,
        active: row.integer("active")? != 0,
        created_at: crate::instant(row, "created_at")?,
    })
}

#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 2] = [INSERT, OF_TENANT];
