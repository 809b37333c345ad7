//! What happened that people are told of: raised by state machines, each once under its own id.

use crate::pruning::PRUNED_AT_ONCE;
use domain::account::LimitSource;
use domain::notice::Notice;
use domain::threshold_message::ThresholdReached;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};
use serde_json::{Value, json};

/// People of a tenant that one notice goes to at most.
const ADMINS_MAX: i64 = 20;

const INSERT_BATCH: &str = "
INSERT INTO notices (id, tenant_id, type, subject, audience, data, at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
FROM json_each(?1) WHERE true
ON CONFLICT DO NOTHING";

/// Notices of budgets with their subjects: an account's name, or a tenant's id. Safe to repeat.
pub fn insert_batch(notices: &[(String, Notice)]) -> Statement {
    let rows: Vec<Value> = notices.iter().map(|(subject, notice)| as_json(subject, notice)).collect();
    Statement::new(INSERT_BATCH).bind(Value::from(rows).to_string())
}

fn as_json(subject: &str, notice: &Notice) -> Value {
    let audience = match notice.source {
        LimitSource::User | LimitSource::Key => "user",
        LimitSource::Tenant => "tenant",
    };
    let data = serde_json::to_string(&ThresholdReached::of(subject, notice)).expect("texts and a number");
    json!([
        notice.id(subject).to_string(),
        notice.tenant_id,
        ThresholdReached::TYPE,
        subject,
        audience,
        data,
        notice.at.as_millis(),
    ])
}

const UNPLANNED: &str = "SELECT id FROM notices WHERE planned_at IS NULL ORDER BY id LIMIT ?1";

/// Notices that have no deliveries yet.
pub async fn unplanned(database: &impl Database, limit: i64) -> Result<Vec<String>, PlatformError> {
    let rows = database.query(Statement::new(UNPLANNED).bind(limit)).await?;
    rows.iter().map(|row| row.text("id").map(str::to_owned)).collect()
}

/// To the user it is about, or to nobody if there is none any more.
const PLAN_MAILS_TO_USERS: &str = "
INSERT INTO deliveries (notice_id, channel, target, status, next_try_at)
SELECT n.id, 'mail', COALESCE(u.id, ''), CASE WHEN u.id IS NULL THEN 'undeliverable' ELSE 'waiting' END, ?2
FROM json_each(?1) j CROSS JOIN notices n ON n.id = j.value LEFT JOIN users u ON u.id = n.subject
WHERE n.audience = 'user' AND n.planned_at IS NULL
ON CONFLICT DO NOTHING";

const PLAN_MAILS_TO_ADMINS: &str = "
INSERT INTO deliveries (notice_id, channel, target, status, next_try_at)
SELECT n.id, 'mail', COALESCE(a.id, ''), CASE WHEN a.id IS NULL THEN 'undeliverable' ELSE 'waiting' END, ?2
FROM json_each(?1) j CROSS JOIN notices n ON n.id = j.value
LEFT JOIN users a ON a.id IN (
  SELECT id FROM users WHERE tenant_id = n.tenant_id AND role = 'tenant_admin' AND status = 'active'
  ORDER BY id LIMIT ?3)
WHERE n.audience = 'tenant' AND n.planned_at IS NULL
ON CONFLICT DO NOTHING";

const PLAN_WEBHOOKS: &str = "
INSERT INTO deliveries (notice_id, channel, target, status, next_try_at)
SELECT n.id, 'webhook', w.id, 'waiting', ?2
FROM json_each(?1) j CROSS JOIN notices n ON n.id = j.value
CROSS JOIN webhook_endpoints w ON w.tenant_id = n.tenant_id
WHERE n.planned_at IS NULL AND w.active = 1
  AND EXISTS (SELECT 1 FROM json_each(w.events) e WHERE e.value IN ('*', n.type))
ON CONFLICT DO NOTHING";

const PLANNED: &str = "
UPDATE notices SET planned_at = ?2
WHERE id IN (SELECT value FROM json_each(?1)) AND planned_at IS NULL";

/// Makes the deliveries of these notices; for one commit. A notice that was planned meanwhile stays as it is.
pub fn plan(ids: &[String], now: Timestamp) -> Vec<Statement> {
    let ids = Value::from(ids).to_string();
    let of = |sql| Statement::new(sql).bind(ids.as_str()).bind(now.as_millis());
    vec![of(PLAN_MAILS_TO_USERS), of(PLAN_MAILS_TO_ADMINS).bind(ADMINS_MAX), of(PLAN_WEBHOOKS), of(PLANNED)]
}

const PRUNE: &str = "
DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE at < ?1 ORDER BY at LIMIT ?2)
RETURNING id";

/// Drops some that were raised before `before`, with their deliveries, and returns a row for each.
pub fn prune(before: Timestamp) -> Statement {
    Statement::new(PRUNE).bind(before.as_millis()).bind(PRUNED_AT_ONCE)
}

#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 7] =
    [INSERT_BATCH, UNPLANNED, PLAN_MAILS_TO_USERS, PLAN_MAILS_TO_ADMINS, PLAN_WEBHOOKS, PLANNED, PRUNE];
