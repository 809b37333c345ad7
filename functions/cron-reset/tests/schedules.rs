//! What the scheduler does, and that doing it again changes nothing.

use core::time::Duration;
use cron_reset::{Summary, scheduled};
use domain::account::{Account, Balance, Command, Reply, Report, Served};
use domain::identity::{AccountId, Home, RequestId};
use domain::money::NanoEur;
use domain::price::{Tariff, Usage};
use futures_executor::block_on;
use platform::{AtomicState, Clock, Database, Statement};
use platform_memory::MemoryPlatform;

const MONTH: Duration = Duration::from_secs(31 * 86_400);

fn host(users: u8) -> MemoryPlatform {
    let platform = MemoryPlatform::new();
    platform.execute_sql(
        "INSERT INTO tenants (id, slug, name, status, created_at, updated_at)
         VALUES ('t', 't', '', 'active', 0, 0)",
    );
    for n in 0..users {
        platform.execute_sql(&format!(
            "INSERT INTO users (id, tenant_id, email, status, budget_nano_eur, budget_reset_at, created_at, updated_at)
             VALUES ('{id}', 't', 'u{n}@example.com', 'active', 5000000000, 0, 0, 0);
             INSERT INTO pending_pushes (account_id, version, since) VALUES ('{id}', 1, 0)",
            id = account(n),
        ));
    }
    platform
}

fn account(n: u8) -> AccountId {
    AccountId::new(Home::Eu, [n; 16])
}

fn run(platform: &MemoryPlatform) -> Summary {
    block_on(scheduled(platform, "*/5 * * * *"))
}

fn balance(platform: &MemoryPlatform, n: u8) -> Balance {
    match block_on(platform.apply::<Account>(&account(n).to_string(), Command::Inspect)).unwrap() {
        Reply::Balance(balance) => *balance,
        other => panic!("{other:?}"),
    }
}

fn spend(platform: &MemoryPlatform, n: u8) {
    let report = Report {
        operation_id: RequestId::of_foreign("test", "once"),
        model: "m".into(),
        usage: Usage::default(),
        cost: Some(NanoEur::euros(2)),
        tariff: Tariff::default(),
        served: Served::default(),
        tags: Vec::new(),
        foreign_id: "once".into(),
        hold: None,
    };
    let command = Command::Report(Box::new(report));
    block_on(platform.apply::<Account>(&account(n).to_string(), command)).unwrap();
}

fn view(platform: &MemoryPlatform, n: u8) -> i64 {
    let statement =
        Statement::new("SELECT budget_reset_at FROM users WHERE id = ?1").bind(account(n).to_string());
    block_on(platform.query(statement)).unwrap()[0].integer("budget_reset_at").unwrap()
}

#[test]
fn p13_five_runs_are_one() {
    let platform = host(3);
    assert_eq!(run(&platform), Summary { told: 3, reset: 0, failures: 0 });
    spend(&platform, 0);
    platform.advance(MONTH);
    assert_eq!(run(&platform), Summary { told: 0, reset: 3, failures: 0 });
    let after = balance(&platform, 0);
    assert_eq!(after.used, NanoEur::ZERO);
    assert_eq!(view(&platform, 0), after.resets_at.as_millis());
    for _ in 0..4 {
        assert_eq!(run(&platform), Summary::default());
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
    assert_eq!(run(&platform).reset, 1);
    assert_eq!(balance(&platform, 0), early);
}

#[test]
fn a_failed_step_is_done_by_the_next_run() {
    let platform = host(3);
    platform.set_state_down(true);
    assert_eq!(run(&platform), Summary { told: 0, reset: 0, failures: 6 });
    platform.set_state_down(false);
    platform.inject(platform_memory::Fault::AfterStore);
    assert_eq!(run(&platform).told, 2);
    assert_eq!(run(&platform).told, 1);
    platform.set_database_down(true);
    assert_eq!(run(&platform), Summary { told: 0, reset: 0, failures: 3 });
}

#[test]
fn many_accounts_are_told_page_by_page() {
    let platform = host(120);
    assert_eq!(run(&platform), Summary { told: 120, reset: 0, failures: 0 });
}

#[test]
fn old_log_in_counts_are_dropped() {
    let platform = host(0);
    platform.execute_sql(&format!(
        "INSERT INTO login_attempts VALUES ('old', 1, 0), ('new', 1, {})",
        platform.now().as_millis()
    ));
    run(&platform);
    let rows = block_on(platform.query(Statement::new("SELECT subject FROM login_attempts"))).unwrap();
    assert_eq!(rows.len(), 1);
}
