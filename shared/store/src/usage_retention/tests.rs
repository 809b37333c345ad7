use super::*;
use crate::plan;
use crate::usage_logs::{self, tests::call_of};
use crate::usage_rollups::roll_up_slice;
use domain::account::UsageRow;
use domain::identity::{AccountId, Home};
use futures_executor::block_on;
use platform_memory::MemoryPlatform;

const T0: i64 = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000;
const HOUR_MS: i64 = 3_600_000;

fn append(platform: &MemoryPlatform, tenant: &str, n: i64, at: i64) {
    let account = AccountId::new(Home::Eu, [tenant.len() as u8; 16]);
    let row = UsageRow {
        tenant_id: tenant.into(),
        provider_cost_nano_usd: 1,
        cost: domain::money::NanoEur::saturating(n),
        ..call_of(n.unsigned_abs(), Timestamp::from_millis(at))
    };
    block_on(platform.commit(usage_logs::append(&[(account, row)]))).unwrap();
}

fn roll_up(platform: &MemoryPlatform) {
    let far = Timestamp::from_millis(T0 + 10_000 * HOUR_MS);
    while block_on(roll_up_slice(platform, far)).unwrap().more {}
}

fn delete(platform: &MemoryPlatform, before: i64) -> usize {
    let mut cursor = Some(RetentionCursor::default());
    let mut slices = 0;
    while let Some(at) = cursor {
        slices += 1;
        assert!(slices < 100, "a hundred slices do not end");
        cursor = block_on(delete_old_slice(platform, &at, Timestamp::from_millis(before))).unwrap();
    }
    slices
}

fn count(platform: &MemoryPlatform, sql: &'static str) -> i64 {
    block_on(platform.query(Statement::new(sql))).unwrap()[0].integer("n").unwrap()
}

const ROWS: &str = "SELECT COUNT(*) AS n FROM usage_logs";
const HOURS: &str = "SELECT SUM(row_count) AS n FROM usage_hourly";
const DAYS: &str = "SELECT SUM(row_count) AS n FROM usage_daily";
const DAYS_OF_TENANTS: &str = "SELECT SUM(cost_nano_eur) AS n FROM tenant_usage_daily";
const SPANS: &str = "SELECT COUNT(*) AS n FROM usage_spans";
const BATCHES: &str = "SELECT COUNT(*) AS n FROM usage_batches";

#[test]
fn p25_old_rows_go_with_their_hours_and_leave_their_days() {
    let platform = MemoryPlatform::new();
    for tenant in ["a", "bb", "ccc"] {
        for n in 0..10 {
            append(&platform, tenant, n, T0 + n * HOUR_MS);
        }
    }
    roll_up(&platform);
    delete(&platform, T0 + 6 * HOUR_MS + 1);
    assert_eq!((count(&platform, ROWS), count(&platform, HOURS)), (12, 12));
    assert_eq!(count(&platform, "SELECT MIN(hour) AS n FROM tenant_usage_hourly"), T0 + 6 * HOUR_MS);
    assert_eq!((count(&platform, DAYS), count(&platform, DAYS_OF_TENANTS)), (30, 135));
    for _ in 0..4 {
        delete(&platform, T0 + 6 * HOUR_MS);
    }
    assert_eq!((count(&platform, ROWS), count(&platform, DAYS)), (12, 30));
}

#[test]
fn p25_what_leads_to_rows_goes_with_them_and_a_tenants_newest_batch_stays() {
    let platform = MemoryPlatform::new();
    for tenant in ["a", "bb"] {
        for n in 0..10 {
            append(&platform, tenant, n, T0 + n * HOUR_MS);
        }
    }
    roll_up(&platform);
    delete(&platform, T0 + 6 * HOUR_MS);
    assert_eq!((count(&platform, ROWS), count(&platform, SPANS), count(&platform, BATCHES)), (8, 8, 8));
    delete(&platform, T0 + 10 * HOUR_MS);
    assert_eq!((count(&platform, ROWS), count(&platform, SPANS), count(&platform, BATCHES)), (0, 0, 2));
    append(&platform, "a", 11, T0 + 11 * HOUR_MS);
    assert_eq!(count(&platform, "SELECT arrived AS n FROM usage_logs"), 11);
}

