//! A tenant's rows by time: which accounts have rows in which ten seconds, and their rows merged.

use crate::usage_report::EXAMINED_MAX;
use domain::account::UsageRow;
use domain::identity::AccountId;
use platform::Statement;
use serde_json::json;
use std::collections::BTreeSet;

/// As the statements below and those of the retention have it. An account writes one row for it; a page seeks each
/// account that is active in it.
const SPAN_MS: i64 = 10_000;

const INSERT: &str = "
INSERT INTO usage_spans (tenant_id, until, account_id)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE true
ON CONFLICT DO NOTHING";

/// For the commit that appends these rows. One row written per account and span, and none while it is there.
pub(crate) fn insert(rows: &[(AccountId, UsageRow)]) -> Statement {
    let until = |row: &UsageRow| row.at.as_millis().div_euclid(SPAN_MS).saturating_add(1) * SPAN_MS;
    let spans: BTreeSet<(&str, i64, String)> =
        rows.iter().map(|(account, row)| (row.tenant_id.as_str(), until(row), account.to_string())).collect();
    Statement::new(INSERT).bind(json!(spans).to_string())
}

/// Places of rows that a statement takes out of [`merged!`] at most.
const _: () = assert!(EXAMINED_MAX == 10_000);

/// A common table expression `merged (at, account_id, request_id, kind)`: the places of the tenant ?1 before
/// (?2, ?3, ?4, ?5) and not before ?6, newest first.
///
/// What is ordered is a queue, and what is taken from it puts its successor into it. A span, which has no account, is
/// succeeded by the span before it and by the newest row that each of its accounts has in it; a row by the next older
/// one of its account in the same span. So a page reads its own rows and, of each account that is active in the same
/// ten seconds, one more. The limit is twice [`EXAMINED_MAX`] and the first span: every other one has a row.
macro_rules! merged {
    () => {
        "WITH RECURSIVE merged (at, account_id, request_id, kind) AS (
  SELECT MAX(until), '', '', '' FROM usage_spans WHERE tenant_id = ?1 AND until <= ?2 + 10000
  UNION ALL
  SELECT (SELECT MAX(until) FROM usage_spans WHERE tenant_id = ?1 AND until < merged.at), '', '', ''
  FROM merged WHERE merged.account_id = '' AND merged.at > ?6
  UNION ALL
  SELECT newest.at, newest.account_id, newest.request_id, newest.kind
  FROM merged CROSS JOIN usage_spans AS span ON span.tenant_id = ?1 AND span.until = merged.at
  CROSS JOIN usage_logs AS newest
    ON newest.account_id = span.account_id AND (newest.at, newest.request_id, newest.kind) = (
      SELECT at, request_id, kind FROM usage_logs AS own
      WHERE own.account_id = span.account_id
        AND own.at >= MAX(merged.at - 10000, ?6) AND own.at <= MIN(merged.at - 1, ?2)
        AND (+own.at, own.account_id, own.request_id, own.kind) < (?2, ?3, ?4, ?5) AND own.tenant_id = ?1
      ORDER BY own.at DESC, own.request_id DESC, own.kind DESC LIMIT 1)
  WHERE merged.account_id = ''
  UNION ALL
  SELECT older.at, older.account_id, older.request_id, older.kind
  FROM merged CROSS JOIN usage_logs AS older
    ON older.account_id = merged.account_id AND (older.at, older.request_id, older.kind) = (
      SELECT at, request_id, kind FROM usage_logs AS own
      WHERE own.account_id = merged.account_id
        AND own.at >= MAX(merged.at - merged.at % 10000, ?6)
        AND (own.at, own.request_id, own.kind) < (merged.at, merged.request_id, merged.kind) AND own.tenant_id = ?1
      ORDER BY own.at DESC, own.request_id DESC, own.kind DESC LIMIT 1)
  WHERE merged.account_id <> ''
  ORDER BY 1 DESC, 2 DESC, 3 DESC, 4 DESC LIMIT 20002)"
    };
}

pub(crate) use merged;
