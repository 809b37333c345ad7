//! Sums over a range, from the roll-ups: what they read grows with days and models, not with calls.

use crate::usage_measures::{Measures, fresh, measures, summed};
use crate::usage_report::Scope;
use crate::usage_retention::DAYS_MIN;
use crate::usage_rollups::{DAY, HOUR, day_of, hour_of};
use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement, Value};

/// Days that one sum may span.
pub const DAYS_MAX: u32 = 400;

/// What is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'a> {
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    pub model: Option<&'a str>,
    pub kind: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// What was summed: `from` and `to` as asked, widened to whole hours; beyond the time for which hours are
    /// sure to be kept, to whole UTC days. Never more than [`DAYS_MAX`] days.
    pub from: Timestamp,
    pub to: Timestamp,
    pub measures: Measures,
    /// Rows of this hour and later may be missing. None: all that arrived is counted.
    pub as_of: Option<Timestamp>,
}

/// ?1 the owner, ?2 and ?3 the whole days, ?4 and ?5 all of it, ?6 a model, ?7 a kind.
macro_rules! rolled {
    ($daily:literal, $hourly:literal, $owner:literal) => {
        concat!(
            "SELECT ",
            measures!(),
            " FROM ",
            $daily,
            "
  WHERE ",
            $owner,
            " = ?1 AND day >= ?2 AND day < ?3 AND (?6 IS NULL OR model = ?6) AND (?7 IS NULL OR kind = ?7)
UNION ALL SELECT ",
            measures!(),
            " FROM ",
            $hourly,
            "
  WHERE ",
            $owner,
            " = ?1 AND hour >= ?4 AND hour < ?2 AND (?6 IS NULL OR model = ?6) AND (?7 IS NULL OR kind = ?7)
UNION ALL SELECT ",
            measures!(),
            " FROM ",
            $hourly,
            "
  WHERE ",
            $owner,
            " = ?1 AND hour >= ?3 AND hour < ?5 AND (?6 IS NULL OR model = ?6) AND (?7 IS NULL OR kind = ?7)"
        )
    };
}

pub(crate) const OF_TENANT: &str = concat!(
    "SELECT ",
    summed!(),
    ",\n  (SELECT MIN(hour) FROM usage_dirty WHERE hour >= ?4 AND hour < ?5) AS dirty_since\nFROM (",
    rolled!("tenant_usage_daily", "tenant_usage_hourly", "tenant_id"),
    ")"
);

/// Of one account also what is still dirty is summed, in the same statement, so that the figure is exact at
/// every moment: the rows of its dirty hours, less what those hours counted before. Only within the oldest ?8
/// dirty hours, each found by one seek.
pub(crate) const OF_USER: &str = concat!(
    "WITH RECURSIVE dirty (hour) AS (
  SELECT MIN(hour) FROM usage_dirty WHERE hour >= ?4
  UNION ALL
  SELECT (SELECT MIN(hour) FROM usage_dirty WHERE usage_dirty.hour > dirty.hour)
  FROM dirty WHERE dirty.hour < ?5
  LIMIT ?8),
picked AS (
  SELECT usage_dirty.hour, usage_dirty.account_id FROM dirty CROSS JOIN usage_dirty
    ON usage_dirty.hour = dirty.hour AND usage_dirty.account_id = ?1
  WHERE dirty.hour < ?5),\n",
    fresh!(),
    "\nSELECT ",
    summed!(),
    ",\n  (SELECT CASE WHEN COUNT(*) = ?8 THEN MAX(hour) END FROM dirty) AS dirty_since\nFROM (",
    rolled!("usage_daily", "usage_hourly", "account_id"),
    "
UNION ALL SELECT ",
    measures!(),
    " FROM fresh
  WHERE (?6 IS NULL OR model = ?6) AND (?7 IS NULL OR kind = ?7)
UNION ALL SELECT -row_count, -tokens_input, -tokens_cached, -tokens_output, -tokens_reasoning, -cost_nano_eur,
    -overrun_nano_eur, -provider_cost_nano_usd, -errors, -estimated
  FROM picked CROSS JOIN usage_hourly
    ON usage_hourly.account_id = picked.account_id AND usage_hourly.hour = picked.hour
  WHERE (?6 IS NULL OR model = ?6) AND (?7 IS NULL OR kind = ?7))"
);

/// More hours than these are dirty only when no roll-up ran for days.
const DIRTY_HOURS_MAX: i64 = 72;

/// One statement. A user's figure is exact; a tenant's says since when rows may be missing.
pub async fn totals(
    database: &impl Database,
    scope: &Scope,
    range: Range<'_>,
    now: Timestamp,
) -> Result<Totals, PlatformError> {
    let Range { from, to, model, kind } = range;
    let (from, to) = widened(from, to, now);
    let (first_day, end_of_days) = whole_days(from, to);
    let bound = |sql, owner: &str| {
        Statement::new(sql)
            .bind(owner)
            .bind(first_day.as_millis())
            .bind(end_of_days.as_millis())
            .bind(from.as_millis())
            .bind(to.as_millis())
            .bind(Value::from(model))
            .bind(Value::from(kind))
    };
    let statement = match scope {
        Scope::User(user) => bound(OF_USER, &user.to_string()).bind(DIRTY_HOURS_MAX),
        Scope::Tenant(tenant) => bound(OF_TENANT, tenant),
    };
    let rows = database.query(statement).await?;
    let row = rows.first().ok_or_else(|| PlatformError::malformed("no sums came back"))?;
    let as_of = row.optional_integer("dirty_since")?.map(Timestamp::from_millis);
    Ok(Totals { from, to, measures: Measures::of_row(row)?, as_of })
}

/// Whole hours, or days where hours may be gone, and not too many.
fn widened(from: Timestamp, to: Timestamp, now: Timestamp) -> (Timestamp, Timestamp) {
    let hours_kept_since = now.minus(DAY * (DAYS_MIN - 1));
    let start_of = |at: Timestamp| if at < hours_kept_since { day_of(at) } else { hour_of(at) };
    let end_of = |at: Timestamp| {
        let (start, period) = if at < hours_kept_since { (day_of(at), DAY) } else { (hour_of(at), HOUR) };
        if start == at { at } else { start.plus(period) }
    };
    let to = end_of(to.min(hour_of(now).plus(HOUR)));
    let earliest = day_of(to.minus(DAY * (DAYS_MAX - 1)));
    (start_of(from.max(earliest)).min(to), to)
}

/// The UTC days that lie entirely within; where there is none, an empty range at the end.
fn whole_days(from: Timestamp, to: Timestamp) -> (Timestamp, Timestamp) {
    let first = if day_of(from) == from { from } else { day_of(from).plus(DAY) };
    let end = day_of(to);
    if first < end { (first, end) } else { (to, to) }
}

#[cfg(test)]
mod tests;
