//! Keys of machine clients (`X-API-Key`).

use domain::api_key::KeyHash;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceKey {
    pub id: String,
    /// The only tenant that it may touch; none for all.
    pub tenant_id: Option<String>,
    pub scopes: Vec<String>,
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
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(ServiceKey {
        id: row.text("id")?.to_owned(),
        tenant_id: row.optional_text("tenant_id")?.map(str::to_owned),
        scopes: crate::texts(row, "scopes")?,
    }))
}
