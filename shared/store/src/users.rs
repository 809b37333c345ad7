//! Users: the directory's half of an account. Their spend lives in the account itself.

use domain::account::Status;
use domain::identity::AccountId;
use domain::money::NanoEur;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement};
use serde_json::{Value, json};

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
    /// A view: when the account's period ends, as far as the directory has heard.
    pub budget_reset_at: Timestamp,
    pub password_hash: Option<String>,
    pub created_at: Timestamp,
}

/// A user as it is made. `email` in lower case; `models` is `["all"]` or names.
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
  configuration_version = configuration_version + 1, updated_at = ?11
WHERE id = ?1";

/// One statement, so that two changes at once both take effect. Commit [`crate::pending_pushes::add`] with it.
pub fn update(id: AccountId, change: &UserChange, now: Timestamp) -> Statement {
    let UserChange { name, status, budget, reset_day, models, requests_per_minute, tokens_per_minute } =
        change;
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

/// Writes the view. A view that is newer already stays.
pub fn set_budget_reset_at(id: AccountId, at: Timestamp) -> Statement {
    Statement::new("UPDATE users SET budget_reset_at = ?2 WHERE id = ?1 AND budget_reset_at <> ?2")
        .bind(id.to_string())
        .bind(at.as_millis())
}

const SET_RESETS: &str = "
UPDATE users SET budget_reset_at = seen.at
FROM (SELECT value ->> 0 AS id, value ->> 1 AS at FROM json_each(?1)) AS seen
WHERE users.id = seen.id AND users.budget_reset_at <> seen.at";

/// The same for many, in one statement.
pub fn set_all_budget_resets_at(views: &[(AccountId, Timestamp)]) -> Statement {
    let rows: Vec<_> = views.iter().map(|(id, at)| json!([id.to_string(), at.as_millis()])).collect();
    Statement::new(SET_RESETS).bind(Value::from(rows).to_string())
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
    let rows = database.query(Statement::new(FIND_BY_EMAIL).bind(email.to_ascii_lowercase())).await?;
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

const DUE: &str = "
SELECT id, budget_reset_at FROM users
WHERE budget_reset_at <= ?1 AND (budget_reset_at, id) > (?2, ?3)
ORDER BY budget_reset_at, id LIMIT ?4";

/// Where the list of due users goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueCursor {
    pub at: Timestamp,
    pub id: String,
}

impl DueCursor {
    pub const fn start() -> Self {
        Self { at: Timestamp::EPOCH, id: String::new() }
    }

    /// What [`Self`] prints; anything else is the start.
    pub fn parse(text: &str) -> Self {
        let parts = text.split_once(' ').and_then(|(at, id)| Some((at.parse().ok()?, id)));
        parts.map_or_else(Self::start, |(at, id)| Self { at: Timestamp::from_millis(at), id: id.to_owned() })
    }
}

impl core::fmt::Display for DueCursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.at.as_millis(), self.id)
    }
}

/// Users whose period is over as far as the directory has heard, oldest first.
pub async fn due_for_reset(
    database: &impl Database,
    now: Timestamp,
    after: &DueCursor,
    limit: i64,
) -> Result<Vec<(AccountId, Timestamp)>, PlatformError> {
    let statement = Statement::new(DUE)
        .bind(now.as_millis())
        .bind(after.at.as_millis())
        .bind(after.id.as_str())
        .bind(limit);
    let rows = database.query(statement).await?;
    rows.iter().map(|row| Ok((id_of(row)?, crate::instant(row, "budget_reset_at")?))).collect()
}

fn id_of(row: &Row) -> Result<AccountId, PlatformError> {
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
