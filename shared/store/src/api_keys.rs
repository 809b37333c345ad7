//! API keys, by their hashes. The secrets are stored nowhere.

use crate::is_stated_otherwise;
use domain::api_key::KeyHash;
use domain::identity::AccountId;
use domain::money::NanoEur;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement};

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

/// What is to change: `None` stays as it is; `Some(None)` takes a limit away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChange {
    pub name: Option<String>,
    pub expires: Option<Option<Timestamp>>,
    /// What calls with this key may cost in a period of its user.
    pub budget: Option<Option<NanoEur>>,
    pub requests_per_minute: Option<Option<i64>>,
    pub tokens_per_minute: Option<Option<i64>>,
    /// Whether an output ceiling that is too dear is lowered rather than refused.
    pub clamp: Option<bool>,
}

impl KeyChange {
    /// Whether anything stated is another than it is.
    pub fn differs_from(&self, current: &ApiKey) -> bool {
        let Self { name, expires, budget, requests_per_minute, tokens_per_minute, clamp } = self;
        let whole = |limit: Option<u64>| limit.and_then(|limit| i64::try_from(limit).ok());
        is_stated_otherwise(name, &Some(current.name.clone()))
            || is_stated_otherwise(expires, &Some(current.expires))
            || is_stated_otherwise(budget, &Some(current.budget))
            || is_stated_otherwise(requests_per_minute, &Some(whole(current.requests_per_minute)))
            || is_stated_otherwise(tokens_per_minute, &Some(whole(current.tokens_per_minute)))
            || is_stated_otherwise(clamp, &Some(current.clamp))
    }
}

/// A key as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: String,
    pub name: String,
    pub preview: String,
    pub expires: Option<Timestamp>,
    pub budget: Option<NanoEur>,
    pub requests_per_minute: Option<u64>,
    pub tokens_per_minute: Option<u64>,
    pub clamp: bool,
    /// The key that replaced it when it was rotated.
    pub successor: Option<String>,
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

const UPDATE: &str = "
UPDATE api_keys SET
  name = COALESCE(?4, name), expires_at = CASE WHEN ?5 THEN ?6 ELSE expires_at END,
  budget_nano_eur = CASE WHEN ?7 THEN ?8 ELSE budget_nano_eur END,
  requests_per_minute = CASE WHEN ?9 THEN ?10 ELSE requests_per_minute END,
  tokens_per_minute = CASE WHEN ?11 THEN ?12 ELSE tokens_per_minute END, clamp = COALESCE(?13, clamp)
WHERE id = ?1 AND user_id = ?2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?3)";

/// Only of a usable key: one that is dead stays dead. Commit [`crate::users::configuration_changed`] and
/// [`crate::pending_pushes::add`] with it.
pub fn update(id: &str, user: AccountId, change: &KeyChange, now: Timestamp) -> Statement {
    let KeyChange { name, expires, budget, requests_per_minute, tokens_per_minute, clamp } = change;
    Statement::new(UPDATE)
        .bind(id)
        .bind(user.to_string())
        .bind(now.as_millis())
        .bind(name.clone())
        .bind(expires.is_some())
        .bind(expires.flatten().map(Timestamp::as_millis))
        .bind(budget.is_some())
        .bind(budget.flatten().map(NanoEur::get))
        .bind(requests_per_minute.is_some())
        .bind(requests_per_minute.flatten())
        .bind(tokens_per_minute.is_some())
        .bind(tokens_per_minute.flatten())
        .bind(clamp.map(i64::from))
}

const COPY_LIMITS: &str = "
UPDATE api_keys SET (budget_nano_eur, requests_per_minute, tokens_per_minute, clamp) =
  (SELECT budget_nano_eur, requests_per_minute, tokens_per_minute, clamp FROM api_keys WHERE id = ?2)
WHERE id = ?1";

pub fn copy_limits(to: &str, from: &str) -> Statement {
    Statement::new(COPY_LIMITS).bind(to).bind(from)
}

