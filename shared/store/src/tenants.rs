//! Tenants.

use domain::identity::Home;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: String,
    pub slug: String,
    pub name: String,
    pub status: String,
    /// An IANA name, as `domain::time_zone::Zone::named` tells it.
    pub time_zone: String,
    /// Where new accounts live.
    pub home: Home,
}

const BY_ID_OR_SLUG: &str = "
SELECT id, slug, name, status, time_zone, home FROM tenants
WHERE (id = ?1 OR slug = ?1) AND status <> 'deleted' ORDER BY id = ?1 DESC LIMIT 1";

pub async fn find(database: &impl Database, id_or_slug: &str) -> Result<Option<Tenant>, PlatformError> {
    let rows = database.query(Statement::new(BY_ID_OR_SLUG).bind(id_or_slug)).await?;
    rows.first().map(of_row).transpose()
}

/// How many users a tenant may have: the lower of its own limit and of its plan's.
const USER_LIMIT: &str = "
SELECT t.max_users AS own, p.max_users AS of_plan
FROM tenants t LEFT JOIN products p ON p.id = t.billing_plan WHERE t.id = ?1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserLimit {
    pub users: u64,
    /// Whether the tenant's plan says so, and not the tenant's own limit.
    pub of_plan: bool,
}

/// None: as many as it likes.
pub async fn user_limit(database: &impl Database, id: &str) -> Result<Option<UserLimit>, PlatformError> {
    let rows = database.query(Statement::new(USER_LIMIT).bind(id)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let own = crate::optional_unsigned(row, "own")?.map(|users| UserLimit { users, of_plan: false });
    let of_plan = crate::optional_unsigned(row, "of_plan")?.map(|users| UserLimit { users, of_plan: true });
    Ok(own.into_iter().chain(of_plan).min_by_key(|limit| limit.users))
}

/// Nothing is committed that the tenant has no room for. `status` must not be null.
const REFUSE_BEYOND_MAX_USERS: &str = "
UPDATE tenants SET status = NULL
WHERE id = ?1 AND CASE
  WHEN max_users IS NULL AND (SELECT max_users FROM products WHERE id = billing_plan) IS NULL THEN 0
  ELSE min(COALESCE(max_users, 1 << 52),
    COALESCE((SELECT max_users FROM products WHERE id = billing_plan), 1 << 52)) < (
    SELECT COUNT(*) FROM users WHERE tenant_id = ?1 AND closed_at IS NULL) END";

/// Violates a constraint when the tenant has more users than it and its plan allow. Goes after the insertion, or
/// the activation, in the same commit. Counts index entries of one tenant, and only where there is a limit.
pub fn refuse_beyond_max_users(id: &str) -> Statement {
    Statement::new(REFUSE_BEYOND_MAX_USERS).bind(id)
}

/// Every account of the tenant must learn of it: commit [`crate::users::configuration_changed_in_tenant`]
/// and [`crate::pending_pushes::add_for_tenant`] with it.
pub fn set_status(id: &str, status: &str, now: Timestamp) -> Statement {
    Statement::new("UPDATE tenants SET status = ?2, updated_at = ?3 WHERE id = ?1")
        .bind(id)
        .bind(status)
        .bind(now.as_millis())
}

fn of_row(row: &Row) -> Result<Tenant, PlatformError> {
    Ok(Tenant {
        id: row.text("id")?.to_owned(),
        slug: row.text("slug")?.to_owned(),
        name: row.text("name")?.to_owned(),
        status: row.text("status")?.to_owned(),
        time_zone: row.text("time_zone")?.to_owned(),
        home: Home::parse(row.text("home")?).ok_or_else(|| crate::malformed("home"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use platform_memory::MemoryPlatform;

    #[test]
    fn p25_a_tenants_users_are_counted_in_an_index_of_their_own() {
        let explained: &'static str = format!("EXPLAIN QUERY PLAN {REFUSE_BEYOND_MAX_USERS}").leak();
        let rows = block_on(MemoryPlatform::new().query(Statement::new(explained).bind("demo"))).unwrap();
        let plan: Vec<_> = rows.iter().map(|row| row.text("detail").unwrap().to_owned()).collect();
        let plan = plan.join("; ");
        assert!(plan.contains("COVERING INDEX users_open_of_tenant") && !plan.contains("SCAN"), "{plan}");
    }
}
