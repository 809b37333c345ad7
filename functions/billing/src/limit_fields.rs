//! The fields that users, keys and tenants have in common.

use domain::account::{BUDGET_MAX, OPEN_HOLDS_MAX};
use domain::civil_time::PeriodRule;
use domain::money::NanoEur;
use domain::time::Timestamp;
use http_api::{Fields, Problem};

/// Requests or tokens per minute at most.
const PER_MINUTE_MAX: i64 = 1_000_000_000;
const PERIOD_DAYS_MAX: i64 = 366;
/// One amount that somebody reports or orders; a larger one is a slip.
pub const AMOUNT_MAX: NanoEur = NanoEur::euros(1_000_000);

pub const STATUSES: &[&str] = &["pending", "active", "suspended"];

pub fn reset_day(fields: &Fields) -> Result<Option<i64>, Problem> {
    fields.optional_integer("reset_day", 1..=31)
}

pub fn per_minute(fields: &Fields, name: &str) -> Result<Option<i64>, Problem> {
    fields.optional_integer(name, 0..=PER_MINUTE_MAX)
}

/// `null` takes a limit away, absence leaves it.
pub fn changed<T>(fields: &Fields, name: &str, value: Option<T>) -> Option<Option<T>> {
    fields.has(name).then_some(value)
}

pub fn changed_per_minute(fields: &Fields, name: &str) -> Result<Option<Option<i64>>, Problem> {
    Ok(changed(fields, name, per_minute(fields, name)?))
}

/// What a user or a key may cost in a period.
pub fn budget(fields: &Fields, name: &str) -> Result<Option<NanoEur>, Problem> {
    fields.euros_within(name, NanoEur::ZERO, BUDGET_MAX)
}

pub fn changed_budget(fields: &Fields, name: &str) -> Result<Option<Option<NanoEur>>, Problem> {
    Ok(changed(fields, name, budget(fields, name)?))
}

pub fn changed_euros(fields: &Fields, name: &str) -> Result<Option<Option<NanoEur>>, Problem> {
    Ok(changed(fields, name, fields.optional_euros(name)?))
}

pub fn concurrency_max(fields: &Fields) -> Result<Option<Option<i64>>, Problem> {
    let name = "concurrency_max";
    Ok(changed(fields, name, fields.optional_integer(name, 1..=i64::from(OPEN_HOLDS_MAX))?))
}

/// `period_days`, and `period_from`, which is now unless stated.
pub fn period(fields: &Fields, now: Timestamp) -> Result<Option<Option<(i64, Timestamp)>>, Problem> {
    let days = fields.optional_integer("period_days", 1..=PERIOD_DAYS_MAX)?;
    let from = fields.optional_instant("period_from")?;
    if days.is_none() && from.is_some() {
        return Err(fields.refuse("period_from", "absent where `period_days` is"));
    }
    Ok(changed(fields, "period_days", days.map(|days| (days, from.unwrap_or(now)))))
}

pub fn every_days(days: i64, from: Timestamp) -> PeriodRule {
    PeriodRule::EveryDays { days: u16::try_from(days).unwrap_or(u16::MAX), from }
}
