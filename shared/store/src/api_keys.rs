//! API keys, by their hashes. The secrets are stored nowhere.

use domain::api_key::KeyHash;
use domain::identity::AccountId;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};

#[derive(Clone, Debug)]
pub struct NewApiKey {
    pub id: String,
    pub user: AccountId,
    pub name: String,
    /// What may be shown for recognition.
    pub preview: String,
    pub hash: KeyHash,
    pub expires: Option<Timestamp>,
}

const INSERT: &str = "
INSERT INTO api_keys (id, user_id, name, preview, hash, created_at, expires_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Commit [`crate::users::configuration_changed`] and [`crate::pending_pushes::add`] with it.
pub fn insert(key: &NewApiKey, now: Timestamp) -> Statement {
    Statement::new(INSERT)
        .bind(key.id.as_str())
        .bind(key.user.to_string())
        .bind(key.name.as_str())
        .bind(key.preview.as_str())
        .bind(crate::key_hash::to_hex(&key.hash))
        .bind(now.as_millis())
        .bind(key.expires.map(Timestamp::as_millis))
}

/// Revoked for ever; a second time changes nothing. Commit [`crate::users::configuration_changed`] and
/// [`crate::pending_pushes::add`] with it.
pub fn revoke(id: &str, user: AccountId, now: Timestamp) -> Statement {
    Statement::new("UPDATE api_keys SET revoked_at = COALESCE(revoked_at, ?3) WHERE id = ?1 AND user_id = ?2")
        .bind(id)
        .bind(user.to_string())
        .bind(now.as_millis())
}

pub async fn exists(database: &impl Database, id: &str, user: AccountId) -> Result<bool, PlatformError> {
    let statement = Statement::new("SELECT id FROM api_keys WHERE id = ?1 AND user_id = ?2")
        .bind(id)
        .bind(user.to_string());
    Ok(!database.query(statement).await?.is_empty())
}

const COUNT_USABLE: &str = "
SELECT COUNT(*) AS usable FROM api_keys
WHERE user_id = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)";

pub async fn count_usable(
    database: &impl Database,
    user: AccountId,
    now: Timestamp,
) -> Result<u64, PlatformError> {
    let statement = Statement::new(COUNT_USABLE).bind(user.to_string()).bind(now.as_millis());
    let rows = database.query(statement).await?;
    rows.first().map_or(Ok(0), |row| crate::unsigned(row, "usable"))
}
