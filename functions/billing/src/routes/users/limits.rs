//! The fields that a user's creation and change have in common.

use http_api::{Fields, Problem};

/// Requests or tokens per minute at most.
const PER_MINUTE_MAX: i64 = 1_000_000_000;

pub const STATUSES: &[&str] = &["pending", "active", "suspended"];

pub fn reset_day(fields: &Fields) -> Result<Option<i64>, Problem> {
    fields.optional_integer("reset_day", 1..=31)
}

pub fn per_minute(fields: &Fields, name: &str) -> Result<Option<i64>, Problem> {
    fields.optional_integer(name, 0..=PER_MINUTE_MAX)
}
