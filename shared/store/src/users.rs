//! Users: the directory's half of an account. Their spend lives in the account itself.

use crate::is_stated_otherwise;
use domain::account::Status;
use domain::email_address;
use domain::identity::AccountId;
use domain::money::NanoEur;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: AccountId,
    pub tenant_id: String,
    pub email: String,
    pub name: String,
    /// `admin`, `tenant_admin`, `user`, `guest`.
    pub role: String,
    pub status: Status,
    pub product_id: Option<String>,
    pub budget: NanoEur,
    /// A view: when the account's period ends, as far as the directory knows. See [`crate::reset_views`].
    pub budget_reset_at: Timestamp,
    pub password_hash: Option<String>,
    pub created_at: Timestamp,
}

/// A user as it is made. `email` in its comparable form; `models` is `["all"]` or names.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub id: AccountId,
    pub tenant_id: String,
    pub email: String,
    pub name: String,
    pub role: &'static str,
    pub status: &'static str,
    pub product_id: Option<String>,
    pub budget: NanoEur,
    pub reset_day: u8,
    pub models: Vec<String>,
    pub requests_per_minute: Option<i64>,
    pub tokens_per_minute: Option<i64>,
    pub budget_reset_at: Timestamp,
}

/// What is to change: `None` stays as it is; `Some(None)` takes a limit away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    pub name: Option<String>,
    pub status: Option<&'static str>,
    pub budget: Option<NanoEur>,
    pub reset_day: Option<i64>,
    pub models: Option<Vec<String>>,
    pub requests_per_minute: Option<Option<i64>>,
    pub tokens_per_minute: Option<Option<i64>>,
    /// Calls that may be open at once.
    pub concurrency_max: Option<Option<i64>>,
    /// Whether an output ceiling that is too dear is lowered rather than refused.
    pub clamp: Option<bool>,
    /// Periods in place of months; takes effect when the present period ends.
    pub period: Option<Option<DayPeriod>>,
}

/// Periods of so many days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayPeriod {
    pub days: i64,
    /// The anchor from which they are counted. `None` leaves it where it is, if the days are those that there are;
    /// else it is the instant of the change.
    pub from: Option<Timestamp>,
}

impl UserChange {
    /// Whether anything stated is another than it is, `current` stating everything.
    pub fn differs_from(&self, current: &Self) -> bool {
        let Self {
            name,
            status,
            budget,
            reset_day,
            models,
            requests_per_minute,
            tokens_per_minute,
            concurrency_max,
            clamp,
            period,
        } = self;
        is_stated_otherwise(name, &current.name)
            || is_stated_otherwise(status, &current.status)
            || is_stated_otherwise(budget, &current.budget)
            || is_stated_otherwise(reset_day, &current.reset_day)
            || is_stated_otherwise(models, &current.models)
            || is_stated_otherwise(requests_per_minute, &current.requests_per_minute)
            || is_stated_otherwise(tokens_per_minute, &current.tokens_per_minute)
            || is_stated_otherwise(concurrency_max, &current.concurrency_max)
            || is_stated_otherwise(clamp, &current.clamp)
            || period.is_some_and(|stated| !same_periods(stated, current.period.flatten()))
    }
}

/// Whether `current` is what is stated: an anchor that is not stated is any.
fn same_periods(stated: Option<DayPeriod>, current: Option<DayPeriod>) -> bool {
    match (stated, current) {
        (None, None) => true,
        (Some(stated), Some(current)) => {
            stated.days == current.days && (stated.from.is_none() || stated.from == current.from)
        }
        _ => false,
    }
}

const INSERT: &str = "
INSERT INTO users (id, tenant_id, email, name, role, status, product_id, budget_nano_eur, reset_day, models,
  requests_per_minute, tokens_per_minute, budget_reset_at, configuration_version, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 1, ?14, ?14)";

/// Commit [`crate::pending_pushes::add`] with it. Violates a constraint when the e-mail is taken.
pub fn insert(user: &NewUser, now: Timestamp) -> Statement {
    Statement::new(INSERT)
        .bind(user.id.to_string())
        .bind(user.tenant_id.as_str())
        .bind(user.email.as_str())
        .bind(user.name.as_str())
        .bind(user.role)
        .bind(user.status)
        .bind(user.product_id.clone())
        .bind(user.budget.get())
        .bind(i64::from(user.reset_day))
        .bind(crate::list_text(&user.models))
        .bind(user.requests_per_minute)
        .bind(user.tokens_per_minute)
        .bind(user.budget_reset_at.as_millis())
        .bind(now.as_millis())
}

