//! What the scheduler does for accounts, and that doing it again changes nothing.

mod scene;

use core::time::Duration;
use domain::identity::Home;
use domain::money::NanoEur;
use domain::tenant_pool::{self, TenantPool};
use futures_executor::block_on;
use platform::{AtomicState, Clock};
use scene::{CRON, MONTH, account, balance, count, done, host, rows, run, spend, view};
use store::operations::{self, Operation, OperationKind, Performed};
use store::tenant_pools;

#[test]
fn p13_five_cron_runs_are_one() {
    let platform = host(3);
    assert_eq!(done(&platform, "pending_changes"), 3);
    spend(&platform, 0);
    platform.advance(MONTH);
    assert_eq!(done(&platform, "due_resets"), 3);
    // The sums of what the first has delivered.
    assert_eq!(done(&platform, "usage_rollups"), 1);
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
fn p04_an_order_whose_account_was_out_of_reach_is_carried_out_once() {
    let platform = host(1);
    run(&platform);
    let top_up = Operation {
        account: account(0),
        operation_id: "an order".into(),
        kind: OperationKind::TopUp,
        amount: NanoEur::euros(7),
        reason: "paid".into(),
        actor: "test".into(),
    };
    platform.set_state_down(true);
    let performed = block_on(operations::perform(&platform, &top_up)).unwrap();
    assert!(matches!(performed, Performed::Pending(_)));
    platform.set_state_down(false);
    // Whoever ordered it may still be waiting, so it is left alone for a minute.
    platform.advance(CRON);
    assert_eq!(done(&platform, "operations"), 1);
    assert_eq!(done(&platform, "operations"), 0);
    assert_eq!(balance(&platform, 0).top_up, NanoEur::euros(7));
    let repeated = block_on(operations::perform(&platform, &top_up)).unwrap();
    assert!(matches!(repeated, Performed::Repeated(_)));
    assert_eq!(balance(&platform, 0).top_up, NanoEur::euros(7));
}

#[test]
fn p13_a_reset_by_hand_makes_the_view_true_at_once() {
    let platform = host(1);
    run(&platform);
    let before = view(&platform, 0);
    platform.execute_sql("UPDATE users SET reset_day = 17, configuration_version = 2");
    block_on(store::pending_pushes::push(&platform, account(0))).unwrap();
    assert_eq!(view(&platform, 0), before, "the present period ends as it would have");
    platform.advance(Duration::from_secs(1));
    let reset = Operation {
        account: account(0),
        operation_id: "a reset".into(),
        kind: OperationKind::Reset,
        amount: NanoEur::ZERO,
        reason: "by hand".into(),
        actor: "test".into(),
    };
    block_on(operations::perform(&platform, &reset)).unwrap();
    assert_eq!(view(&platform, 0), balance(&platform, 0).resets_at.as_millis());
    assert_ne!(view(&platform, 0), before);
}

#[test]
fn a_failed_step_is_done_by_the_next_run() {
    let platform = host(3);
    platform.set_state_down(true);
    let failed = run(&platform);
    assert_eq!((failed.of("pending_changes").failures, failed.of("sleeping_accounts").failures), (3, 3));
    let [row] = &rows(&platform, "SELECT last_error FROM schedules WHERE job = 'pending_changes'")[..] else {
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
    let platform = host(220);
    let before = platform.questions();
    let told = run(&platform).of("pending_changes");
    assert_eq!((told.done, told.slices, told.finished), (220, 3, true));
    // Each was told, and visited, in one question; all the rest is a matter of pages.
    let questions = platform.questions() - before - 2 * 220;
    assert!(questions < 60, "{questions}");
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM pending_pushes"), 0);
}

#[test]
fn a_user_whose_rows_cannot_be_understood_holds_nobody_up() {
    let platform = host(3);
    platform.execute_sql(
        "UPDATE tenants SET time_zone = 'Europe/Berlin';
         INSERT INTO tenants (id, slug, name, status, time_zone, created_at, updated_at)
         VALUES ('m', 'm', '', 'active', 'Mars/Olympus', 0, 0)",
    );
    platform.execute_sql(&format!("UPDATE users SET tenant_id = 'm' WHERE id = '{}'", account(1)));
    let summary = run(&platform);
    for job in ["pending_changes", "due_resets"] {
        assert_eq!(summary.of(job).failures, 1, "{job}");
    }
    assert_eq!(summary.of("pending_changes").done, 2);
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM pending_pushes"), 1);
    assert!(view(&platform, 0) > 0 && view(&platform, 1) == 0 && view(&platform, 2) > 0);
}

#[test]
fn a_tenants_pool_hears_of_its_limits_before_the_accounts_do() {
    let platform = host(2);
    platform.execute_sql(
        "UPDATE tenants SET budget_nano_eur = 9000000000, configuration_version = 2;
         INSERT INTO pending_pool_pushes (tenant_id, version, since) SELECT id, 2, 0 FROM tenants",
    );
    platform.set_state_down(true);
    assert_eq!(run(&platform).of("pool_pushes").failures, 1);
    platform.set_state_down(false);
    let summary = run(&platform);
    let jobs: Vec<_> = summary.jobs.iter().map(|job| (job.job, job.done)).take(2).collect();
    assert_eq!(jobs, [("pool_pushes", 1), ("pending_changes", 2)]);
    let pool = tenant_pools::name(Home::Eu, "t");
    let reply = block_on(platform.apply::<TenantPool>(&pool, tenant_pool::Command::Inspect)).unwrap();
    let tenant_pool::Reply::Balance(balance) = reply else { panic!("{reply:?}") };
    assert_eq!((balance.limit, balance.configuration_version), (Some(NanoEur::euros(9)), 2));
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM pending_pool_pushes"), 0);
    assert_eq!(done(&platform, "pool_pushes"), 0);
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

#[test]
fn usage_is_summed_when_its_hour_is_over_and_rows_go_when_they_are_old() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let platform = host(2);
    run(&platform);
    spend(&platform, 0);
    platform.advance(DAY);
    assert_eq!(done(&platform, "usage_rollups"), 0);
    // The day's visit has delivered the row.
    platform.advance(CRON);
    assert_eq!(done(&platform, "usage_rollups"), 1);
    let summed = "SELECT SUM(cost_nano_eur) AS n FROM usage_daily";
    assert_eq!(count(&platform, summed), NanoEur::euros(2).get());
    platform.set_secret("USAGE_RETENTION_DAYS", "three");
    platform.advance(DAY);
    let refused = run(&platform).of("usage_retention");
    assert_eq!((refused.failures, refused.finished), (1, false), "days are not guessed");
    platform.set_secret("USAGE_RETENTION_DAYS", "100");
    platform.advance(DAY * 100);
    assert!(run(&platform).of("usage_retention").finished);
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM usage_logs"), 0);
    assert_eq!(count(&platform, summed), NanoEur::euros(2).get());
}
