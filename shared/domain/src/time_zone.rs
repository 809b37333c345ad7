//! Time zones: the clock of a tenant's place, as a rule for every year and what differs from it.
//!
//! Rules and names come from the IANA database (`table`, made by `cargo xtask zones`). A zone is plain data of
//! a few bytes, so whoever was told it needs no database; dates and yearly rules are `jiff-core`'s.

#[rustfmt::skip]
mod table;

use crate::time::Timestamp;
use jiff_core::civil::{Date, Weekday};
use jiff_core::tz::{Abbreviation, Offset, posix};
use minicbor::{Decode, Encode};
pub use table::TZDB_VERSION;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// More than any zone is from UTC, and less than half the time between two changes of one clock.
const FARTHEST: i64 = 16 * HOUR;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Zone {
    #[n(0)]
    rule: Rule,
    /// By time. Where the place's clock tells something else than the rule.
    #[n(1)]
    exceptions: Vec<Exception>,
}

/// The same every year. Distances are from UTC, east positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rule {
    #[n(0)]
    pub standard_minutes: i16,
    #[n(1)]
    pub summer: Option<Summer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Summer {
    /// The clock's distance from UTC while it lasts, not from standard time.
    #[n(0)]
    pub offset_minutes: i16,
    /// By the clock of standard time.
    #[n(1)]
    pub begins: Yearly,
    /// By the clock of summer time.
    #[n(2)]
    pub ends: Yearly,
}

/// The n-th weekday of a month, and a time that may lie on a day before or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Yearly {
    #[n(0)]
    pub month: i8,
    /// 5 is the last.
    #[n(1)]
    pub week: i8,
    /// Sunday is 0.
    #[n(2)]
    pub weekday: i8,
    #[n(3)]
    pub minute: i16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Exception {
    #[n(0)]
    pub from_secs: i64,
    /// Until the next exception; `None` is the rule again.
    #[n(1)]
    pub offset_minutes: Option<i16>,
}

impl Zone {
    pub const UTC: Self = Self::of(Rule { standard_minutes: 0, summer: None });
    pub const BERLIN: Self = Self::of(Rule {
        standard_minutes: 60,
        summer: Some(Summer {
            offset_minutes: 120,
            begins: Yearly { month: 3, week: 5, weekday: 0, minute: 120 },
            ends: Yearly { month: 10, week: 5, weekday: 0, minute: 180 },
        }),
    });

    const fn of(rule: Rule) -> Self {
        Self { rule, exceptions: Vec::new() }
    }

    /// The zone of an IANA name, be it a link or in other letters' case; and the name as the database writes it.
    pub fn named(name: &str) -> Option<(&'static str, Self)> {
        table::ZONES.iter().find_map(|(rule, exceptions, names)| {
            let name = names.split(' ').find(|known| known.eq_ignore_ascii_case(name))?;
            Some((name, Self { rule: *rule, exceptions: exceptions.to_vec() }))
        })
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::named(name).map(|(_, zone)| zone)
    }

    /// Every name there is.
    pub fn names() -> impl Iterator<Item = &'static str> {
        table::ZONES.iter().flat_map(|(_, _, names)| names.split(' '))
    }

    /// How far the place's clock is from UTC, east positive.
    pub fn offset_secs(&self, at: Timestamp) -> i64 {
        Clock::of(self).offset_at(at.as_secs())
    }

    /// The date that the place's clock shows.
    pub(crate) fn date(&self, at: Timestamp) -> Date {
        date_of_day((at.as_secs() + self.offset_secs(at)).div_euclid(DAY))
    }

    /// The first instant at which the place's calendar shows this day or a later one. Mostly its midnight; where
    /// the clock skips midnight, the moment after; where it shows midnight twice, the first. So later days never
    /// begin earlier, whatever the clock does.
    pub(crate) fn begin_of(&self, day: Date) -> Timestamp {
        let clock = Clock::of(self);
        let midnight = i64::from(day.to_unix_epoch_day().day()) * DAY;
        let (before, after) = (midnight - FARTHEST, midnight + FARTHEST);
        let (old, new) = (clock.offset_at(before), clock.offset_at(after));
        let begin = if old == new {
            midnight - old
        } else {
            let change = clock.change_between(before, after, old);
            if midnight - old < change { midnight - old } else { change.max(midnight - new) }
        };
        Timestamp::from_millis(begin * 1000)
    }
}

/// A zone, ready to be asked.
struct Clock<'a> {
    rule: posix::TimeZone,
    exceptions: &'a [Exception],
}

impl<'a> Clock<'a> {
    fn of(zone: &'a Zone) -> Self {
        Self { rule: posix_rule(&zone.rule), exceptions: &zone.exceptions }
    }

    /// Seconds east of UTC.
    fn offset_at(&self, utc_secs: i64) -> i64 {
        let passed = self.exceptions.partition_point(|exception| exception.from_secs <= utc_secs);
        let exception = passed.checked_sub(1).and_then(|last| self.exceptions[last].offset_minutes);
        match exception {
            Some(minutes) => i64::from(minutes) * MINUTE,
            None => i64::from(self.rule.to_offset(instant(utc_secs)).seconds()),
        }
    }

    /// The first second of another offset than `old`. There is one change in between.
    fn change_between(&self, mut before: i64, mut after: i64, old: i64) -> i64 {
        while before + 1 < after {
            let middle = before.midpoint(after);
            if self.offset_at(middle) == old { before = middle } else { after = middle }
        }
        after
    }
}

fn instant(secs: i64) -> jiff_core::Timestamp {
    let (min, max) = (jiff_core::Timestamp::MIN.as_second(), jiff_core::Timestamp::MAX.as_second());
    jiff_core::Timestamp::from_second(secs.clamp(min, max)).unwrap_or(jiff_core::Timestamp::MAX)
}

pub(crate) fn date_of_day(day: i64) -> Date {
    use jiff_core::civil::UnixEpochDay;
    let day = day.clamp(UnixEpochDay::MIN.day().into(), UnixEpochDay::MAX.day().into());
    UnixEpochDay::new(day as i32).map_or(Date::MAX, UnixEpochDay::to_date)
}

fn posix_rule(rule: &Rule) -> posix::TimeZone {
    const NO_NAME: Abbreviation = Abbreviation::array("");
    let yearly = |yearly: Yearly| posix::DayTime {
        date: posix::Day::WeekdayOfMonth {
            month: yearly.month.clamp(1, 12),
            week: yearly.week.clamp(1, 5),
            weekday: Weekday::from_sunday_zero_offset(yearly.weekday).unwrap_or(Weekday::Sunday),
        },
        time: posix::TransitionCivilTime { second: i32::from(yearly.minute) * 60 },
    };
    posix::TimeZone {
        std_abbrev: NO_NAME,
        std_offset: offset(rule.standard_minutes),
        dst: rule.summer.map(|summer| posix::Dst {
            abbrev: NO_NAME,
            offset: offset(summer.offset_minutes),
            rule: posix::Rule { start: yearly(summer.begins), end: yearly(summer.ends) },
        }),
    }
}

fn offset(minutes: i16) -> Offset {
    Offset::from_seconds(i32::from(minutes) * 60).unwrap_or(Offset::UTC)
}

#[cfg(test)]
mod tests;
