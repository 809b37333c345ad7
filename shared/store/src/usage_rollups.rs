//! Usage rolled up by hour and by day, each row exactly once, whenever and in whatever order it arrives.
//!
//! The commit that appends rows marks their account-hours dirty. A slice takes dirty account-hours that are
//! over, sums their rows anew, and passes the difference to what was summed before on to the days, the
//! tenants and the providers: all in one commit. So a slice that is repeated, or runs twice at once, changes
//! nothing, and one that dies leaves its marks.

use crate::usage_measures::{fresh, measures};
use core::time::Duration;
use domain::account::{RowKind, UsageRow};
use domain::identity::AccountId;
use domain::money::MAX_NANO_EUR;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const HOUR: Duration = Duration::from_secs(60 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after its end an hour is rolled up: most outboxes have delivered by then, so that most hours
/// are summed once.
pub const SETTLING: Duration = Duration::from_secs(5 * 60);
/// Account-hours of one slice.
pub const BUCKETS_MAX: i64 = 500;
/// Rows that a slice sums, unless a single account-hour has more: those cannot be split, but one account
/// cannot make more of them than its rate allows.
pub const ROWS_MAX: i64 = 20_000;
/// Up to here the rows of an account-hour are counted beforehand; one with more ends its slice.
const COUNTED_MAX: i64 = 2_000;

/// The start of the instant's hour.
pub fn hour_of(at: Timestamp) -> Timestamp {
    start_of(at, HOUR)
}

/// The start of the instant's UTC day.
pub fn day_of(at: Timestamp) -> Timestamp {
    start_of(at, DAY)
}

fn start_of(at: Timestamp, period: Duration) -> Timestamp {
    let period = period.as_millis() as i64;
    Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(period))
}

const MARK: &str = "
INSERT INTO usage_dirty (hour, account_id)
SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true
ON CONFLICT DO NOTHING";

/// A correction changes what its call counts, which may be of an earlier hour.
const MARK_CORRECTED: &str = "
INSERT INTO usage_dirty (hour, account_id)
SELECT called.at - called.at % 3600000, called.account_id
FROM json_each(?1) AS row CROSS JOIN usage_logs AS called
  ON called.account_id = row.value ->> 0 AND called.at = row.value ->> 1 AND called.request_id = row.value ->> 2
    AND called.kind = 'call'
WHERE true
ON CONFLICT DO NOTHING";

/// For the commit that appends these rows, after them. One row written per account and hour, and none
/// while the hour is dirty already.
pub(crate) fn mark_dirty(rows: &[(AccountId, UsageRow)]) -> Vec<Statement> {
    let hours: BTreeSet<(i64, String)> =
        rows.iter().map(|(account, row)| (hour_of(row.at).as_millis(), account.to_string())).collect();
    let corrected: Vec<Value> = rows
        .iter()
        .filter(|(_, row)| row.kind == RowKind::Correction)
        .map(|(account, row)| {
            json!([account.to_string(), row.request_id.made_at().as_millis(), row.request_id.to_string()])
        })
        .collect();
    let mut statements = vec![Statement::new(MARK).bind(json!(hours).to_string())];
    if !corrected.is_empty() {
        statements.push(Statement::new(MARK_CORRECTED).bind(Value::from(corrected).to_string()));
    }
    statements
}

/// What a slice did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolledUp {
    /// Account-hours.
    pub buckets: usize,
    /// Account-hours of more than can be summed. Their rows stay, in no sum, until more arrive.
    pub left_out: Vec<(AccountId, Timestamp)>,
    /// Whether more were due when the slice began.
    pub more: bool,
}

const DUE: &str = "
SELECT hour, account_id, (SELECT COUNT(*) FROM (
    SELECT 1 FROM usage_logs
    WHERE usage_logs.account_id = usage_dirty.account_id
      AND at >= usage_dirty.hour AND at < usage_dirty.hour + 3600000
    LIMIT ?3)) AS row_count
FROM usage_dirty WHERE hour < ?1 ORDER BY hour, account_id LIMIT ?2";