const UPDATE: &str = "
UPDATE users SET
  name = COALESCE(?2, name), status = COALESCE(?3, status),
  budget_nano_eur = COALESCE(?4, budget_nano_eur), reset_day = COALESCE(?5, reset_day),
  models = COALESCE(?6, models),
  requests_per_minute = CASE WHEN ?7 THEN ?8 ELSE requests_per_minute END,
  tokens_per_minute = CASE WHEN ?9 THEN ?10 ELSE tokens_per_minute END,
  concurrency_max = CASE WHEN ?12 THEN ?13 ELSE concurrency_max END, clamp = COALESCE(?14, clamp),
  period_days = CASE WHEN ?15 THEN ?16 ELSE period_days END,
  period_from = CASE WHEN NOT ?15 THEN period_from WHEN ?16 IS NULL THEN NULL WHEN ?17 IS NOT NULL THEN ?17
    WHEN period_days = ?16 THEN period_from ELSE ?11 END,
  configuration_version = configuration_version + 1, updated_at = ?11
WHERE id = ?1 AND closed_at IS NULL";

/// One statement, so that two changes at once both take effect, and the anchor of periods moves only where their
/// length really changes; a closed user stays as it is. Commit [`crate::pending_pushes::add`] with it.
pub fn update(id: AccountId, change: &UserChange, now: Timestamp) -> Statement {
    let UserChange {
        name,
        status,
        budget,
        reset_day,
        models,
        requests_per_minute,
        tokens_per_minute,
        concurrency_max,
        clamp,
        period,
    } = change;
    Statement::new(UPDATE)
        .bind(id.to_string())
        .bind(name.clone())
        .bind(*status)
        .bind(budget.map(NanoEur::get))
        .bind(*reset_day)
        .bind(models.as_deref().map(crate::list_text))
        .bind(requests_per_minute.is_some())
        .bind(requests_per_minute.flatten())
        .bind(tokens_per_minute.is_some())
        .bind(tokens_per_minute.flatten())
        .bind(now.as_millis())
        .bind(concurrency_max.is_some())
        .bind(concurrency_max.flatten())
        .bind(clamp.map(i64::from))
        .bind(period.is_some())
        .bind(period.flatten().map(|period| period.days))
        .bind(period.flatten().and_then(|period| period.from).map(Timestamp::as_millis))
}

const SETTINGS: &str = "
SELECT name, status, budget_nano_eur, reset_day, models, requests_per_minute, tokens_per_minute, concurrency_max,
  clamp, period_days, period_from
FROM users WHERE id = ?1";

/// Everything that a change may change, as it is; none when there is no such user.
pub async fn settings(database: &impl Database, id: AccountId) -> Result<Option<UserChange>, PlatformError> {
    let rows = database.query(Statement::new(SETTINGS).bind(id.to_string())).await?;
    rows.first().map(settings_of_row).transpose()
}

fn settings_of_row(row: &Row) -> Result<UserChange, PlatformError> {
    let from = row.optional_integer("period_from")?.map(Timestamp::from_millis);
    Ok(UserChange {
        name: Some(row.text("name")?.to_owned()),
        status: Some(Status::parse(row.text("status")?).as_str()),
        budget: Some(NanoEur::saturating(row.integer("budget_nano_eur")?)),
        reset_day: Some(row.integer("reset_day")?),
        models: Some(crate::texts(row, "models")?),
        requests_per_minute: Some(row.optional_integer("requests_per_minute")?),
        tokens_per_minute: Some(row.optional_integer("tokens_per_minute")?),
        concurrency_max: Some(row.optional_integer("concurrency_max")?),
        clamp: Some(row.integer("clamp")? != 0),
        period: Some(row.optional_integer("period_days")?.map(|days| DayPeriod { days, from })),
    })
}

const CLOSE: &str = "
UPDATE users SET closed_at = ?2, status = 'suspended', email = id || '@closed.invalid', name = '',
  password_hash = NULL, configuration_version = configuration_version + 1, updated_at = ?2
WHERE id = ?1 AND closed_at IS NULL";

const END_SESSIONS: &str = "UPDATE sessions SET ended_at = ?2 WHERE user_id = ?1 AND ended_at IS NULL";

/// For good: the row stays for the usage that refers to it, e-mail and name go, so that the e-mail is free
/// again. Commit [`crate::pending_pushes::add`] with it.
pub fn close(id: AccountId, now: Timestamp) -> [Statement; 3] {
    let id = id.to_string();
    [CLOSE, END_SESSIONS, crate::api_keys::REVOKE_ALL]
        .map(|sql| Statement::new(sql).bind(id.as_str()).bind(now.as_millis()))
}

