use super::*;
use chrono::{Offset as _, TimeZone as _};

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// When the day begins there.
fn begin(name: &str, year: i16, month: i8, day: i8) -> String {
    let zone = Zone::parse(name).unwrap_or_else(|| panic!("no {name}"));
    zone.begin_of(Date::new(year, month, day).unwrap()).to_rfc3339()
}

/// A clock that no place keeps at present.
fn with_summer(standard_minutes: i16, offset_minutes: i16, begins: Yearly, ends: Yearly) -> Zone {
    Zone::of(Rule { standard_minutes, summer: Some(Summer { offset_minutes, begins, ends }) })
}

const fn on(month: i8, week: i8, weekday: i8, minute: i16) -> Yearly {
    Yearly { month, week, weekday, minute }
}

#[test]
fn every_name_of_the_database_is_a_zone_and_no_other() {
    assert!(Zone::names().count() >= 598, "{}", Zone::names().count());
    for name in Zone::names() {
        assert_eq!(Zone::named(name).map(|(name, _)| name), Some(name));
    }
    for link in
        ["Asia/Calcutta", "US/Eastern", "GB-Eire", "Etc/GMT+12", "UTC", "Zulu", "America/Buenos_Aires"]
    {
        assert!(Zone::parse(link).is_some(), "{link}");
    }
    for other in
        ["", " ", "Mars/Olympus", "Europe", "CET CEST", "Europe/Berlin Europe/Paris", "GMT+1", "+01:00"]
    {
        assert_eq!(Zone::parse(other), None, "{other}");
    }
}

#[test]
fn a_name_in_other_letters_case_is_told_as_the_database_writes_it() {
    let (name, zone) = Zone::named("america/NEW_york").unwrap();
    assert_eq!((name, Some(zone)), ("America/New_York", Zone::parse("US/Eastern")));
}

#[test]
fn the_zones_that_the_code_names_are_the_databases() {
    assert_eq!(Zone::parse("Etc/UTC"), Some(Zone::UTC));
    assert_eq!(Zone::parse("Europe/Berlin"), Some(Zone::BERLIN));
}

#[test]
fn p13_days_begin_at_midnight_of_the_place() {
    for (name, (year, month, day), expected) in [
        ("America/New_York", (2027, 3, 1), "2027-03-01T05:00:00.000Z"),
        ("America/New_York", (2027, 4, 1), "2027-04-01T04:00:00.000Z"),
        ("Asia/Kathmandu", (2027, 2, 1), "2027-01-31T18:15:00.000Z"),
        ("Asia/Calcutta", (2027, 2, 1), "2027-01-31T18:30:00.000Z"),
        ("America/St_Johns", (2027, 7, 1), "2027-07-01T02:30:00.000Z"),
        // Half an hour of summer time, in the south.
        ("Australia/Lord_Howe", (2027, 1, 1), "2026-12-31T13:00:00.000Z"),
        ("Australia/Lord_Howe", (2027, 7, 1), "2027-06-30T13:30:00.000Z"),
        ("Pacific/Chatham", (2027, 1, 1), "2026-12-31T10:15:00.000Z"),
        ("Pacific/Kiritimati", (2027, 1, 1), "2026-12-31T10:00:00.000Z"),
        ("Pacific/Apia", (2027, 1, 1), "2026-12-31T11:00:00.000Z"),
        ("Pacific/Pago_Pago", (2027, 1, 1), "2027-01-01T11:00:00.000Z"),
        ("Etc/GMT+12", (2027, 1, 1), "2027-01-01T12:00:00.000Z"),
        // By law, Ireland's standard time is summer's.
        ("Europe/Dublin", (2027, 1, 1), "2027-01-01T00:00:00.000Z"),
        ("Europe/Dublin", (2027, 7, 1), "2027-06-30T23:00:00.000Z"),
        ("Antarctica/Troll", (2027, 7, 1), "2027-06-30T22:00:00.000Z"),
    ] {
        assert_eq!(begin(name, year, month, day), expected, "{name}");
    }
}

#[test]
fn p13_a_day_whose_midnight_is_skipped_begins_when_the_clock_has_jumped() {
    // Beirut: on the last Sunday of March, at 00:00, it becomes 01:00. Cairo: on the last Friday of April.
    assert_eq!(begin("Asia/Beirut", 2027, 3, 28), "2027-03-27T22:00:00.000Z");
    assert_eq!(begin("Africa/Cairo", 2027, 4, 30), "2027-04-29T22:00:00.000Z");
    // Santiago: at 24:00 of the Saturday before.
    assert_eq!(begin("America/Santiago", 2027, 9, 5), "2027-09-05T04:00:00.000Z");
    // São Paulo as it was until 2018, on its first Sunday of November.
    let sao_paulo = with_summer(-180, -120, on(11, 1, 0, 0), on(2, 3, 0, 0));
    let day = Date::new(2018, 11, 4).unwrap();
    assert_eq!(sao_paulo.begin_of(day), at("2018-11-04T03:00:00Z"));
    assert_eq!(sao_paulo.date(at("2018-11-04T03:00:00Z")), day);
    assert_eq!(sao_paulo.date(at("2018-11-04T02:59:59Z")), Date::new(2018, 11, 3).unwrap());
}

#[test]
fn p13_a_day_whose_midnight_comes_twice_begins_with_the_first() {
    // Havana: at 01:00 of its first Sunday of November 2028 it becomes 00:00 again.
    assert_eq!(begin("America/Havana", 2028, 11, 5), "2028-11-05T04:00:00.000Z");
    // At 00:01 it becomes 23:01 of the day before, as in Newfoundland until 2011.
    let st_johns = with_summer(-210, -150, on(3, 2, 0, 1), on(11, 1, 0, 1));
    let day = Date::new(2010, 11, 7).unwrap();
    assert_eq!(st_johns.begin_of(day), at("2010-11-07T02:30:00Z"));
    assert_eq!(st_johns.date(at("2010-11-07T02:31:00Z")), Date::new(2010, 11, 6).unwrap());
}

