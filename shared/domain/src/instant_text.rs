//! Instants as text: RFC 3339.

use crate::time::Timestamp;
use crate::time_zone::date_of_day;
use jiff_core::civil::Date;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const YEAR_9999_ENDS_MS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// In UTC with milliseconds: `2026-11-01T00:00:00.000Z`. The year has four digits: an instant beyond 9999
    /// prints as its end, one before the year 0 as its begin.
    pub fn to_rfc3339(self) -> String {
        const YEAR_0_BEGINS_MS: i64 = -62_167_219_200_000;
        let at = self.as_millis().clamp(YEAR_0_BEGINS_MS, YEAR_9999_ENDS_MS);
        let (secs, millis) = (at.div_euclid(1000), at.rem_euclid(1000));
        let date = date_of_day(secs.div_euclid(DAY));
        let of_day = secs.rem_euclid(DAY);
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{millis:03}Z",
            date.year(),
            date.month(),
            date.day(),
            of_day / HOUR,
            of_day / 60 % 60,
            of_day % 60
        )
    }

    /// Reads `2026-11-01T00:00:00Z`, `2026-11-01T01:00:00.5+01:00`. Digits beyond the millisecond are dropped.
    /// None where the instant lies, in UTC, outside the years 0 to 9999: it could not be written.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't'])?;
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let date = Date::new(year as i16, month as i8, day as i8).ok()?;
        let zone_at = time.find(['Z', 'z', '+', '-'])?;
        let (time, zone) = time.split_at(zone_at);
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        // 60 is a leap second, which this clock does not have.
        let valid = hour < 24 && minute < 60 && second <= 60;
        if !valid || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let day = i64::from(date.to_unix_epoch_day().day());
        let local = day * DAY + hour * HOUR + minute * 60 + second;
        let at = Self::from_millis((local - zone_offset(zone)?) * 1000 + millis);
        is_written_with_four_digits(at).then_some(at)
    }
}

fn is_written_with_four_digits(at: Timestamp) -> bool {
    at.as_millis() <= YEAR_9999_ENDS_MS && date_of_day(at.as_secs().div_euclid(DAY)).year() >= 0
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

/// Decimal numbers of fixed widths, at most 4, with a separator between them.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_are_read_with_their_zone() {
        for (text, printed) in [
            ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00.000Z"),
            ("2026-11-01T01:00:00.5+01:00", "2026-11-01T00:00:00.500Z"),
            ("2028-02-29t23:59:59.123456z", "2028-02-29T23:59:59.123Z"),
            ("2026-10-31T22:30:00-01:30", "2026-11-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text).map(Timestamp::to_rfc3339).as_deref(), Some(printed));
        }
        for wrong in [
            "",
            "2026-11-01",
            "2026-11-01T00:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
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

    #[test]
    fn p30_an_instant_that_four_digits_of_a_year_cannot_say_is_not_read() {
        for wrong in [
            "10000-01-01T00:00:00Z",
            "+10000-01-01T00:00:00Z",
            "9999-12-31T23:59:60Z",
            "9999-12-31T23:59:59-00:01",
            "9999-12-31T00:01:00-23:59",
            "0000-01-01T00:00:00+00:01",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn printed_instants_are_read_back(millis in -62_167_219_200_000..=YEAR_9999_ENDS_MS) {
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::parse_rfc3339(&at.to_rfc3339()), Some(at));
        }

        #[test]
        fn whatever_is_printed_can_be_read(millis in any::<i64>()) {
            let at = Timestamp::from_millis(millis);
            prop_assert!(Timestamp::parse_rfc3339(&at.to_rfc3339()).is_some(), "{}", at.to_rfc3339());
        }

        #[test]
        fn no_text_panics_as_an_instant(text in ".{0,40}", near in "[0-9TtZz:+.é-]{10,30}") {
            let _ = (Timestamp::parse_rfc3339(&text), Timestamp::parse_rfc3339(&near));
        }
    }
}
