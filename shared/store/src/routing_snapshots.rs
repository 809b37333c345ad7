//! Routing snapshots: one row per tenant and model, so that a request reads a single row.

use core::time::Duration;
use domain::identity::AccountId;
use domain::routing::RoutingSnapshot;
use platform::{Database, PlatformError, Row, Statement};

/// Models of one tenant.
const MODELS_MAX: i64 = 1_000;

const FIND: &str = "SELECT version, snapshot FROM routing_snapshots WHERE tenant_id = ?1 AND model = ?2";

/// None when the tenant has no such model.
pub async fn find(
    database: &impl Database,
    tenant_id: &str,
    model: &str,
) -> Result<Option<RoutingSnapshot>, PlatformError> {
    let rows = database.query(Statement::new(FIND).bind(tenant_id).bind(model)).await?;
    rows.first().map(of_row).transpose()
}

/// The tenant's row comes back even if it has no such model, so that it need not be asked for twice.
const FIND_FOR_ACCOUNT: &str = "
SELECT u.tenant_id, r.version, r.snapshot
FROM users u LEFT JOIN routing_snapshots r ON r.tenant_id = u.tenant_id AND r.model = ?2
WHERE u.id = ?1";

/// The account's tenant and its snapshot of the model, as they were so long ago at most; none when there is no such
/// user.
pub async fn find_for_account(
    database: &impl Database,
    account: AccountId,
    model: &str,
    max_age: Duration,
) -> Result<Option<(String, Option<RoutingSnapshot>)>, PlatformError> {
    let statement =
        Statement::new(FIND_FOR_ACCOUNT).bind(account.to_string()).bind(model).may_be_old(max_age);
    let rows = database.query(statement).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let tenant_id = row.text("tenant_id")?.to_owned();
    let snapshot = if row.optional_text("snapshot")?.is_some() { Some(of_row(row)?) } else { None };
    Ok(Some((tenant_id, snapshot)))
}

const OF_TENANT: &str =
    "SELECT version, snapshot FROM routing_snapshots WHERE tenant_id = ?1 ORDER BY model LIMIT ?2";

/// Every model of a tenant, by name; a row that cannot be read is left out, and does not hide the others.
pub async fn of_tenant(
    database: &impl Database,
    tenant_id: &str,
) -> Result<Vec<RoutingSnapshot>, PlatformError> {
    let rows = database.query(Statement::new(OF_TENANT).bind(tenant_id).bind(MODELS_MAX)).await?;
    Ok(rows.iter().filter_map(|row| of_row(row).ok()).collect())
}

/// Parameters: tenant, model, text of [`to_text`]. The version rises only when the content changed.
pub const UPSERT: &str = "
INSERT INTO routing_snapshots (tenant_id, model, version, snapshot) VALUES (?1, ?2, 1, ?3)
ON CONFLICT (tenant_id, model) DO UPDATE SET version = version + 1, snapshot = excluded.snapshot
WHERE snapshot <> excluded.snapshot";

pub fn upsert(tenant_id: &str, snapshot: &RoutingSnapshot) -> Statement {
    Statement::new(UPSERT).bind(tenant_id).bind(snapshot.model.as_str()).bind(to_text(snapshot))
}

/// As it is stored: without its version, which is a column, so that equal contents are equal texts.
pub fn to_text(snapshot: &RoutingSnapshot) -> String {
    let content = RoutingSnapshot { version: 0, ..snapshot.clone() };
    serde_json::to_string(&content).expect("a snapshot is plain data")
}

fn of_row(row: &Row) -> Result<RoutingSnapshot, PlatformError> {
    let content: RoutingSnapshot =
        serde_json::from_str(row.text("snapshot")?).map_err(|_| crate::malformed("snapshot"))?;
    Ok(RoutingSnapshot { version: crate::unsigned(row, "version")?, ..content })
}
