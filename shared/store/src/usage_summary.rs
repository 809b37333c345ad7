//! Usage by hour or day and by model, user or provider, from the roll-ups.

use crate::usage_measures::{Measures, summed};
use crate::usage_report::Scope;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Hour,
    Day,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Model,
    User,
    Provider,
}

/// One figure of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The period's start, UTC.
    pub period: Timestamp,
    /// The model, the user's id or the provider; empty where a row has none.
    pub name: String,
    pub measures: Measures,
}

/// The last point of a page: the next begins after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointCursor {
    pub period: Timestamp,
    pub name: String,
}

impl PointCursor {
    pub fn of(point: &Point) -> Self {
        Self { period: point.period, name: point.name.clone() }
    }

    /// `<milliseconds>.<name>`, as [`Display`](core::fmt::Display) prints it.
    pub fn parse(text: &str) -> Option<Self> {
        let (period, name) = text.split_once('.')?;
        let period = period.parse().ok().filter(|period| (0..1 << 53).contains(period))?;
        Some(Self { period: Timestamp::from_millis(period), name: name.to_owned() })
    }
}

impl core::fmt::Display for PointCursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.period.as_millis(), self.name)
    }
}

/// ?1 the owner, ?2 to ?3 the range, the page begins after (?4, ?5) and has ?6 points. ?2 is not before ?4.
macro_rules! points {
    ($table:literal, $owner:literal, $period:literal, $name:literal) => {
        concat!(
            "SELECT ",
            $period,
            " AS period, ",
            $name,
            " AS name,\n  ",
            summed!(),
            "\nFROM ",
            $table,
            "
WHERE ",
            $owner,
            " = ?1 AND ",
            $period,
            " >= ?2 AND ",
            $period,
            " < ?3 AND (",
            $period,
            ", ",
            $name,
            ") > (?4, ?5)
GROUP BY ",
            $period,
            ", ",
            $name,
            " ORDER BY ",
            $period,
            ", ",
            $name,
            " LIMIT ?6"
        )
    };
}

/// The statement of each question. Users of a tenant are read from the accounts' tables, everything else from
/// tables whose size is that of the answer.
pub(crate) const fn question(of_user: bool, period: Period, group: Group) -> &'static str {
    match (of_user, period, group) {
        (true, Period::Hour, Group::Model) => points!("usage_hourly", "account_id", "hour", "model"),
        (true, Period::Hour, Group::User) => points!("usage_hourly", "account_id", "hour", "account_id"),
        (true, Period::Hour, Group::Provider) => points!("usage_hourly", "account_id", "hour", "provider"),
        (true, Period::Day, Group::Model) => points!("usage_daily", "account_id", "day", "model"),
        (true, Period::Day, Group::User) => points!("usage_daily", "account_id", "day", "account_id"),
        (true, Period::Day, Group::Provider) => points!("usage_daily", "account_id", "day", "provider"),
        (false, Period::Hour, Group::Model) => points!("tenant_usage_hourly", "tenant_id", "hour", "model"),
        (false, Period::Hour, Group::User) => points!("usage_hourly", "tenant_id", "hour", "account_id"),
        (false, Period::Hour, Group::Provider) => {
            points!("tenant_usage_hourly", "tenant_id", "hour", "provider")
        }
        (false, Period::Day, Group::Model) => points!("tenant_usage_daily", "tenant_id", "day", "model"),
        (false, Period::Day, Group::User) => points!("usage_daily", "tenant_id", "day", "account_id"),
        (false, Period::Day, Group::Provider) => {
            points!("tenant_usage_daily", "tenant_id", "day", "provider")
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub scope: &'a Scope,
    pub period: Period,
    pub group: Group,
    /// Periods that start from here …
    pub from: Timestamp,
    /// … and before this.
    pub to: Timestamp,
}

/// At most `limit` points, by period and name, from after `after`. One statement.
pub async fn page(
    database: &impl Database,
    question: Question<'_>,
    after: Option<&PointCursor>,
    limit: i64,
) -> Result<Vec<Point>, PlatformError> {
    let Question { scope, period, group, from, to } = question;
    let (of_user, owner) = match scope {
        Scope::User(user) => (true, user.to_string()),
        Scope::Tenant(tenant) => (false, tenant.clone()),
    };
    let from = after.map_or(from, |after| after.period.max(from));
    let statement = Statement::new(self::question(of_user, period, group))
        .bind(owner)
        .bind(from.as_millis())
        .bind(to.as_millis())
        .bind(after.map_or(-1, |after| after.period.as_millis()))
        .bind(after.map_or("", |after| after.name.as_str()))
        .bind(limit);
    let rows = database.query(statement).await?;
    let point = |row| {
        let period = crate::instant(row, "period")?;
        Ok(Point { period, name: row.text("name")?.to_owned(), measures: Measures::of_row(row)? })
    };
    rows.iter().map(point).collect()
}

#[cfg(test)]
mod tests;