#[test]
fn p13_midnight_that_is_put_off_by_an_hour_comes_an_hour_later() {
    // Cairo: at 24:00 of the last Thursday of October it becomes 23:00. Midnight was never shown before.
    assert_eq!(begin("Africa/Cairo", 2027, 10, 29), "2027-10-28T22:00:00.000Z");
    assert_eq!(begin("Asia/Beirut", 2027, 10, 31), "2027-10-30T22:00:00.000Z");
}

#[test]
fn p13_a_day_that_a_place_never_has_begins_with_the_day_after() {
    // Samoa crossed the date line at the end of 2011-12-29: no 30th.
    let line = at("2011-12-30T10:00:00Z").as_secs();
    let rule = Rule { standard_minutes: 14 * 60, summer: None };
    let before = |from_secs, offset_minutes| Exception { from_secs, offset_minutes };
    let apia = Zone { rule, exceptions: vec![before(0, Some(-10 * 60)), before(line, None)] };
    for (day, expected) in
        [(29, "2011-12-29T10:00:00Z"), (30, "2011-12-30T10:00:00Z"), (31, "2011-12-30T10:00:00Z")]
    {
        assert_eq!(apia.begin_of(Date::new(2011, 12, day).unwrap()), at(expected), "{day}");
    }
}

#[test]
fn p13_what_no_yearly_rule_describes_is_told_from_2026_to_2056() {
    // Palestine keeps winter time in Ramadan, which falls into summer again from 2036 on.
    let gaza = Zone::parse("Asia/Gaza").unwrap();
    assert!(gaza.exceptions.len() > 40, "{:?}", gaza.exceptions.len());
    assert_eq!(gaza.exceptions.last().unwrap().offset_minutes, None);
    assert_eq!(Zone::parse("Asia/Hebron"), Some(gaza));
    // Morocco gave its own Ramadan rule up in September 2026.
    assert_eq!(begin("Africa/Casablanca", 2026, 9, 1), "2026-08-31T23:00:00.000Z");
    assert_eq!(begin("Africa/Casablanca", 2026, 10, 1), "2026-10-01T00:00:00.000Z");
    // British Columbia changed its clock for the last time in March 2026.
    assert_eq!(begin("America/Vancouver", 2026, 3, 1), "2026-03-01T08:00:00.000Z");
    assert_eq!(begin("America/Vancouver", 2026, 12, 1), "2026-12-01T07:00:00.000Z");
}

#[test]
fn clocks_never_change_twice_within_the_time_that_is_searched_for_a_change() {
    for (_, exceptions, names) in table::ZONES {
        assert!(exceptions.is_sorted_by_key(|exception| exception.from_secs), "{names}");
        let zone = Zone::parse(names.split(' ').next().unwrap()).unwrap();
        let clock = Clock::of(&zone);
        let (mut secs, mut changed) = (at("2026-01-01T00:00:00Z").as_secs(), 0);
        let mut offset = clock.offset_at(secs);
        while secs < at("2057-02-01T00:00:00Z").as_secs() {
            secs += DAY / 2;
            let now = clock.offset_at(secs);
            if now != offset {
                assert!(secs - changed > 2 * FARTHEST + DAY, "{names} at {secs}");
                (offset, changed) = (now, secs);
            }
            assert!(now.abs() < FARTHEST, "{names}");
        }
    }
}

#[test]
fn a_zone_takes_few_bytes_and_is_read_back() {
    for name in Zone::names() {
        let zone = Zone::parse(name).unwrap();
        let bytes = minicbor::to_vec(&zone).unwrap();
        assert_eq!(minicbor::decode::<Zone>(&bytes).unwrap(), zone);
        let most = if zone.exceptions.len() > 4 { 1_000 } else { 64 };
        assert!(bytes.len() <= most, "{name} takes {} bytes", bytes.len());
    }
}

/// Zones whose law changed after the release that `chrono-tz` 0.10 has, which is 2025b. To be emptied when it has a
/// newer one.
const CHANGED_SINCE: &[&str] = &[
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "America/Edmonton",
    "America/Havana",
    "America/Inuvik",
    "America/Rainy_River",
    "America/Vancouver",
    "America/Winnipeg",
    "America/Yellowknife",
    "Canada/Central",
    "Canada/Mountain",
    "Canada/Pacific",
    "Cuba",
    "Europe/Chisinau",
    "Europe/Tiraspol",
];

#[test]
fn p13_another_implementation_tells_the_same_time_for_thirty_years() {
    let mut differ = std::collections::BTreeSet::new();
    for theirs in chrono_tz::TZ_VARIANTS {
        let ours = Zone::parse(theirs.name()).unwrap_or_else(|| panic!("no {}", theirs.name()));
        let clock = Clock::of(&ours);
        // No time of day and no day of the week is always missed.
        for secs in
            (at("2026-01-01T00:00:00Z").as_secs()..at("2056-12-31T00:00:00Z").as_secs()).step_by(37 * 3_600)
        {
            let utc = chrono::DateTime::from_timestamp(secs, 0).unwrap().naive_utc();
            let expected = theirs.offset_from_utc_datetime(&utc).fix().local_minus_utc();
            if clock.offset_at(secs) != i64::from(expected) {
                differ.insert(theirs.name());
                break;
            }
        }
    }
    assert_eq!(differ.into_iter().collect::<Vec<_>>(), CHANGED_SINCE);
}
