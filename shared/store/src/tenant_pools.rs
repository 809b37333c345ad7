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

/// The tenant of a pool's name.
pub fn tenant_of(name: &str) -> Option<&str> {
    let (home, tenant_id) = name.split_once('-')?;
    Home::parse(home).map(|_| tenant_id)
}

/// What is to change: `None` stays as it is; `Some(None)` takes a limit away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantLimits {
    pub budget: Option<Option<NanoEur>>,
    /// Takes effect when the tenant's present period ends.
    pub reset_day: Option<i64>,
    /// An IANA name as `domain::time_zone::Zone::named` tells it; takes effect likewise, for each user, too.
    pub time_zone: Option<String>,
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
  time_zone = COALESCE(?10, time_zone),
  configuration_version = configuration_version + 1, updated_at = ?11
WHERE id = ?1";

/// Commit [`add`] with it; and, since accounts must know which limits there are, [`accounts_to_tell`] before it.
pub fn set_limits(tenant_id: &str, limits: &TenantLimits, now: Timestamp) -> Statement {
    let TenantLimits { budget, reset_day, time_zone, requests_per_minute, tokens_per_minute, clamp } = limits;
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
        .bind(time_zone.as_deref())
        .bind(now.as_millis())
}

const CHANGED: &str = "
UPDATE users SET configuration_version = configuration_version + 1
WHERE tenant_id = ?1 AND EXISTS (SELECT 1 FROM tenants WHERE id = ?1 AND (
  (?2 AND (budget_nano_eur IS NULL) <> ?3) OR (?4 AND (requests_per_minute IS NULL) <> ?5)
  OR (?6 AND (tokens_per_minute IS NULL) <> ?7)
  OR clamp <> COALESCE(?8, clamp) OR status <> COALESCE(?9, status)
  OR time_zone <> COALESCE(?10, time_zone)))";

const PENDING: &str = "
INSERT INTO pending_pushes (account_id, version, since)
SELECT id, configuration_version, ?11 FROM users
WHERE tenant_id = ?1 AND EXISTS (SELECT 1 FROM tenants WHERE id = ?1 AND (
  (?2 AND (budget_nano_eur IS NULL) <> ?3) OR (?4 AND (requests_per_minute IS NULL) <> ?5)
  OR (?6 AND (tokens_per_minute IS NULL) <> ?7)
  OR clamp <> COALESCE(?8, clamp) OR status <> COALESCE(?9, status)
  OR time_zone <> COALESCE(?10, time_zone)))
ON CONFLICT (account_id) DO UPDATE SET version = excluded.version";

/// Accounts must learn which limits their tenant has, whether it clamps, its status and its time zone; an amount is
/// only the pool's business. Goes before the change in the same commit: it compares with what is there.
pub fn accounts_to_tell(
    tenant_id: &str,
    limits: &TenantLimits,
    status: Option<&str>,
    now: Timestamp,
) -> [Statement; 2] {
    let bound = |statement: Statement| {
        let stated = |statement: Statement, stated: bool, none: bool| statement.bind(stated).bind(none);
        let statement = statement.bind(tenant_id);
        let statement = stated(statement, limits.budget.is_some(), limits.budget == Some(None));
        let requests = limits.requests_per_minute;
        let statement = stated(statement, requests.is_some(), requests == Some(None));
        let tokens = limits.tokens_per_minute;
        let statement = stated(statement, tokens.is_some(), tokens == Some(None));
        statement.bind(limits.clamp.map(i64::from)).bind(status).bind(limits.time_zone.as_deref())
    };
    [bound(Statement::new(CHANGED)), bound(Statement::new(PENDING)).bind(now.as_millis())]
}

const LIMITS: &str = "
SELECT budget_nano_eur, reset_day, time_zone, requests_per_minute, tokens_per_minute, clamp FROM tenants
WHERE id = ?1";

/// Every limit as it is; none when there is no such tenant.
pub async fn limits(
    database: &impl Database,
    tenant_id: &str,
) -> Result<Option<TenantLimits>, PlatformError> {
    let rows = database.query(Statement::new(LIMITS).bind(tenant_id)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(TenantLimits {
        budget: Some(row.optional_integer("budget_nano_eur")?.map(NanoEur::saturating)),
        reset_day: Some(row.integer("reset_day")?),
        time_zone: Some(row.text("time_zone")?.to_owned()),
        requests_per_minute: Some(row.optional_integer("requests_per_minute")?),
        tokens_per_minute: Some(row.optional_integer("tokens_per_minute")?),
        clamp: Some(row.integer("clamp")? != 0),
    }))
}

const IS_PENDING: &str = "SELECT tenant_id FROM pending_pool_pushes WHERE tenant_id = ?1";

/// Whether the tenant's pool has not acknowledged its newest limits.
pub async fn is_pending(database: &impl Database, tenant_id: &str) -> Result<bool, PlatformError> {
    Ok(!database.query(Statement::new(IS_PENDING).bind(tenant_id)).await?.is_empty())
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

const NAMES: &str = "SELECT id, home FROM tenants WHERE id > ?1 ORDER BY id LIMIT ?2";

/// Tenants with their pools' names, by id, from after `after` (empty for the first page). A tenant that never
/// had limits has a pool that knows nothing.
pub async fn names(
    database: &impl Database,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, String)>, PlatformError> {
    let rows = database.query(Statement::new(NAMES).bind(after).bind(limit)).await?;
    let named = |row: &Row| {
        let (tenant_id, home) = (row.text("id")?, home_of(row)?);
        Ok((tenant_id.to_owned(), name(home, tenant_id)))
    };
    rows.iter().map(named).collect()
}

fn home_of(row: &Row) -> Result<Home, PlatformError> {
    Home::parse(row.text("home")?).ok_or_else(|| crate::malformed("home"))
}

fn of_row(row: &Row) -> Result<(String, PoolConfiguration), PlatformError> {
    let home = home_of(row)?;
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

#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 3] = [PAGE, LOAD, NAMES];