/// One slice: the oldest dirty account-hours that ended [`SETTLING`] ago, at most [`BUCKETS_MAX`] of them and
/// about [`ROWS_MAX`] rows. Needs no cursor: what is done is no longer dirty. Call it until `more` is false.
///
/// One query and one commit of eleven statements; without work, the query alone. If the commit fails, one
/// query more, and one statement more where account-hours are left out.
pub async fn roll_up_slice(database: &impl Database, now: Timestamp) -> Result<RolledUp, PlatformError> {
    let open = hour_of(now.minus(SETTLING));
    let due = Statement::new(DUE).bind(open.as_millis()).bind(BUCKETS_MAX).bind(COUNTED_MAX + 1);
    let due = database.query(due).await?;
    let (mut picked, mut rows) = (Vec::new(), 0);
    for bucket in &due {
        if rows >= ROWS_MAX {
            break;
        }
        let count = bucket.integer("row_count")?;
        rows += if count > COUNTED_MAX { ROWS_MAX } else { count };
        picked.push(json!([bucket.integer("hour")?, bucket.text("account_id")?]));
    }
    let buckets = picked.len();
    if buckets > 0 {
        let picked = Value::from(picked).to_string();
        if let Err(error) = database.commit(sum_anew(&picked)).await {
            let left_out = leave_out(database, &picked).await?;
            return if left_out.is_empty() {
                Err(error)
            } else {
                Ok(RolledUp { left_out, more: true, ..RolledUp::default() })
            };
        }
    }
    let more = buckets < due.len() || due.len() as i64 == BUCKETS_MAX;
    Ok(RolledUp { buckets, more, left_out: Vec::new() })
}

/// What [`BUCKETS_MAX`] account-hours of this may sum up to is an integer of SQLite's, which an account-hour
/// beyond it need not be: SUM fails then, where TOTAL does not. An account itself never holds so much.
/// Tokens have a bound of their own in each row, far from what 64 bits hold.
const SUMMED_MAX: i64 = MAX_NANO_EUR;
const _: () = assert!(SUMMED_MAX.checked_mul(BUCKETS_MAX).is_some());

const BEYOND: &str = "
SELECT picked.value ->> 0 AS hour, picked.value ->> 1 AS account_id
FROM json_each(?1) AS picked
CROSS JOIN usage_logs AS own
  ON own.account_id = picked.value ->> 1
    AND own.at >= picked.value ->> 0 AND own.at < (picked.value ->> 0) + 3600000
LEFT JOIN usage_logs AS late
  ON own.kind = 'call' AND late.account_id = own.account_id AND late.request_id = own.request_id
    AND late.kind = 'correction' AND late.kind <> 'call'
GROUP BY picked.key
HAVING MAX(TOTAL(ABS(own.cost_nano_eur)), TOTAL(ABS(own.overrun_nano_eur)),
  TOTAL(MAX(own.provider_cost_nano_usd, COALESCE(late.provider_cost_nano_usd, 0)))) > ?2";

/// Drops the marks of those account-hours that cannot be summed, so that they hold up no others.
async fn leave_out(
    database: &impl Database,
    picked: &str,
) -> Result<Vec<(AccountId, Timestamp)>, PlatformError> {
    let rows = database.query(Statement::new(BEYOND).bind(picked).bind(SUMMED_MAX)).await?;
    let mut left_out = Vec::new();
    for row in &rows {
        let account = AccountId::parse(row.text("account_id")?);
        left_out.push((account.ok_or_else(|| crate::malformed("account_id"))?, crate::instant(row, "hour")?));
    }
    if !left_out.is_empty() {
        let marks: Vec<_> =
            left_out.iter().map(|(account, hour)| json!([hour.as_millis(), account.to_string()])).collect();
        database.commit(vec![Statement::new(CLEAN).bind(Value::from(marks).to_string())]).await?;
    }
    Ok(left_out)
}

/// Takes the old sums out of everything that follows them, sums anew, and puts the new ones in. Where
/// nothing was summed before, which is the rule, the first four write nothing.
fn sum_anew(picked: &str) -> Vec<Statement> {
    let follow = |sign: i64| FOLLOWERS.map(|sql| Statement::new(sql).bind(picked).bind(sign));
    let mut statements = Vec::from(follow(-1));
    statements.push(Statement::new(FORGET).bind(picked));
    statements.push(Statement::new(SUM).bind(picked));
    statements.extend(follow(1));
    statements.push(Statement::new(CLEAN).bind(picked));
    statements
}

