//! The end of raw usage rows: after a configured time they go, together with their hourly sums. The daily
//! ones stay for ever.
//!
//! A row goes with its whole account-hour and only when that is rolled up. The hourly sums go in the same
//! commit, so that they are the sum of the rows at every moment, and a row that arrives later than that still
//! adds to its day and takes nothing away from it.

use core::time::Duration;
use domain::account::OPERATION_MEMORY;
use domain::time::Timestamp;
use platform::{Database, PlatformError, PlatformErrorKind, Secrets, Statement};
use serde_json::{Value, json};

/// The setting's name. Whole days; absent is [`DAYS_DEFAULT`].
pub const SETTING: &str = "USAGE_RETENTION_DAYS";
pub const DAYS_DEFAULT: u32 = 400;
/// Longer than ids are remembered, since `usage/log` recognises a repeated report by its row.
pub const DAYS_MIN: u32 = 93;
const _: () = assert!(DAYS_MIN as u64 * 86_400 > OPERATION_MEMORY.as_secs());
/// A century.
const DAYS_MAX: u32 = 36_500;

/// Account-hours of one slice.
pub const BUCKETS_MAX: i64 = 500;
/// Rows that a slice deletes, unless a single account-hour has more.
pub const ROWS_MAX: i64 = 10_000;
/// Tenants that a slice looks at.
pub const TENANTS_MAX: i64 = 100;

/// How long rows are kept. A setting that is no number of days, or fewer than [`DAYS_MIN`], is an error:
/// rows are not deleted on a guess.
pub async fn kept(settings: &impl Secrets) -> Result<Duration, PlatformError> {
    let days = match settings.secret(SETTING).await {
        Ok(text) => text.expose().trim().parse().ok().filter(|days| (DAYS_MIN..=DAYS_MAX).contains(days)),
        Err(error) if error.kind == PlatformErrorKind::NotConfigured => Some(DAYS_DEFAULT),
        Err(error) => return Err(error),
    };
    let wrong = || {
        PlatformError::malformed(format!(
            "{SETTING} must be a whole number of days from {DAYS_MIN} to {DAYS_MAX}"
        ))
    };
    Ok(Duration::from_secs(u64::from(days.ok_or_else(wrong)?) * 86_400))
}

/// Where a run stands: tenants up to this id are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionCursor {
    pub after_tenant: String,
}

/// Tenants with hourly sums, found by one seek each, and the oldest of each.
const TENANTS: &str = "
WITH RECURSIVE tenant (id) AS (
  SELECT MIN(tenant_id) FROM usage_hourly WHERE tenant_id > ?1
  UNION ALL
  SELECT (SELECT MIN(tenant_id) FROM usage_hourly WHERE tenant_id > tenant.id)
  FROM tenant WHERE tenant.id IS NOT NULL
  LIMIT ?2)
SELECT id, (SELECT MIN(hour) FROM usage_hourly WHERE tenant_id = tenant.id) AS oldest
FROM tenant WHERE id IS NOT NULL";

const OLD: &str = "
SELECT hour, account_id, SUM(row_count) AS row_count FROM usage_hourly
WHERE tenant_id = ?1 AND hour < ?2
  AND NOT EXISTS (SELECT 1 FROM usage_dirty
    WHERE usage_dirty.hour = usage_hourly.hour AND usage_dirty.account_id = usage_hourly.account_id)
GROUP BY hour, account_id ORDER BY hour, account_id LIMIT ?3";

/// The rows of the account-hours in ?1. Only of what is still not dirty: a row may have arrived since.
macro_rules! old_rows {
    () => {
        "FROM json_each(?1) AS old CROSS JOIN usage_logs AS own
    ON own.account_id = old.value ->> 1 AND own.at >= old.value ->> 0 AND own.at < (old.value ->> 0) + 3600000
  WHERE NOT EXISTS (SELECT 1 FROM usage_dirty WHERE hour = old.value ->> 0 AND account_id = old.value ->> 1)"
    };
}

const DELETE_SPANS: &str = concat!(
    "DELETE FROM usage_spans WHERE (tenant_id, until, account_id) IN (
  SELECT own.tenant_id, own.at - own.at % 10000 + 10000, own.account_id
  ",
    old_rows!(),
    ")"
);

