//! Notices of budgets: raised by state machines, delivered at least once under one id.

use domain::identity::RequestId;
use domain::notice::Notice;
use platform::Statement;
use serde_json::{Value, json};

const INSERT_BATCH: &str = "
INSERT INTO notices (id, tenant_id, subject, source, percent, used_nano_eur, limit_nano_eur, period_opened_at,
  resets_at, at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
  value ->> 8, value ->> 9
FROM json_each(?1) WHERE true
ON CONFLICT DO NOTHING";

/// Notices with their subjects: an account's name, or a tenant's id. Safe to repeat.
pub fn insert_batch(notices: &[(String, Notice)]) -> Statement {
    let rows: Vec<Value> = notices.iter().map(|(subject, notice)| as_json(subject, notice)).collect();
    Statement::new(INSERT_BATCH).bind(Value::from(rows).to_string())
}

fn as_json(subject: &str, notice: &Notice) -> Value {
    let Notice { tenant_id, source, percent, used, limit, period_opened_at, resets_at, at } = notice;
    let id: RequestId = notice.id(subject);
    json!([
        id.to_string(),
        tenant_id,
        subject,
        source.as_str(),
        percent,
        used.get(),
        limit.get(),
        period_opened_at.as_millis(),
        resets_at.as_millis(),
        at.as_millis(),
    ])
}