const FORGET: &str = "
DELETE FROM usage_hourly
WHERE (account_id, hour) IN (SELECT value ->> 1, value ->> 0 FROM json_each(?1))";

const SUM: &str = concat!(
    "INSERT INTO usage_hourly (account_id, hour, tenant_id, model, provider, region, upstream_model, kind,\n  ",
    measures!(),
    ")\nWITH picked AS (SELECT value ->> 0 AS hour, value ->> 1 AS account_id FROM json_each(?1)),\n",
    fresh!(),
    "\nSELECT account_id, hour, tenant_id, model, provider, region, upstream_model, kind,\n  ",
    measures!(),
    "\nFROM fresh"
);

const CLEAN: &str = "
DELETE FROM usage_dirty
WHERE (hour, account_id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))";

/// Adds the picked account-hours' sums, times ?2, to a table that follows them. Cast, since D1 binds every
/// number as a real one, whose products would be exact below 2^53 only.
macro_rules! follower {
    ($table:literal, $key:literal, $selected:literal, $of:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (",
            $key,
            ",\n  ",
            measures!(),
            ")\nSELECT ",
            $selected,
            ",
  CAST(?2 AS INTEGER) * SUM(row_count), CAST(?2 AS INTEGER) * SUM(tokens_input), CAST(?2 AS INTEGER) * SUM(tokens_cached), CAST(?2 AS INTEGER) * SUM(tokens_output),
  CAST(?2 AS INTEGER) * SUM(tokens_reasoning), CAST(?2 AS INTEGER) * SUM(cost_nano_eur), CAST(?2 AS INTEGER) * SUM(overrun_nano_eur),
  CAST(?2 AS INTEGER) * SUM(provider_cost_nano_usd), CAST(?2 AS INTEGER) * SUM(errors), CAST(?2 AS INTEGER) * SUM(estimated)
FROM json_each(?1) AS picked CROSS JOIN usage_hourly AS hourly
  ON hourly.account_id = picked.value ->> 1 AND hourly.hour = picked.value ->> 0
WHERE ",
            $of,
            "\nGROUP BY ",
            $selected,
            "\nON CONFLICT (",
            $key,
            ") DO UPDATE SET
  row_count = row_count + excluded.row_count,
  tokens_input = tokens_input + excluded.tokens_input,
  tokens_cached = tokens_cached + excluded.tokens_cached,
  tokens_output = tokens_output + excluded.tokens_output,
  tokens_reasoning = tokens_reasoning + excluded.tokens_reasoning,
  cost_nano_eur = cost_nano_eur + excluded.cost_nano_eur,
  overrun_nano_eur = overrun_nano_eur + excluded.overrun_nano_eur,
  provider_cost_nano_usd = provider_cost_nano_usd + excluded.provider_cost_nano_usd,
  errors = errors + excluded.errors,
  estimated = estimated + excluded.estimated"
        )
    };
}

const FOLLOWERS: [&str; 4] = [
    follower!(
        "usage_daily",
        "account_id, day, tenant_id, model, provider, kind",
        "account_id, hour - hour % 86400000, tenant_id, model, provider, kind",
        "true"
    ),
    follower!(
        "tenant_usage_hourly",
        "tenant_id, hour, model, provider, kind",
        "tenant_id, hour, model, provider, kind",
        "true"
    ),
    follower!(
        "tenant_usage_daily",
        "tenant_id, day, model, provider, kind",
        "tenant_id, hour - hour % 86400000, model, provider, kind",
        "true"
    ),
    follower!(
        "provider_usage_daily",
        "day, provider, upstream_model",
        "hour - hour % 86400000, provider, upstream_model",
        "provider <> ''"
    ),
];

/// The start of the oldest hour whose rows are not all rolled up. None: all that arrived is.
pub async fn dirty_since(database: &impl Database) -> Result<Option<Timestamp>, PlatformError> {
    let rows = database.query(Statement::new("SELECT MIN(hour) AS hour FROM usage_dirty")).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(row.optional_integer("hour")?.map(Timestamp::from_millis))
}

#[cfg(test)]
mod tests;