const DELETE_ROWS: &str = concat!(
    "DELETE FROM usage_logs WHERE (account_id, at, request_id, kind) IN (
  SELECT own.account_id, own.at, own.request_id, own.kind
  ",
    old_rows!(),
    ")"
);

/// Of the oldest ?3 batches those whose rows are all old, and never the newest.
const DELETE_BATCHES: &str = "
DELETE FROM usage_batches WHERE (tenant_id, last) IN (
  SELECT tenant_id, last FROM (
    SELECT tenant_id, last, at_last FROM usage_batches WHERE tenant_id = ?1 ORDER BY last LIMIT ?3)
  WHERE at_last < ?2 AND last < (SELECT MAX(last) FROM usage_batches WHERE tenant_id = ?1))";

const DELETE_HOURLY: &str = "
DELETE FROM usage_hourly WHERE (account_id, hour) IN (
  SELECT old.value ->> 1, old.value ->> 0 FROM json_each(?1) AS old
  WHERE NOT EXISTS (SELECT 1 FROM usage_dirty WHERE hour = old.value ->> 0 AND account_id = old.value ->> 1))";

const DELETE_OF_TENANT: &str = "
DELETE FROM tenant_usage_hourly WHERE (tenant_id, hour, model, provider, kind) IN (
  SELECT tenant_id, hour, model, provider, kind FROM tenant_usage_hourly
  WHERE tenant_id = ?1 AND hour < ?2 ORDER BY hour LIMIT ?3)";

/// One slice: the oldest account-hours before `before` of one tenant, at most [`BUCKETS_MAX`] of them and
/// about [`ROWS_MAX`] rows. Begin with the default cursor; None: nothing is left. `before` is the present
/// less [`kept`].
///
/// Two queries and one commit of five statements; where no tenant of [`TENANTS_MAX`] has anything that old,
/// one query.
pub async fn delete_old_slice(
    database: &impl Database,
    cursor: &RetentionCursor,
    before: Timestamp,
) -> Result<Option<RetentionCursor>, PlatformError> {
    let before = crate::usage_rollups::hour_of(before).as_millis();
    let tenants = Statement::new(TENANTS).bind(cursor.after_tenant.as_str()).bind(TENANTS_MAX);
    let tenants = database.query(tenants).await?;
    let mut after = cursor.after_tenant.as_str();
    for tenant in &tenants {
        let id = tenant.text("id")?;
        if tenant.integer("oldest")? < before {
            let more = delete_of_tenant(database, id, before).await?;
            let after_tenant = if more { after } else { id }.to_owned();
            return Ok(Some(RetentionCursor { after_tenant }));
        }
        after = id;
    }
    let more = tenants.len() as i64 >= TENANTS_MAX;
    Ok(more.then(|| RetentionCursor { after_tenant: after.to_owned() }))
}

/// Whether more may be left.
async fn delete_of_tenant(
    database: &impl Database,
    tenant_id: &str,
    before: i64,
) -> Result<bool, PlatformError> {
    let old = Statement::new(OLD).bind(tenant_id).bind(before).bind(BUCKETS_MAX);
    let old = database.query(old).await?;
    let (mut picked, mut rows) = (Vec::new(), 0);
    for bucket in &old {
        if rows >= ROWS_MAX {
            break;
        }
        rows += bucket.integer("row_count")?;
        picked.push(json!([bucket.integer("hour")?, bucket.text("account_id")?]));
    }
    let more = picked.len() < old.len() || old.len() as i64 == BUCKETS_MAX;
    // The tenant's own sums follow: those before the hour at which this slice ends.
    let done = match old.get(picked.len().saturating_sub(1)) {
        Some(last) if more => last.integer("hour")?,
        _ => before,
    };
    let picked = Value::from(picked).to_string();
    database
        .commit(vec![
            Statement::new(DELETE_SPANS).bind(picked.as_str()),
            Statement::new(DELETE_ROWS).bind(picked.as_str()),
            Statement::new(DELETE_HOURLY).bind(picked),
            Statement::new(DELETE_OF_TENANT).bind(tenant_id).bind(done).bind(ROWS_MAX),
            Statement::new(DELETE_BATCHES).bind(tenant_id).bind(done).bind(ROWS_MAX),
        ])
        .await?;
    Ok(more)
}

#[cfg(test)]
mod tests;
