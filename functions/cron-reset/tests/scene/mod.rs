//! A directory of users whose accounts live in memory.
#![allow(dead_code, reason = "each test file uses what it needs")]

use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use cron_reset::{Summary, scheduled, scheduled_within};
use domain::account::{Account, Balance, Command, Event, Reply, Report, Served};
use domain::identity::{AccountId, Home, RequestId};
use domain::money::NanoEur;
use domain::price::{Tariff, Usage};
use futures_executor::block_on;
use platform::{AtomicState, Database, PlatformError, Row, Statement};
use platform_memory::{Delivered, MemoryPlatform};

pub const MONTH: Duration = Duration::from_secs(31 * 86_400);
/// From one run to the next.
pub const CRON: Duration = Duration::from_secs(60);
/// After this the jobs of a run that died are free.
pub const LEASE: Duration = Duration::from_secs(4 * 60);

/// An active tenant `t` and so many users who have five euros and whose accounts have heard of nothing.
pub fn host(users: u32) -> MemoryPlatform {
    let platform = empty();
    add_users(&platform, users, 0);
    platform
        .execute_sql("INSERT INTO pending_pushes (account_id, version, since) SELECT id, 1, 0 FROM users");
    platform
}

pub fn empty() -> MemoryPlatform {
    let platform = MemoryPlatform::new();
    platform.deliver_to(record);
    platform.execute_sql(
        "INSERT INTO tenants (id, slug, name, status, created_at, updated_at)
         VALUES ('t', 't', '', 'active', 0, 0)",
    );
    platform
}

/// Users without a pending configuration, whose view says that their period ends at `resets_at`.
pub fn add_users(platform: &MemoryPlatform, users: u32, resets_at: i64) {
    for n in 0..users {
        platform.execute_sql(&format!(
            "INSERT INTO users (id, tenant_id, email, status, budget_nano_eur, budget_reset_at, created_at, updated_at)
             VALUES ('{}', 't', 'u{n}@example.com', 'active', 5000000000, {resets_at}, 0, 0)",
            account(n),
        ));
    }
}

pub fn account(n: u32) -> AccountId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    AccountId::new(Home::Eu, id)
}

pub fn run(platform: &MemoryPlatform) -> Summary {
    block_on(scheduled(platform, "* * * * *"))
}

pub fn run_within(platform: &MemoryPlatform, questions: usize) -> Summary {
    block_on(scheduled_within(platform, questions))
}

pub fn done(platform: &MemoryPlatform, job: &str) -> u64 {
    run(platform).of(job).done
}

pub fn balance(platform: &MemoryPlatform, n: u32) -> Balance {
    match block_on(platform.apply::<Account>(&account(n).to_string(), Command::Inspect)).unwrap() {
        Reply::Balance(balance) => *balance,
        other => panic!("{other:?}"),
    }
}

/// Two euros that were spent elsewhere; the row waits in the account's outbox.
pub fn spend(platform: &MemoryPlatform, n: u32) {
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

/// When the directory believes that the user's period ends.
pub fn view(platform: &MemoryPlatform, n: u32) -> i64 {
    let sql = "SELECT budget_reset_at FROM users WHERE id = ?1";
    let rows = block_on(platform.query(Statement::new(sql).bind(account(n).to_string()))).unwrap();
    rows[0].integer("budget_reset_at").unwrap()
}

pub fn rows(platform: &MemoryPlatform, sql: &'static str) -> Vec<Row> {
    block_on(platform.query(Statement::new(sql))).unwrap()
}

/// The single number that `sql` selects as `n`.
pub fn count(platform: &MemoryPlatform, sql: &'static str) -> i64 {
    rows(platform, sql)[0].integer("n").unwrap()
}

async fn record(platform: MemoryPlatform, batch: Delivered) -> Result<(), PlatformError> {
    let account = AccountId::parse(&batch.name).expect("an account's name");
    let row = |event| match event {
        Event::Usage(row) => Some((account, *row)),
        _ => None,
    };
    let rows: Vec<_> = batch.events::<Account>().into_iter().filter_map(row).collect();
    platform.commit(store::usage_logs::append(&rows)).await
}

/// Lets the futures that are polled together with this one go on.
pub async fn let_others_run() {
    let mut waits = true;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if core::mem::take(&mut waits) { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}
