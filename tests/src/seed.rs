//! What the suite's host finds in its database besides the usual seed data.

use crate::fixtures::{MODEL, TENANT};
use serde_json::json;
use xtask::seed::SeedStatement;

/// Like [`MODEL`], without a price for output.
pub const UNPRICED_MODEL: &str = "test/unpriced";
/// Like [`MODEL`], but its provider is given up after [`IMPATIENT_TIMEOUT_MS`] without an answer.
pub const IMPATIENT_MODEL: &str = "test/impatient";
pub const IMPATIENT_TIMEOUT_MS: u64 = 300;
/// An active tenant with the same models, for tests that change its status.
pub const OTHER_TENANT: &str = "test-tenant";

/// More of them, for tests that limit a whole tenant; each test has its own.
pub const LIMITED_TENANTS: [&str; 7] =
    ["limited-1", "limited-2", "limited-3", "limited-4", "limited-5", "limited-6", "limited-7"];

/// A tenant on the plan Professional, which has [`USERS_OF_PLAN`] users.
pub const TENANT_ON_A_PLAN: &str = "on-a-plan";
pub const USERS_OF_PLAN: usize = 5;
/// For the test that lowers a tenant's limits under load.
pub const LOWERED_TENANT: &str = "lowered";

/// A copy of [`MODEL`]'s routing under another name, at the provider too.
const COPY_MODEL: &str = "
INSERT INTO routing_snapshots (tenant_id, model, version, snapshot)
SELECT tenant_id, ?2, 1, json_set(snapshot, '$.model', ?2, '$.targets[0].upstream_model', ?2)
FROM routing_snapshots WHERE model = ?1
ON CONFLICT DO NOTHING";

const REMOVE_OUTPUT_PRICE: &str = "
UPDATE routing_snapshots SET snapshot = json_remove(snapshot, '$.targets[0].prices.output') WHERE model = ?1";

/// Cast, because a parameter comes as a JavaScript number, which SQLite takes for a real one.
const SET_TIMEOUT: &str = "
UPDATE routing_snapshots
SET snapshot = json_set(snapshot, '$.targets[0].kind.first_byte_timeout_ms', CAST(?2 AS INTEGER))
WHERE model = ?1";

const COPY_TENANT: &str = "
INSERT INTO tenants (id, slug, name, status, created_at, updated_at)
VALUES (?1, ?1, 'A tenant of tests', 'active', 0, 0) ON CONFLICT DO NOTHING";

const PUT_ON_A_PLAN: &str = "UPDATE tenants SET billing_plan = 'professional' WHERE id = ?1";

const COPY_ROUTING: &str = "
INSERT INTO routing_snapshots (tenant_id, model, version, snapshot)
SELECT ?2, model, version, snapshot FROM routing_snapshots WHERE tenant_id = ?1
ON CONFLICT DO NOTHING";

/// Run at every start of the host, after the usual ones; safe to repeat.
pub fn statements() -> Vec<SeedStatement> {
    let copy = |name: &str| statement(COPY_MODEL, vec![json!(MODEL), json!(name)]);
    let mut all = vec![
        copy(UNPRICED_MODEL),
        statement(REMOVE_OUTPUT_PRICE, vec![json!(UNPRICED_MODEL)]),
        copy(IMPATIENT_MODEL),
        statement(SET_TIMEOUT, vec![json!(IMPATIENT_MODEL), json!(IMPATIENT_TIMEOUT_MS)]),
    ];
    for tenant in LIMITED_TENANTS.into_iter().chain([OTHER_TENANT, TENANT_ON_A_PLAN, LOWERED_TENANT]) {
        all.push(statement(COPY_TENANT, vec![json!(tenant)]));
        all.push(statement(COPY_ROUTING, vec![json!(TENANT), json!(tenant)]));
    }
    all.push(statement(PUT_ON_A_PLAN, vec![json!(TENANT_ON_A_PLAN)]));
    all
}

fn statement(sql: &str, params: Vec<serde_json::Value>) -> SeedStatement {
    SeedStatement { sql: sql.into(), params }
}
