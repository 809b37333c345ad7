//! The periods of an account: calendar months in a tenant's time zone, or days from an instant.

use crate::time::Timestamp;
pub use crate::time_zone::Zone;
use jiff_core::civil::Date;
use minicbor::{Decode, Encode};

const DAY_MS: i64 = 86_400_000;

/// When a budget starts anew.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PeriodRule {
    /// When this day begins in the zone, 1–31; in shorter months the last.
    #[n(0)]
    Monthly {
        #[n(0)]
        zone: Zone,
        #[n(1)]
        anchor_day: u8,
    },
    /// Every so many days of 24 hours, counted from an instant; for accounts that came from elsewhere.
    #[n(1)]
    EveryDays {
        #[n(0)]
        days: u16,
        #[n(1)]
        from: Timestamp,
    },
}

impl PeriodRule {
    pub const DEFAULT: Self = Self::Monthly { zone: Zone::BERLIN, anchor_day: 1 };

    /// The first boundary after `now`.
    pub fn next_boundary(&self, now: Timestamp) -> Timestamp {
        let now = within_calendar(now);
        match self {
            // A clock that was set back shows the old month again after the new one has begun.
            Self::Monthly { zone, anchor_day } => months_around(zone, now)
                .map(|month| monthly_boundary(zone, *anchor_day, month))
                .find(|boundary| *boundary > now)
                .unwrap_or(Timestamp::FAR_FUTURE),
            Self::EveryDays { days, from } => {
                let (from, length) = (within_calendar(*from), days_millis(*days));
                let passed = (now.as_millis() - from.as_millis()).div_euclid(length);
                Timestamp::from_millis(from.as_millis() + (passed + 1) * length)
            }
        }
    }

    /// The last boundary that is not after `now`: when the period of `now` began.
    pub fn last_boundary(&self, now: Timestamp) -> Timestamp {
        let now = within_calendar(now);
        match self {
            Self::Monthly { zone, anchor_day } => months_around(zone, now)
                .rev()
                .map(|month| monthly_boundary(zone, *anchor_day, month))
                .find(|boundary| *boundary <= now)
                .unwrap_or(Timestamp::EPOCH),
            Self::EveryDays { days, .. } => {
                Timestamp::from_millis(self.next_boundary(now).as_millis() - days_millis(*days))
            }
        }
    }
}

/// The years from 1970 to 9998: no clock that works tells another, and every month has its neighbours.
fn within_calendar(at: Timestamp) -> Timestamp {
    at.clamp(Timestamp::EPOCH, Timestamp::from_millis(253_370_764_799_999))
}

/// Months from the last one to the one after the next, counted from the year 0.
fn months_around(zone: &Zone, now: Timestamp) -> core::ops::RangeInclusive<i32> {
    let date = zone.date(now);
    let month = i32::from(date.year()) * 12 + i32::from(date.month()) - 1;
    month - 1..=month + 2
}

fn monthly_boundary(zone: &Zone, anchor_day: u8, month: i32) -> Timestamp {
    let (year, month) = (month.div_euclid(12) as i16, month.rem_euclid(12) as i8 + 1);
    let day = anchor_day.clamp(1, 31) as i8;
    zone.begin_of(Date::new_constrain(year, month, day).unwrap_or(Date::MAX))
}

fn days_millis(days: u16) -> i64 {
    i64::from(days.max(1)) * DAY_MS
}

#[cfg(test)]
mod tests;
