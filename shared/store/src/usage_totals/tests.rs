use super::*;
use crate::plan;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

#[test]
fn a_range_is_widened_to_whole_hours_and_long_ago_to_whole_days() {
    let now = at("2026-11-20T10:30:00Z");
    for (from, to, wide_from, wide_to) in [
        ("2026-11-19T10:30:00Z", "2026-11-19T10:30:01Z", "2026-11-19T10:00:00Z", "2026-11-19T11:00:00Z"),
        ("2026-11-19T10:00:00Z", "2026-11-19T11:00:00Z", "2026-11-19T10:00:00Z", "2026-11-19T11:00:00Z"),
        ("2026-03-01T10:30:00Z", "2026-03-02T10:30:00Z", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "2025-10-17T00:00:00Z", "2026-11-20T11:00:00Z"),
        ("2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z", "2026-11-20T11:00:00Z", "2026-11-20T11:00:00Z"),
    ] {
        assert_eq!(widened(at(from), at(to), now), (at(wide_from), at(wide_to)), "{from} {to}");
    }
}

#[test]
fn every_hour_of_a_range_is_summed_once() {
    let hour = |n: i64| Timestamp::from_millis(n * 3_600_000);
    for from in 0..60 {
        for to in from..60 {
            let (first, end) = whole_days(hour(from), hour(to));
            // As the statement has it: hours before the days, the days, hours after them.
            let counted = |at: Timestamp| {
                let by_hour = (at >= hour(from) && at < first) || (at >= end && at < hour(to));
                let by_day = day_of(at) >= first && day_of(at) < end;
                i32::from(by_hour) + i32::from(by_day)
            };
            for n in 0..72 {
                assert_eq!(counted(hour(n)), i32::from((from..to).contains(&n)), "{from} {to} {n}");
            }
        }
    }
}

#[test]
fn p25_no_sum_scans_a_table() {
    for sql in [OF_USER, OF_TENANT] {
        let plan = plan::of(sql);
        for table in
            ["usage_logs", "usage_dirty", "usage_hourly", "usage_daily", "tenant_usage_hourly", "own", "late"]
        {
            assert!(!plan.contains(&format!("SCAN {table}")), "{plan}: {sql}");
        }
    }
    assert!(!plan::of(OF_TENANT).contains("usage_logs"));
}
