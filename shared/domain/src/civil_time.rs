//! Calendar months in a tenant's time zone, and the periods of an account.
//!
//! Zones are the fixed offsets and the European Union's summer time (directive 2000/84/EC: from the
//! last Sunday of March to the last Sunday of October, both at 01:00 UTC), which is exact for every
//! zone of the Union and costs no zone database.

use crate::time::Timestamp;
use minicbor::{Decode, Encode};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Zone {
    /// Standard time's distance from UTC, east positive.
    #[n(0)]
    pub offset_minutes: i32,
    #[n(1)]
    pub eu_summer_time: bool,
}

impl Zone {
    pub const UTC: Self = Self { offset_minutes: 0, eu_summer_time: false };
    pub const BERLIN: Self = Self { offset_minutes: 60, eu_summer_time: true };

    /// The zones a tenant can choose, by their IANA names.
    pub fn parse(name: &str) -> Option<Self> {
        let eu = |offset_minutes| Some(Self { offset_minutes, eu_summer_time: true });
        match name {
            "UTC" | "Etc/UTC" => Some(Self::UTC),
            "Europe/Lisbon" | "Europe/Dublin" | "Europe/London" => eu(0),
            "Europe/Berlin" | "Europe/Vienna" | "Europe/Zurich" | "Europe/Paris" | "Europe/Madrid"
            | "Europe/Rome" | "Europe/Amsterdam" | "Europe/Brussels" | "Europe/Luxembourg"
            | "Europe/Copenhagen" | "Europe/Stockholm" | "Europe/Oslo" | "Europe/Warsaw"
            | "Europe/Prague" | "Europe/Budapest" | "Europe/Bratislava" | "Europe/Ljubljana"
            | "Europe/Zagreb" | "Europe/Malta" => eu(60),
            "Europe/Athens" | "Europe/Helsinki" | "Europe/Tallinn" | "Europe/Riga" | "Europe/Vilnius"
            | "Europe/Sofia" | "Europe/Bucharest" => eu(120),
            _ => None,
        }
    }

    fn offset_at(self, utc_secs: i64) -> i64 {
        let standard = i64::from(self.offset_minutes) * 60;
        if self.eu_summer_time && is_eu_summer(utc_secs) { standard + HOUR } else { standard }
    }

    /// The local year and month.
    fn month_of(self, now: Timestamp) -> (i64, u32) {
        let now_secs = now.as_secs();
        let (year, month, _) = civil_from_days((now_secs + self.offset_at(now_secs)).div_euclid(DAY));
        (year, month)
    }

    /// Midnight of a local day, as UTC seconds. No zone above changes its clock at midnight.
    fn midnight(self, day: i64) -> i64 {
        let standard = day * DAY - i64::from(self.offset_minutes) * 60;
        standard - (self.offset_at(standard) - i64::from(self.offset_minutes) * 60)
    }
}

/// When a budget starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PeriodRule {
    /// At local midnight of this day, 1–31; in shorter months on the last.
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
        match *self {
            Self::Monthly { zone, anchor_day } => {
                let (year, month) = zone.month_of(now);
                let boundary = monthly_boundary(zone, anchor_day, year, month);
                if boundary > now {
                    return boundary;
                }
                let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                monthly_boundary(zone, anchor_day, year, month)
            }
            Self::EveryDays { days, from } => {
                let (from, length) = (within_calendar(from), days_millis(days));
                let passed = (now.as_millis() - from.as_millis()).div_euclid(length);
                Timestamp::from_millis(from.as_millis() + (passed + 1) * length)
            }
        }
    }

    /// The last boundary that is not after `now`: when the period of `now` began.
    pub fn last_boundary(&self, now: Timestamp) -> Timestamp {
        let now = within_calendar(now);
        match *self {
            Self::Monthly { zone, anchor_day } => {
                let (year, month) = zone.month_of(now);
                let boundary = monthly_boundary(zone, anchor_day, year, month);
                if boundary <= now {
                    return boundary;
                }
                let (year, month) = if month == 1 { (year - 1, 12) } else { (year, month - 1) };
                monthly_boundary(zone, anchor_day, year, month)
            }
            Self::EveryDays { days, .. } => {
                Timestamp::from_millis(self.next_boundary(now).as_millis() - days_millis(days))
            }
        }
    }
}