/// Of a key that has a successor the hash is set to null, which it must not be.
const REPLACE: &str = "
UPDATE api_keys SET expires_at = min(COALESCE(expires_at, ?3), ?3), successor_id = ?4,
  hash = CASE WHEN successor_id IS NULL THEN hash END
WHERE id = ?1 AND user_id = ?2";

/// Good until then at most, and replaced by `successor`; violates a constraint when it was replaced before. Commit
/// [`crate::users::configuration_changed`] and [`crate::pending_pushes::add`] with it.
pub fn replace(id: &str, user: AccountId, at: Timestamp, successor: &str) -> Statement {
    Statement::new(REPLACE).bind(id).bind(user.to_string()).bind(at.as_millis()).bind(successor)
}

pub(crate) const REVOKE_ALL: &str =
    "UPDATE api_keys SET revoked_at = ?2 WHERE user_id = ?1 AND revoked_at IS NULL";

/// Revoked for ever; a second time changes nothing. Commit [`crate::users::configuration_changed`] and
/// [`crate::pending_pushes::add`] with it.
pub fn revoke(id: &str, user: AccountId, now: Timestamp) -> Statement {
    Statement::new("UPDATE api_keys SET revoked_at = COALESCE(revoked_at, ?3) WHERE id = ?1 AND user_id = ?2")
        .bind(id)
        .bind(user.to_string())
        .bind(now.as_millis())
}

const IS_REVOKED: &str =
    "SELECT revoked_at IS NOT NULL AS revoked FROM api_keys WHERE id = ?1 AND user_id = ?2";

/// None when the user has no such key.
pub async fn is_revoked(
    database: &impl Database,
    id: &str,
    user: AccountId,
) -> Result<Option<bool>, PlatformError> {
    let rows = database.query(Statement::new(IS_REVOKED).bind(id).bind(user.to_string())).await?;
    rows.first().map(|row| Ok(row.integer("revoked")? != 0)).transpose()
}

const FIND_USABLE: &str = "
SELECT id, name, preview, expires_at, budget_nano_eur, requests_per_minute, tokens_per_minute, clamp, successor_id
FROM api_keys
WHERE id = ?1 AND user_id = ?2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?3)";

/// A key that is neither revoked nor expired.
pub async fn find_usable(
    database: &impl Database,
    id: &str,
    user: AccountId,
    now: Timestamp,
) -> Result<Option<ApiKey>, PlatformError> {
    let statement = Statement::new(FIND_USABLE).bind(id).bind(user.to_string()).bind(now.as_millis());
    database.query(statement).await?.first().map(of_row).transpose()
}

fn of_row(row: &Row) -> Result<ApiKey, PlatformError> {
    Ok(ApiKey {
        id: row.text("id")?.to_owned(),
        name: row.text("name")?.to_owned(),
        preview: row.text("preview")?.to_owned(),
        expires: row.optional_integer("expires_at")?.map(Timestamp::from_millis),
        budget: row.optional_integer("budget_nano_eur")?.map(NanoEur::saturating),
        requests_per_minute: crate::optional_unsigned(row, "requests_per_minute")?,
        tokens_per_minute: crate::optional_unsigned(row, "tokens_per_minute")?,
        clamp: row.integer("clamp")? != 0,
        successor: row.optional_text("successor_id")?.map(str::to_owned),
    })
}

/// The account would cut what is beyond: so nothing is committed. `hash` must not be null.
const REFUSE_BEYOND: &str = "
UPDATE api_keys SET hash = NULL WHERE id = ?1 AND ?4 < (
  SELECT COUNT(*) FROM api_keys
  WHERE user_id = ?2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?3))";

/// Violates a constraint when the user has more usable keys than that. Goes after the insertion of `id` in the
/// same commit, so that of several at once none is too many.
pub fn refuse_beyond(limit: usize, id: &str, user: AccountId, now: Timestamp) -> Statement {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Statement::new(REFUSE_BEYOND).bind(id).bind(user.to_string()).bind(now.as_millis()).bind(limit)
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
