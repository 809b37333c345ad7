//! The fields that users, keys and tenants have in common.

use domain::account::{BUDGET_MAX, OPEN_HOLDS_MAX};
use domain::civil_time::{PeriodRule, Zone};
use domain::money::NanoEur;
use domain::time::Timestamp;
use http_api::{Change, Fields, Problem};
use store::users::DayPeriod;

/// Requests or tokens per minute at most.
const PER_MINUTE_MAX: i64 = 1_000_000_000;
const PERIOD_DAYS_MAX: i64 = 366;
/// One amount that somebody reports or orders; a larger one is a slip.
pub const AMOUNT_MAX: NanoEur = NanoEur::euros(1_000_000);

pub const STATUSES: &[&str] = &["pending", "active", "suspended"];

pub fn reset_day(fields: &Fields) -> Result<Option<i64>, Problem> {
    fields.optional_integer("reset_day", 1..=31)
}

/// The IANA name of a tenant's time zone, as the database writes it.
pub fn time_zone(fields: &Fields) -> Result<Option<String>, Problem> {
    let Some(name) = fields.optional_text("time_zone")? else { return Ok(None) };
    match Zone::named(name) {
        Some((name, _)) => Ok(Some(name.to_owned())),
        None => {
            let expected = "the IANA name of a time zone, like `Europe/Berlin` or `America/New_York`";
            Err(fields.refuse("time_zone", expected))
        }
    }
}

pub fn per_minute(fields: &Fields, name: &str) -> Result<Option<i64>, Problem> {
    fields.optional_integer(name, 0..=PER_MINUTE_MAX)
}

pub fn changed_per_minute(fields: &Fields, name: &str) -> Result<Change<i64>, Problem> {
    Ok(fields.change(name, per_minute(fields, name)?))
}

/// What a tenant, a user or a key may cost in a period.
pub fn budget(fields: &Fields, name: &str) -> Result<Option<NanoEur>, Problem> {
    fields.euros_within(name, NanoEur::ZERO, BUDGET_MAX)
}

pub fn changed_budget(fields: &Fields, name: &str) -> Result<Change<NanoEur>, Problem> {
    Ok(fields.change(name, budget(fields, name)?))
}

pub fn concurrency_max(fields: &Fields) -> Result<Change<i64>, Problem> {
    let name = "concurrency_max";
    Ok(fields.change(name, fields.optional_integer(name, 1..=i64::from(OPEN_HOLDS_MAX))?))
}

/// When a key ends by itself. One that is over at once would be a slip.
pub fn expires_at(fields: &Fields, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    match fields.optional_instant("expires_at")? {
        Some(expires) if expires <= now => {
            Err(fields.refuse("expires_at", "later than now; a key that is to end now is deleted"))
        }
        expires => Ok(expires),
    }
}

/// `period_days`, and `period_from`, if that is stated.
pub fn period(fields: &Fields) -> Result<Change<DayPeriod>, Problem> {
    let days = fields.optional_integer("period_days", 1..=PERIOD_DAYS_MAX)?;
    let from = fields.optional_instant("period_from")?;
    if days.is_none() && from.is_some() {
        return Err(fields.refuse("period_from", "absent where `period_days` is"));
    }
    Ok(fields.change("period_days", days.map(|days| DayPeriod { days, from })))
}

pub fn every_days(days: i64, from: Timestamp) -> PeriodRule {
    PeriodRule::EveryDays { days: u16::try_from(days).unwrap_or(u16::MAX), from }
}
