//! What the scheduler does for accounts, and that doing it again changes nothing.

mod scene;

use core::time::Duration;
use domain::money::NanoEur;
use platform::Clock;
use scene::{CRON, MONTH, balance, count, done, host, rows, run, spend, view};

#[test]
fn p13_five_cron_runs_are_one() {
    let platform = host(3);
    assert_eq!(done(&platform, "pending_changes"), 3);
    spend(&platform, 0);
    platform.advance(MONTH);
    assert_eq!(done(&platform, "due_resets"), 3);
    let after = balance(&platform, 0);
    assert_eq!(after.used, NanoEur::ZERO);
    assert_eq!(view(&platform, 0), after.resets_at.as_millis());
    for _ in 0..4 {
        let again = run(&platform);
        assert_eq!((again.done(), again.all_failures()), (0, 0), "{again:?}");
        assert_eq!(balance(&platform, 0), after);
    }
}

#[test]
fn p13_an_account_resets_without_the_scheduler_which_then_only_makes_the_view_true() {
    let platform = host(1);
    run(&platform);
    spend(&platform, 0);
    platform.advance(MONTH);
    let early = balance(&platform, 0);
    assert_eq!(early.used, NanoEur::ZERO);
    assert!(view(&platform, 0) < platform.now().as_millis());
    assert_eq!(done(&platform, "due_resets"), 1);
    assert_eq!(balance(&platform, 0), early);
}

#[test]
fn a_failed_step_is_done_by_the_next_run() {
    let platform = host(3);
    platform.set_state_down(true);
    let failed = run(&platform);
    assert_eq!((failed.of("pending_changes").failures, failed.of("due_resets").failures), (3, 3));
    let [row] = &rows(&platform, "SELECT last_error FROM schedules WHERE job = 'due_resets'")[..] else {
        panic!("one row for each job")
    };
    assert!(row.text("last_error").unwrap().contains("the test took the machines down"));
    platform.set_state_down(false);
    platform.inject(platform_memory::Fault::AfterStore);
    assert_eq!(done(&platform, "pending_changes"), 2);
    assert_eq!(done(&platform, "pending_changes"), 1);
    platform.set_database_down(true);
    let nothing = run(&platform);
    assert_eq!((nothing.jobs.len(), nothing.failures), (0, 1));
}

#[test]
fn many_accounts_are_told_page_by_page() {
    let platform = host(120);
    let told = run(&platform).of("pending_changes");
    assert_eq!((told.done, told.slices, told.finished), (120, 5, true));
}

#[test]
fn what_waits_in_an_account_that_nobody_asks_is_delivered_within_a_day() {
    let platform = host(2);
    run(&platform);
    spend(&platform, 1);
    platform.advance(CRON);
    run(&platform);
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM usage_logs"), 0);
    platform.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(done(&platform, "sleeping_accounts"), 2);
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM usage_logs"), 1);
}

#[test]
fn what_is_too_old_is_dropped_some_rows_at_a_time() {
    let platform = host(1);
    platform.execute_sql(&format!(
        "WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 700)
           INSERT INTO login_attempts SELECT 'old' || value, 1, 0 FROM n;
         INSERT INTO login_attempts VALUES ('new', 1, {now});
         INSERT INTO sessions SELECT 's', id, 'h', 0, 1, NULL FROM users;
         INSERT INTO sessions SELECT 'live', id, 'i', 0, {now}, NULL FROM users",
        now = platform.now().as_millis()
    ));
    let pruned = run(&platform).of("pruning");
    assert_eq!((pruned.done, pruned.finished), (701, true));
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM login_attempts"), 1);
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM sessions"), 1);
}
