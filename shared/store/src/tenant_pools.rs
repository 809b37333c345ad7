//! Tenants' limits, and pools that have not acknowledged theirs. A row is committed together with the change it
//! stands for, and stays until the pool has the change.

use domain::identity::Home;
use domain::money::NanoEur;
use domain::rate_limit::RateLimits;
use domain::tenant_pool::{Command, PoolBalance, PoolConfiguration, Reply, TenantPool};
use domain::time::Timestamp;
use platform::{AtomicState, Database, PlatformError, Row, Statement};

/// The pool's name, as its state machine is called: it lives where the tenant's accounts do.
pub fn name(home: Home, tenant_id: &str) -> String {
    format!("{}-{tenant_id}", home.as_str())
}

/// What is to change: `None` stays as it is; `Some(None)` takes a limit away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantLimits {
    pub budget: Option<Option<NanoEur>>,
    /// Takes effect when the tenant's present period ends.
    pub reset_day: Option<i64>,
    pub requests_per_minute: Option<Option<i64>>,
    pub tokens_per_minute: Option<Option<i64>>,
    pub clamp: Option<bool>,
}

const UPDATE: &str = "
UPDATE tenants SET
  budget_nano_eur = CASE WHEN ?2 THEN ?3 ELSE budget_nano_eur END,
  reset_day = COALESCE(?4, reset_day),
  requests_per_minute = CASE WHEN ?5 THEN ?6 ELSE requests_per_minute END,
  tokens_per_minute = CASE WHEN ?7 THEN ?8 ELSE tokens_per_minute END,
  clamp = COALESCE(?9, clamp),
  configuration_version = configuration_version + 1, updated_at = ?10
WHERE id = ?1";

/// Commit [`add`] with it; and, since accounts must know whether there is a pool,
/// [`crate::users::configuration_changed_in_tenant`] and [`crate::pending_pushes::add_for_tenant`].
pub fn set_limits(tenant_id: &str, limits: &TenantLimits, now: Timestamp) -> Statement {
    let TenantLimits { budget, reset_day, requests_per_minute, tokens_per_minute, clamp } = limits;
    Statement::new(UPDATE)
        .bind(tenant_id)
        .bind(budget.is_some())
        .bind(budget.flatten().map(NanoEur::get))
        .bind(*reset_day)
        .bind(requests_per_minute.is_some())
        .bind(requests_per_minute.flatten())
        .bind(tokens_per_minute.is_some())
        .bind(tokens_per_minute.flatten())
        .bind(clamp.map(i64::from))
        .bind(now.as_millis())
}

const ADD: &str = "
INSERT INTO pending_pool_pushes (tenant_id, version, since)
SELECT id, configuration_version, ?2 FROM tenants WHERE id = ?1
ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version";

/// The pool must learn its tenant's newest limits. Goes after the change in the same commit.
pub fn add(tenant_id: &str, now: Timestamp) -> Statement {
    Statement::new(ADD).bind(tenant_id).bind(now.as_millis())
}

const PAGE: &str =
    "SELECT tenant_id FROM pending_pool_pushes WHERE tenant_id > ?1 ORDER BY tenant_id LIMIT ?2";

/// Tenants whose pools have not acknowledged, by id, from after `after` (empty for the first page).
pub async fn page(database: &impl Database, after: &str, limit: i64) -> Result<Vec<String>, PlatformError> {
    let rows = database.query(Statement::new(PAGE).bind(after).bind(limit)).await?;
    rows.iter().map(|row| row.text("tenant_id").map(str::to_owned)).collect()
}

fn acknowledged(tenant_id: &str, version: u64) -> Statement {
    Statement::new("DELETE FROM pending_pool_pushes WHERE tenant_id = ?1 AND version <= ?2")
        .bind(tenant_id)
        .bind(i64::try_from(version).unwrap_or(i64::MAX))
}

const LOAD: &str = "
SELECT id, home, time_zone, configuration_version, budget_nano_eur, reset_day, requests_per_minute,
  tokens_per_minute
FROM tenants WHERE id = ?1";

/// Tells the pool its newest limits and, once it has acknowledged, forgets that they were pending. The pool's
/// balance, or none when there is no such tenant. Safe to repeat.
pub async fn push(
    platform: &(impl Database + AtomicState),
    tenant_id: &str,
) -> Result<Option<PoolBalance>, PlatformError> {
    let rows = platform.query(Statement::new(LOAD).bind(tenant_id)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (pool, configuration) = of_row(row)?;
    let version = configuration.version;
    let command = Command::Configure(Box::new(configuration));
    match platform.apply::<TenantPool>(&pool, command).await? {
        Reply::Balance(balance) if balance.configuration_version >= version => {
            platform.commit(vec![acknowledged(tenant_id, balance.configuration_version)]).await?;
            Ok(Some(*balance))
        }
        _ => Err(PlatformError::malformed("the pool did not take its limits")),
    }
}

fn of_row(row: &Row) -> Result<(String, PoolConfiguration), PlatformError> {
    let home = Home::parse(row.text("home")?).ok_or_else(|| crate::malformed("home"))?;
    let tenant_id = row.text("id")?.to_owned();
    let configuration = PoolConfiguration {
        version: crate::unsigned(row, "configuration_version")?,
        budget: row.optional_integer("budget_nano_eur")?.map(NanoEur::saturating),
        period: crate::configuration::period(row.text("time_zone")?, row.integer("reset_day")?)?,
        rates: RateLimits {
            requests_per_minute: crate::optional_unsigned(row, "requests_per_minute")?,
            tokens_per_minute: crate::optional_unsigned(row, "tokens_per_minute")?,
        },
        tenant_id,
    };
    Ok((name(home, &configuration.tenant_id), configuration))
}
