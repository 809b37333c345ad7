//! What a commit appends for one account of a tenant: a row that knows the places of the batch's rows, so that these
//! need no index by arrival of their own.

use domain::account::UsageRow;
use domain::identity::AccountId;
use platform::Statement;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) struct Batch<'a> {
    pub tenant_id: &'a str,
    pub account: AccountId,
    /// Rows of the same tenant in the commit's earlier batches.
    pub before: usize,
    pub rows: Vec<&'a UsageRow>,
}

/// The batches of one commit. An account's outbox delivers for one tenant, so it is one, as a rule.
pub(crate) fn of_commit(rows: &[(AccountId, UsageRow)]) -> Vec<Batch<'_>> {
    let mut grouped: BTreeMap<(&str, AccountId), Vec<&UsageRow>> = BTreeMap::new();
    for (account, row) in rows {
        grouped.entry((&row.tenant_id, *account)).or_default().push(row);
    }
    let mut given: BTreeMap<&str, usize> = BTreeMap::new();
    let batch = |((tenant_id, account), rows): ((_, _), Vec<_>)| {
        let given = given.entry(tenant_id).or_default();
        let before = *given;
        *given += rows.len();
        Batch { tenant_id, account, before, rows }
    };
    grouped.into_iter().map(batch).collect()
}

/// Numbers go on from the tenant's last, which is read before the first batch is inserted. A batch of which no row was
/// inserted, since all were there, is none.
const INSERT: &str = "
INSERT INTO usage_batches (tenant_id, last, first, account_id, at_last, places)
SELECT tenant_id, first + row_count - 1, first, account_id, at_last, places
FROM (
  SELECT value ->> 0 AS tenant_id, value ->> 1 AS account_id,
    (SELECT COALESCE(MAX(last), 0) FROM usage_batches WHERE tenant_id = value ->> 0) + (value ->> 2) + 1 AS first,
    value ->> 3 AS row_count, value ->> 4 AS at_last, value -> 5 AS places
  FROM json_each(?1)) AS batch
WHERE EXISTS (
  SELECT 1 FROM json_each(batch.places) AS place CROSS JOIN usage_logs AS own
    ON own.account_id = batch.account_id AND own.at = place.value ->> 0
      AND own.request_id = place.value ->> 1 AND own.kind = place.value ->> 2
  WHERE own.tenant_id = batch.tenant_id AND own.arrived = batch.first + place.key)";

/// For the commit that appends these rows, after them.
pub(crate) fn insert(batches: &[Batch<'_>]) -> Statement {
    let place = |row: &&UsageRow| json!([row.at.as_millis(), row.request_id.to_string(), row.kind.as_str()]);
    let batch = |batch: &Batch<'_>| {
        let places: Vec<Value> = batch.rows.iter().map(place).collect();
        let at_last = batch.rows.iter().map(|row| row.at.as_millis()).max();
        json!([batch.tenant_id, batch.account.to_string(), batch.before, places.len(), at_last, places])
    };
    let batches: Vec<Value> = batches.iter().map(batch).collect();
    Statement::new(INSERT).bind(Value::from(batches).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    #[test]
    fn p25_no_batch_is_inserted_by_a_scan() {
        let plan = plan::of(INSERT);
        assert!(
            plan.contains("SEARCH own USING PRIMARY KEY (account_id=? AND at=? AND request_id=? AND kind=?)")
        );
        assert!(!plan.contains("SCAN usage_batches") && !plan.contains("SCAN own"), "{plan}");
    }
}
