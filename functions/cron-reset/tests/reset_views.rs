//! A computed view is what the account itself would say.

mod scene;

use core::time::Duration;
use domain::account::{Account, Command, Reply, Reset};
use domain::civil_time::{PeriodRule, Zone};
use domain::identity::RequestId;
use domain::time::Timestamp;
use futures_executor::block_on;
use platform::{AtomicState, Clock};
use platform_memory::MemoryPlatform;
use scene::{account, balance, count, empty, run, view};

const ZONES: [&str; 4] = ["UTC", "Europe/Lisbon", "Europe/Berlin", "Europe/Athens"];
const ANCHORS: u32 = 31;
/// Days of the users whose periods have so many.
const LENGTHS: [u32; 4] = [1, 7, 30, 31];
/// Users with every rule there is.
const RULES: u32 = ZONES.len() as u32 * (ANCHORS + LENGTHS.len() as u32);

/// `copies` users of each rule.
fn host(copies: u32) -> MemoryPlatform {
    let platform = empty();
    for zone in ZONES {
        platform.execute_sql(&format!(
            "INSERT INTO tenants (id, slug, name, status, time_zone, created_at, updated_at)
             VALUES ('{zone}', '{zone}', '', 'active', '{zone}', 0, 0)"
        ));
    }
    for n in 0..RULES * copies {
        let (zone, rule) = (ZONES[(n % 4) as usize], n / 4 % (ANCHORS + 4));
        let (day, days) = match LENGTHS.get((rule as usize).wrapping_sub(ANCHORS as usize)) {
            Some(days) => (1, format!("{days}, {}", platform.now().as_millis() - 1_234_567)),
            None => (rule + 1, "NULL, NULL".into()),
        };
        platform.execute_sql(&format!(
            "INSERT INTO users (id, tenant_id, email, status, budget_nano_eur, reset_day, period_days, period_from,
               budget_reset_at, created_at, updated_at)
             VALUES ('{}', '{zone}', 'u{n}@example.com', 'active', 5000000000, {day}, {days}, 0, 0, 0)",
            account(n)
        ));
    }
    platform
        .execute_sql("INSERT INTO pending_pushes (account_id, version, since) SELECT id, 1, 0 FROM users");
    while count(&platform, "SELECT COUNT(*) AS n FROM pending_pushes") > 0 {
        assert!(run(&platform).of("pending_changes").done > 0);
    }
    platform
}

/// A cron run, and then what these accounts say.
fn assert_views_are_true(platform: &MemoryPlatform, users: impl Iterator<Item = u32>) {
    let summary = run(platform);
    assert_eq!(summary.all_failures(), 0, "{summary:?}");
    for n in users {
        let said = balance(platform, n).resets_at.as_millis();
        assert_eq!(view(platform, n), said, "user {n} at {}", platform.now().to_rfc3339());
    }
}

#[test]
fn p13_views_are_what_accounts_say_at_any_time_of_more_than_a_year() {
    let platform = host(1);
    for step in 0..60_u64 {
        // Nine days less something, so that no step keeps its time of day.
        platform.advance(Duration::from_secs(9 * 86_400 - 60 * (step * 37 % 600)));
        assert_views_are_true(&platform, 0..RULES);
    }
}

#[test]
fn p13_views_are_what_an_account_says_that_was_not_asked_for_months() {
    const COPIES: u32 = 6;
    let platform = host(COPIES);
    for copy in 0..COPIES {
        platform.advance(Duration::from_secs(67 * 86_400 + 12_345));
        assert_views_are_true(&platform, copy * RULES..(copy + 1) * RULES);
    }
}

#[test]
fn p13_views_are_true_to_the_millisecond() {
    let platform = host(1);
    let berlin = PeriodRule::Monthly { zone: Zone::BERLIN, anchor_day: 29 };
    // Into both changes of the clock, and through a year's end.
    for _ in 0..14 {
        let boundary = berlin.next_boundary(platform.now()).as_millis();
        for at in [boundary - 1, boundary, boundary + 1] {
            platform.set_now(Timestamp::from_millis(at));
            assert_views_are_true(&platform, 0..RULES);
        }
    }
}

fn reset(platform: &MemoryPlatform, n: u32) {
    let id = platform.now().as_millis().to_string();
    let command = Command::Reset(Reset { operation_id: RequestId::of_foreign("test", &id) });
    let reply = block_on(platform.apply::<Account>(&account(n).to_string(), command)).unwrap();
    assert!(matches!(reply, Reply::Settled(_)), "{reply:?}");
}

#[test]
fn p13_views_are_true_after_manual_resets() {
    let platform = host(1);
    for step in 0..40 {
        platform.advance(Duration::from_secs(11 * 86_400 + 4_321));
        for n in (0..RULES).filter(|n| (n + step) % 3 == 0) {
            reset(&platform, n);
        }
        assert_views_are_true(&platform, 0..RULES);
    }
}

#[test]
fn p13_views_are_true_after_a_rule_was_changed_whenever_the_account_heard_of_it() {
    let platform = host(1);
    for step in 0..30 {
        platform.execute_sql(&format!(
            "UPDATE users SET reset_day = (reset_day + {step}) % 31 + 1, configuration_version = configuration_version + 1
             WHERE rowid % 5 = {modulo};
             INSERT INTO pending_pushes (account_id, version, since)
             SELECT id, configuration_version, 0 FROM users WHERE rowid % 5 = {modulo}",
            modulo = step % 5
        ));
        // Some open their period before they hear of the change.
        platform.advance(Duration::from_secs(11 * 86_400 + 4_321));
        for n in (0..RULES).filter(|n| n % 2 == 0) {
            balance(&platform, n);
        }
        assert_views_are_true(&platform, 0..RULES);
    }
}
