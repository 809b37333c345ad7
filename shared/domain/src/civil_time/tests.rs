use super::*;
use core::time::Duration;
use proptest::prelude::*;

fn boundaries(rule: &PeriodRule, from: &str, count: usize) -> Vec<String> {
    let mut at = Timestamp::parse_rfc3339(from).unwrap();
    (0..count)
        .map(|_| {
            at = rule.next_boundary(at);
            at.to_rfc3339()
        })
        .collect()
}

fn monthly(name: &str, anchor_day: u8) -> PeriodRule {
    PeriodRule::Monthly { zone: Zone::parse(name).unwrap(), anchor_day }
}

fn any_zone() -> impl Strategy<Value = Zone> {
    let names: Vec<_> = Zone::names().collect();
    prop::sample::select(names).prop_map(|name| Zone::parse(name).unwrap())
}

#[test]
fn p13_months_begin_at_local_midnight_in_summer_and_winter() {
    assert_eq!(
        boundaries(&PeriodRule::DEFAULT, "2026-02-10T12:00:00Z", 3),
        ["2026-02-28T23:00:00.000Z", "2026-03-31T22:00:00.000Z", "2026-04-30T22:00:00.000Z"]
    );
    assert_eq!(
        boundaries(&PeriodRule::DEFAULT, "2026-09-30T22:00:00Z", 2),
        ["2026-10-31T23:00:00.000Z", "2026-11-30T23:00:00.000Z"]
    );
    assert_eq!(
        boundaries(&monthly("America/New_York", 1), "2027-02-10T12:00:00Z", 3),
        ["2027-03-01T05:00:00.000Z", "2027-04-01T04:00:00.000Z", "2027-05-01T04:00:00.000Z"]
    );
    assert_eq!(
        boundaries(&monthly("Asia/Kathmandu", 1), "2027-01-31T18:14:59Z", 2),
        ["2027-01-31T18:15:00.000Z", "2027-02-28T18:15:00.000Z"]
    );
}

#[test]
fn p13_an_anchor_beyond_the_month_is_its_last_day() {
    assert_eq!(
        boundaries(&monthly("UTC", 31), "2028-01-31T00:00:00Z", 3),
        ["2028-02-29T00:00:00.000Z", "2028-03-31T00:00:00.000Z", "2028-04-30T00:00:00.000Z"]
    );
    assert_eq!(
        boundaries(&monthly("Pacific/Kiritimati", 30), "2027-01-31T00:00:00Z", 2),
        ["2027-02-27T10:00:00.000Z", "2027-03-29T10:00:00.000Z"]
    );
}

#[test]
fn p13_a_month_that_the_clock_shows_twice_at_its_begin_begins_once() {
    // 2037-11-01 is a Sunday: at 01:00 it becomes 00:00 again in Havana.
    let rule = monthly("America/Havana", 1);
    let first = "2037-11-01T04:00:00.000Z";
    assert_eq!(boundaries(&rule, "2037-10-15T00:00:00Z", 2), [first, "2037-12-01T05:00:00.000Z"]);
    let begin = Timestamp::parse_rfc3339(first).unwrap();
    for minutes in [0, 59, 60, 61, 90, 119, 120] {
        let later = begin.plus(Duration::from_secs(minutes * 60));
        assert_eq!(rule.last_boundary(later), begin, "{minutes}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p13_every_instant_lies_in_exactly_one_period(
        zone in any_zone(), millis in 0i64..4_000_000_000_000, anchor_day in 1u8..=31,
    ) {
        let now = Timestamp::from_millis(millis);
        let rule = PeriodRule::Monthly { zone, anchor_day };
        let (began, ends) = (rule.last_boundary(now), rule.next_boundary(now));
        prop_assert!(began <= now && now < ends);
        prop_assert_eq!(rule.next_boundary(began), ends);
        prop_assert_eq!(rule.last_boundary(ends), ends);
        prop_assert_eq!(rule.next_boundary(ends.minus(Duration::from_millis(1))), ends);
        prop_assert_eq!(rule.last_boundary(ends.minus(Duration::from_millis(1))), began);
        prop_assert!(ends.since(began).as_secs() <= 31 * 86_400 + 3 * 3_600);
        prop_assert!(ends.since(began).as_secs() >= 28 * 86_400 - 3 * 3_600);
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

    #[test]
    fn no_instant_and_no_rule_panics(
        millis in any::<i64>(), days in any::<u16>(), anchor_day in any::<u8>(), zone in any_zone(),
    ) {
        let now = Timestamp::from_millis(millis);
        for rule in [PeriodRule::Monthly { zone, anchor_day }, PeriodRule::EveryDays { days, from: now }] {
            let _ = (rule.last_boundary(now), rule.next_boundary(now));
        }
    }
}

/// The first of each month, in every zone, for thirty years.
#[test]
fn p13_months_of_all_zones_begin_as_the_date_changes_for_thirty_years() {
    let second = Duration::from_secs(1);
    for name in Zone::names() {
        let (zone, rule) = (Zone::parse(name).unwrap(), monthly(name, 1));
        let mut begin = rule.next_boundary(Timestamp::parse_rfc3339("2026-01-15T00:00:00Z").unwrap());
        for _ in 0..31 * 12 {
            let (eve, date) = (zone.date(begin.minus(second)), zone.date(begin));
            assert_eq!(date.day(), 1, "{name} at {}", begin.to_rfc3339());
            assert_eq!(eve.last_of_month(), eve, "{name} at {}", begin.to_rfc3339());
            let next = rule.next_boundary(begin);
            assert!(next > begin, "{name}");
            assert_eq!(rule.last_boundary(next.minus(second)), begin, "{name}");
            begin = next;
        }
    }
}