/// The years from 1970 to 9999: no clock that works tells another.
fn within_calendar(at: Timestamp) -> Timestamp {
    at.clamp(Timestamp::EPOCH, Timestamp::from_millis(253_402_300_799_999))
}

fn monthly_boundary(zone: Zone, anchor_day: u8, year: i64, month: u32) -> Timestamp {
    let day = u32::from(anchor_day.max(1)).min(days_in_month(year, month));
    Timestamp::from_millis(zone.midnight(days_from_civil(year, month, day)) * 1000)
}

fn days_millis(days: u16) -> i64 {
    i64::from(days.max(1)) * DAY * 1000
}

impl Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-11-01T00:00:00.000Z`.
    pub fn to_rfc3339(self) -> String {
        let (secs, millis) = (self.as_secs(), self.as_millis().rem_euclid(1000));
        let (year, month, day) = civil_from_days(secs.div_euclid(DAY));
        let of_day = secs.rem_euclid(DAY);
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
            of_day / HOUR,
            of_day / 60 % 60,
            of_day % 60
        )
    }
}

impl Timestamp {
    /// Reads RFC 3339: `2026-11-01T00:00:00Z`, `2026-11-01T01:00:00.5+01:00`. Digits beyond the
    /// millisecond are dropped.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't'])?;
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let zone_at = time.find(['Z', 'z', '+', '-'])?;
        let (time, zone) = time.split_at(zone_at);
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        let month = u32::try_from(month).ok().filter(|month| (1..=12).contains(month))?;
        let day = u32::try_from(day).ok().filter(|day| (1..=days_in_month(year, month)).contains(day))?;
        // 60 is a leap second, which this clock does not have.
        let valid = hour < 24 && minute < 60 && second <= 60;
        if !valid || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let local = days_from_civil(year, month, day) * DAY + hour * HOUR + minute * 60 + second;
        Some(Self::from_millis((local - zone_offset(zone)?) * 1000 + millis))
    }
}

/// Seconds east of UTC: `Z`, `+01:00`.
fn zone_offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let [hours, minutes] = numbers(rest, ':', [2, 2])?;
    let offset = hours * HOUR + minutes * 60;
    (hours < 24 && minutes < 60).then_some(if sign == "-" { -offset } else { offset })
}

/// Decimal numbers of fixed widths with a separator between them.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut values = [0; N];
    for (value, width) in values.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(values)
}

fn is_eu_summer(utc_secs: i64) -> bool {
    let (year, _, _) = civil_from_days(utc_secs.div_euclid(DAY));
    let switch = |month| last_sunday(year, month) * DAY + HOUR;
    (switch(3)..switch(10)).contains(&utc_secs)
}

/// The last Sunday of a month of 31 days, as days since the epoch (a Thursday).
fn last_sunday(year: i64, month: u32) -> i64 {
    let last = days_from_civil(year, month, 31);
    last - (last + 4).rem_euclid(7)
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar: years start in March, so that the leap
/// day is a year's last.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = ((shifted + 2) % 12 + 1) as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn boundaries(rule: PeriodRule, from: &str, count: usize) -> Vec<String> {
        let mut at = Timestamp::from_millis(parse_utc(from) * 1000);
        (0..count)
            .map(|_| {
                at = rule.next_boundary(at);
                at.to_rfc3339()
            })
            .collect()
    }

    fn parse_utc(text: &str) -> i64 {
        let n: Vec<i64> =
            text.split(['-', 'T', ':', 'Z']).filter(|s| !s.is_empty()).map(|s| s.parse().unwrap()).collect();
        days_from_civil(n[0], n[1] as u32, n[2] as u32) * DAY + n[3] * HOUR + n[4] * 60 + n[5]
    }

    #[test]
    fn p13_months_begin_at_local_midnight_in_summer_and_winter() {
        assert_eq!(
            boundaries(PeriodRule::DEFAULT, "2026-02-10T12:00:00Z", 3),
            ["2026-02-28T23:00:00.000Z", "2026-03-31T22:00:00.000Z", "2026-04-30T22:00:00.000Z"]
        );
        assert_eq!(
            boundaries(PeriodRule::DEFAULT, "2026-09-30T22:00:00Z", 2),
            ["2026-10-31T23:00:00.000Z", "2026-11-30T23:00:00.000Z"]
        );
    }

    #[test]
    fn p13_an_anchor_beyond_the_month_is_its_last_day() {
        let rule = PeriodRule::Monthly { zone: Zone::UTC, anchor_day: 31 };
        assert_eq!(
            boundaries(rule, "2028-01-31T00:00:00Z", 3),
            ["2028-02-29T00:00:00.000Z", "2028-03-31T00:00:00.000Z", "2028-04-30T00:00:00.000Z"]
        );
    }

    #[test]
    fn instants_are_read_with_their_zone() {
        for (text, printed) in [
            ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00.000Z"),
            ("2026-11-01T01:00:00.5+01:00", "2026-11-01T00:00:00.500Z"),
            ("2028-02-29t23:59:59.123456z", "2028-02-29T23:59:59.123Z"),
            ("2026-10-31T22:30:00-01:30", "2026-11-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text).map(Timestamp::to_rfc3339).as_deref(), Some(printed));
        }
        for wrong in [
            "",
            "2026-11-01",
            "2026-11-01T00:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-01T24:00:00Z",
            "2026-11-01T00:00:00.Z",
            "2026-11-01T00:00Z",
            "+026-11-01T00:00:00Z",
            "2026-11-01T00:00:00+1:00",
            "2026-11-01T00:00:00é",
            "2026-11-01 00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn printed_instants_are_read_back(millis in 0i64..4_000_000_000_000) {
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::parse_rfc3339(&at.to_rfc3339()), Some(at));
        }

        #[test]
        fn no_text_panics_as_an_instant(text in ".{0,40}", near in "[0-9TtZz:+.é-]{10,30}") {
            let _ = (Timestamp::parse_rfc3339(&text), Timestamp::parse_rfc3339(&near));
        }

        #[test]
        fn dates_and_days_are_inverse(days in -200_000i64..200_000) {
            let (y, m, d) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(y, m, d), days);
            prop_assert!((1..=12).contains(&m) && (1..=days_in_month(y, m)).contains(&d));
        }

        #[test]
        fn p13_every_instant_lies_in_exactly_one_period(millis in 0i64..4_000_000_000_000, anchor_day in 1u8..=31) {
            let now = Timestamp::from_millis(millis);
            let rule = PeriodRule::Monthly { zone: Zone::BERLIN, anchor_day };
            let (began, ends) = (rule.last_boundary(now), rule.next_boundary(now));
            prop_assert!(began <= now && now < ends);
            prop_assert_eq!(rule.next_boundary(began), ends);
            prop_assert_eq!(rule.last_boundary(ends), ends);
            prop_assert!(ends.since(began).as_secs() <= 31 * 86_400 + 3_600);
        }

        #[test]
        fn p13_every_thirty_days_is_thirty_days(millis in 0i64..4_000_000_000_000, from in 0i64..4_000_000_000_000) {
            let now = Timestamp::from_millis(millis);
            let rule = PeriodRule::EveryDays { days: 30, from: Timestamp::from_millis(from) };
            let (began, ends) = (rule.last_boundary(now), rule.next_boundary(now));
            prop_assert!(began <= now && now < ends);
            prop_assert_eq!(ends.since(began).as_secs(), 30 * 86_400);
            prop_assert_eq!((began.as_millis() - from).rem_euclid(30 * 86_400_000), 0);
        }
    }
}