#[test]
fn rows_that_are_not_rolled_up_stay() {
    let platform = MemoryPlatform::new();
    append(&platform, "a", 1, T0);
    roll_up(&platform);
    append(&platform, "a", 2, T0 + 1);
    append(&platform, "a", 3, T0 + HOUR_MS);
    delete(&platform, T0 + 9 * HOUR_MS);
    assert_eq!(count(&platform, ROWS), 3);
    roll_up(&platform);
    delete(&platform, T0 + 9 * HOUR_MS);
    assert_eq!((count(&platform, ROWS), count(&platform, DAYS)), (0, 3));
}

#[test]
fn a_row_that_arrives_after_its_hour_was_deleted_adds_to_its_day() {
    let platform = MemoryPlatform::new();
    append(&platform, "a", 1, T0);
    roll_up(&platform);
    delete(&platform, T0 + 9 * HOUR_MS);
    append(&platform, "a", 2, T0 + 1);
    roll_up(&platform);
    assert_eq!(
        (count(&platform, HOURS), count(&platform, DAYS), count(&platform, DAYS_OF_TENANTS)),
        (1, 2, 3)
    );
    delete(&platform, T0 + 9 * HOUR_MS);
    assert_eq!((count(&platform, ROWS), count(&platform, DAYS)), (0, 2));
}

#[test]
fn a_slice_is_bounded_and_the_next_continues() {
    let platform = MemoryPlatform::new();
    for n in 0..BUCKETS_MAX + 100 {
        append(&platform, "a", n, T0 + n * HOUR_MS);
    }
    append(&platform, "bb", 1, T0);
    roll_up(&platform);
    let end = Timestamp::from_millis(T0 + 10_000 * HOUR_MS);
    let slice = |at: &RetentionCursor| block_on(delete_old_slice(&platform, at, end)).unwrap();
    let first = slice(&RetentionCursor::default());
    assert_eq!((count(&platform, ROWS), first.clone()), (101, Some(RetentionCursor::default())));
    // A run that died begins anew.
    let second = slice(&RetentionCursor::default()).unwrap();
    assert_eq!((count(&platform, ROWS), second.after_tenant.as_str()), (1, "a"));
    let third = slice(&second).unwrap();
    assert_eq!((count(&platform, ROWS), slice(&third)), (0, None));
}

#[test]
fn the_setting_is_days_and_never_fewer_than_ids_are_remembered() {
    let platform = MemoryPlatform::new();
    let days = |platform: &MemoryPlatform| block_on(kept(platform)).map(|kept| kept.as_secs() / 86_400);
    assert_eq!(days(&platform), Ok(400));
    platform.set_secret(SETTING, "93");
    assert_eq!(days(&platform), Ok(93));
    for wrong in ["92", "0", "-1", "", "a year", "99999999"] {
        platform.set_secret(SETTING, wrong);
        assert!(days(&platform).unwrap_err().detail.starts_with(SETTING), "{wrong}");
    }
}

#[test]
fn p25_no_step_of_the_retention_scans_a_table() {
    for sql in [TENANTS, OLD, DELETE_SPANS, DELETE_ROWS, DELETE_HOURLY, DELETE_OF_TENANT, DELETE_BATCHES] {
        let plan = plan::of(sql);
        for table in [
            "usage_logs",
            "usage_dirty",
            "usage_hourly",
            "tenant_usage_hourly",
            "usage_spans",
            "usage_batches",
            "own",
        ] {
            assert!(!plan.contains(&format!("SCAN {table}")), "{plan}: {sql}");
        }
    }
}
