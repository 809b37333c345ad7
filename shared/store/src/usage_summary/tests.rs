use super::*;
use crate::plan;

#[test]
fn p25_no_chart_scans_a_table_or_reads_rows() {
    for of_user in [true, false] {
        for period in [Period::Hour, Period::Day] {
            for group in [Group::Model, Group::User, Group::Provider] {
                let plan = plan::of(question(of_user, period, group));
                assert!(plan.starts_with("SEARCH") && !plan.contains("SCAN"), "{plan}");
                assert!(!plan.contains("usage_logs"), "{plan}");
                // A tenant may have many users: a page of them is read in the index's order.
                if group == Group::User {
                    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
                }
            }
        }
    }
}

#[test]
fn a_cursor_reads_what_it_prints() {
    for name in ["", "gpt-4.1-mini", "a.b c"] {
        let cursor = PointCursor { period: Timestamp::from_millis(3_600_000), name: name.into() };
        assert_eq!(PointCursor::parse(&cursor.to_string()), Some(cursor));
    }
    for wrong in ["", "x", "x.y", "-1.y", "9999999999999999999.y"] {
        assert_eq!(PointCursor::parse(wrong), None, "{wrong}");
    }
}
