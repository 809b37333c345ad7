//! Keys of machine clients (`X-API-Key`).

use domain::api_key::KeyHash;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement};

/// What a key may be allowed; billing says what each is for.
pub const SCOPES: [&str; 9] = [
    "budget:read",
    "usage:read",
    "usage:write",
    "users:write",
    "tenants:write",
    "webhooks:write",
    "ledger:write",
    "reconciliation:read",
    "reconciliation:write",
];

/// Keys that are neither expired nor revoked.
pub const SERVICE_KEYS_MAX: i64 = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceKey {
    pub id: String,
    /// The only tenant that it may touch; none for all.
    pub tenant_id: Option<String>,
    pub scopes: Vec<String>,
}

/// A key as it is made, and as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceKeyRow {
    pub key: ServiceKey,
    pub name: String,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
}

const FIND: &str = "
SELECT id, tenant_id, scopes FROM service_keys
WHERE hash = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)";

/// The usable key of this text. Only its hash is compared, so that the look-up's time says nothing of use.
pub async fn find(
    database: &impl Database,
    key: &str,
    now: Timestamp,
) -> Result<Option<ServiceKey>, PlatformError> {
    let hash = crate::key_hash::to_hex(&KeyHash::of(key));
    let rows = database.query(Statement::new(FIND).bind(hash).bind(now.as_millis())).await?;
    rows.first().map(of_row).transpose()
}

/// A name must not be null.
const INSERT: &str = "
INSERT INTO service_keys (id, tenant_id, name, hash, scopes, created_at, expires_at)
VALUES (?1, ?2, CASE WHEN ?8 <= (
    SELECT COUNT(*) FROM service_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?6))
  THEN NULL ELSE ?3 END, ?4, ?5, ?6, ?7)";

/// Violates a constraint when there are [`SERVICE_KEYS_MAX`] usable ones.
pub fn insert(row: &ServiceKeyRow, hash: &KeyHash) -> Statement {
    let ServiceKeyRow { key: ServiceKey { id, tenant_id, scopes }, name, created, expires } = row;
    Statement::new(INSERT)
        .bind(id.as_str())
        .bind(tenant_id.clone())
        .bind(name.as_str())
        .bind(crate::key_hash::to_hex(hash))
        .bind(crate::list_text(scopes))
        .bind(created.as_millis())
        .bind(expires.map(Timestamp::as_millis))
        .bind(SERVICE_KEYS_MAX)
}

const USABLE: &str = "
SELECT id, tenant_id, name, scopes, created_at, expires_at FROM service_keys
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?1) ORDER BY created_at, id LIMIT ?2";

/// The oldest first.
pub async fn usable(database: &impl Database, now: Timestamp) -> Result<Vec<ServiceKeyRow>, PlatformError> {
    let rows = database.query(Statement::new(USABLE).bind(now.as_millis()).bind(SERVICE_KEYS_MAX)).await?;
    let row = |row: &Row| {
        Ok(ServiceKeyRow {
            key: of_row(row)?,
            name: row.text("name")?.to_owned(),
            created: crate::instant(row, "created_at")?,
            expires: row.optional_integer("expires_at")?.map(Timestamp::from_millis),
        })
    };
    rows.iter().map(row).collect()
}

pub async fn exists(database: &impl Database, id: &str) -> Result<bool, PlatformError> {
    let statement = Statement::new("SELECT 1 AS one FROM service_keys WHERE id = ?1").bind(id);
    Ok(!database.query(statement).await?.is_empty())
}

/// For ever, and at once; a second time changes nothing.
pub fn revoke(id: &str, now: Timestamp) -> Statement {
    Statement::new("UPDATE service_keys SET revoked_at = COALESCE(revoked_at, ?2) WHERE id = ?1")
        .bind(id)
        .bind(now.as_millis())
}

fn of_row(row: &Row) -> Result<ServiceKey, PlatformError> {
    Ok(ServiceKey {
        id: row.text("id")?.to_owned(),
        tenant_id: row.optional_text("tenant_id")?.map(str::to_owned),
        scopes: crate::texts(row, "scopes")?,
    })
}