const IS_CLOSED: &str = "SELECT closed_at IS NOT NULL AS closed FROM users WHERE id = ?1";

pub async fn is_closed(database: &impl Database, id: AccountId) -> Result<bool, PlatformError> {
    let rows = database.query(Statement::new(IS_CLOSED).bind(id.to_string())).await?;
    rows.first().map_or(Ok(false), |row| Ok(row.integer("closed")? != 0))
}

/// Something else that the account must learn of has changed, such as its keys.
pub fn configuration_changed(id: AccountId) -> Statement {
    Statement::new("UPDATE users SET configuration_version = configuration_version + 1 WHERE id = ?1")
        .bind(id.to_string())
}

pub fn configuration_changed_in_tenant(tenant_id: &str) -> Statement {
    Statement::new("UPDATE users SET configuration_version = configuration_version + 1 WHERE tenant_id = ?1")
        .bind(tenant_id)
}

const FIND: &str = "
SELECT id, tenant_id, email, name, role, status, product_id, budget_nano_eur, budget_reset_at, password_hash,
  created_at
FROM users WHERE id = ?1";

pub async fn find(database: &impl Database, id: AccountId) -> Result<Option<User>, PlatformError> {
    let rows = database.query(Statement::new(FIND).bind(id.to_string())).await?;
    rows.first().map(of_row).transpose()
}

const FIND_BY_EMAIL: &str = "
SELECT id, tenant_id, email, name, role, status, product_id, budget_nano_eur, budget_reset_at, password_hash,
  created_at
FROM users WHERE email = ?1";

pub async fn find_by_email(database: &impl Database, email: &str) -> Result<Option<User>, PlatformError> {
    let rows = database.query(Statement::new(FIND_BY_EMAIL).bind(email_address::comparable(email))).await?;
    rows.first().map(of_row).transpose()
}

const TENANT_OF: &str = "SELECT tenant_id FROM users WHERE id = ?1";

/// The tenant that an account belongs to. It never changes while the account lives.
pub async fn tenant_of(database: &impl Database, id: AccountId) -> Result<Option<String>, PlatformError> {
    let rows = database.query(Statement::new(TENANT_OF).bind(id.to_string())).await?;
    rows.first().map(|row| row.text("tenant_id").map(str::to_owned)).transpose()
}

const PAGE: &str = "
SELECT id, tenant_id, email, name, role, status, product_id, budget_nano_eur, budget_reset_at, password_hash,
  created_at
FROM users WHERE id > ?1 ORDER BY id LIMIT ?2";

const PAGE_OF_TENANT: &str = "
SELECT id, tenant_id, email, name, role, status, product_id, budget_nano_eur, budget_reset_at, password_hash,
  created_at
FROM users WHERE tenant_id = ?3 AND id > ?1 ORDER BY id LIMIT ?2";

/// Users by id, from after `after` (empty for the first page), of one tenant or of all.
pub async fn page(
    database: &impl Database,
    tenant_id: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<User>, PlatformError> {
    let statement = match tenant_id {
        Some(tenant_id) => Statement::new(PAGE_OF_TENANT).bind(after).bind(limit).bind(tenant_id),
        None => Statement::new(PAGE).bind(after).bind(limit),
    };
    database.query(statement).await?.iter().map(of_row).collect()
}

const IDS: &str = "SELECT id FROM users WHERE id > ?1 ORDER BY id LIMIT ?2";

/// Accounts by id, from after `after` (empty for the first page).
pub async fn ids(database: &impl Database, after: &str, limit: i64) -> Result<Vec<AccountId>, PlatformError> {
    let rows = database.query(Statement::new(IDS).bind(after).bind(limit)).await?;
    rows.iter().map(id_of).collect()
}

pub(crate) fn id_of(row: &Row) -> Result<AccountId, PlatformError> {
    AccountId::parse(row.text("id")?).ok_or_else(|| crate::malformed("id"))
}

fn of_row(row: &Row) -> Result<User, PlatformError> {
    Ok(User {
        id: id_of(row)?,
        tenant_id: row.text("tenant_id")?.to_owned(),
        email: row.text("email")?.to_owned(),
        name: row.text("name")?.to_owned(),
        role: row.text("role")?.to_owned(),
        status: Status::parse(row.text("status")?),
        product_id: row.optional_text("product_id")?.map(str::to_owned),
        budget: NanoEur::saturating(row.integer("budget_nano_eur")?),
        budget_reset_at: crate::instant(row, "budget_reset_at")?,
        password_hash: row.optional_text("password_hash")?.map(str::to_owned),
        created_at: crate::instant(row, "created_at")?,
    })
}
