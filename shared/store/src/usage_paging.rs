//! Pages of rows, by time and by arrival, whatever arrives in whatever batches.

use crate::usage_arrivals::{self, Whose};
use crate::usage_logs::{append, tests::call_of};
use crate::usage_report::{self, Cursor, EXAMINED_MAX, Filter, Scope, UsageEntry};
use domain::account::{RowKind, UsageRow};
use domain::identity::{AccountId, Home};
use domain::time::Timestamp;
use futures_executor::block_on;
use platform::{Database, Statement};
use platform_memory::MemoryPlatform;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn a_call_is_written_into_its_table_and_no_index() {
    let platform = MemoryPlatform::new();
    let sql = "SELECT sql FROM sqlite_master WHERE tbl_name = 'usage_logs' ORDER BY type DESC";
    let made = block_on(platform.query(Statement::new(sql))).unwrap();
    let made: Vec<_> = made.iter().map(|row| row.text("sql").unwrap()).collect();
    let [table, indices @ ..] = made.as_slice() else { panic!("no table") };
    assert!(table.ends_with("WITHOUT ROWID"), "{table}");
    for index in indices {
        assert!(index.ends_with("WHERE kind <> 'call'"), "{index}");
    }
}

#[test]
fn a_batch_adds_a_row_of_its_own_and_one_for_every_ten_seconds_of_its_account() {
    let platform = MemoryPlatform::new();
    let written = || {
        let sql = "SELECT (SELECT COUNT(*) FROM usage_logs) AS calls, (SELECT COUNT(*) FROM usage_batches) AS batches,
          (SELECT COUNT(*) FROM usage_spans) AS spans, (SELECT COUNT(*) FROM usage_dirty) AS marks";
        let row = block_on(platform.query(Statement::new(sql))).unwrap().remove(0);
        ["calls", "batches", "spans", "marks"].map(|column| row.integer(column).unwrap())
    };
    let deliver = |from: u64| {
        let at = Timestamp::from_millis(i64::try_from(from * 100).unwrap());
        let rows: Vec<_> = (from..from + 50).map(|n| (account(1), call_of(n, at))).collect();
        block_on(platform.commit(append(&rows))).unwrap();
    };
    deliver(0);
    assert_eq!(written(), [50, 1, 1, 1]);
    deliver(50);
    assert_eq!(written(), [100, 2, 1, 1]);
    deliver(50);
    assert_eq!(written(), [100, 2, 1, 1], "what is repeated writes nothing");
    deliver(100);
    assert_eq!(written(), [150, 3, 2, 1]);
}

const TENANTS: [&str; 2] = ["t", "u"];
const ACCOUNTS: u8 = 3;

fn account(n: u8) -> AccountId {
    AccountId::new(Home::Eu, [n; 16])
}

/// A row that an account makes.
#[derive(Clone, Debug)]
struct Made {
    tenant: usize,
    /// Several fall into the same ten seconds, some into the same millisecond.
    at: i64,
    kind: RowKind,
}

fn made() -> impl Strategy<Value = Made> {
    let kind =
        prop_oneof![4 => Just(RowKind::Call), 1 => Just(RowKind::Correction), 1 => Just(RowKind::Report)];
    let at = prop_oneof![0_i64..60_000, 20_000_i64..20_003];
    (0_usize..10, at, kind).prop_map(|(n, at, kind)| Made { tenant: n / 8, at, kind })
}

#[derive(Clone, Debug)]
enum Happening {
    /// An account makes rows and delivers them, together with some that it has delivered before, and keeps back some.
    Deliver {
        account: u8,
        rows: Vec<Made>,
        again: usize,
        kept: usize,
    },
    Poll,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let rows = prop::collection::vec(made(), 0..8);
    let deliver = (0..ACCOUNTS, rows, 0_usize..6, 0_usize..3)
        .prop_map(|(account, rows, again, kept)| Happening::Deliver { account, rows, again, kept });
    prop::collection::vec(prop_oneof![3 => deliver, 2 => Just(Happening::Poll)], 1..20)
}

/// What one account made, and how much of it has arrived.
#[derive(Default)]
struct Outbox {
    rows: Vec<(AccountId, UsageRow)>,
    arrived: usize,
}

impl Outbox {
    fn make(&mut self, n: u8, made: &Made) {
        let Made { tenant, at, kind } = *made;
        let number = self.rows.len() as u64;
        let call = call_of(number * 256 + u64::from(n), Timestamp::from_millis(at));
        // A correction is later than what its id says.
        let at = if kind == RowKind::Call { call.at } else { Timestamp::from_millis(at + 7_000) };
        let model = if number.is_multiple_of(2) { "even" } else { "odd" }.into();
        self.rows.push((account(n), UsageRow { tenant_id: TENANTS[tenant].into(), model, kind, at, ..call }));
    }

    /// What arrived for the first time.
    fn deliver(&mut self, platform: &MemoryPlatform, again: usize, kept: usize) -> &[(AccountId, UsageRow)] {
        let before = self.arrived;
        self.arrived = before.max(self.rows.len().saturating_sub(kept));
        let repeated = before.saturating_sub(again);
        block_on(platform.commit(append(&self.rows[repeated..self.arrived]))).unwrap();
        &self.rows[before..self.arrived]
    }
}

/// Whoever polls a tenant's rows, or those of one user of it.
struct Poller {
    whose: Whose,
    filter: Filter,
    after: u64,
    seen: Vec<Cursor>,
}

impl Poller {
    fn poll(&mut self, platform: &MemoryPlatform, limit: usize) -> bool {
        let page = usage_arrivals::page(platform, &self.whose, &self.filter, self.after, limit);
        let page = block_on(page).unwrap().expect("a number that was given");
        assert!(page.rows.len() <= limit && page.next >= self.after);
        self.seen.extend(page.rows.iter().map(Cursor::of));
        self.after = page.next;
        page.more
    }
}

/// All pages, one after the other.
fn by_time(platform: &MemoryPlatform, scope: &Scope, filter: &Filter, limit: usize) -> Vec<Cursor> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = block_on(usage_report::page(platform, scope, filter, after.as_ref(), limit)).unwrap();
        assert!(page.rows.len() == limit || page.next.is_none(), "only the last page is short");
        seen.extend(page.rows.iter().map(Cursor::of));
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

fn place(row: &(AccountId, UsageRow)) -> (Timestamp, String, String, &'static str) {
    (row.1.at, row.0.to_string(), row.1.request_id.to_string(), row.1.kind.as_str())
}

fn newest_first(mut rows: Vec<&(AccountId, UsageRow)>) -> Vec<&(AccountId, UsageRow)> {
    rows.sort_by_key(|row| core::cmp::Reverse(place(row)));
    rows
}

fn cursors(rows: &[&(AccountId, UsageRow)]) -> Vec<Cursor> {
    let cursor = |(account, row): &(AccountId, UsageRow)| Cursor {
        at: row.at,
        account: *account,
        request_id: row.request_id,
        kind: row.kind.as_str().into(),
    };
    rows.iter().map(|row| cursor(row)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn p30_pages_by_time_and_by_arrival_have_every_row_once_and_in_order(
        happenings in happenings(), limit in 1_usize..6, from in 0_i64..70_000, length in 1_i64..70_000,
    ) {
        let platform = MemoryPlatform::new();
        let mut outboxes: BTreeMap<u8, Outbox> = BTreeMap::new();
        let mut arrived = Vec::new();
        let even = Filter { model: Some("even".into()), ..Filter::ALL };
        let part = Filter {
            from: Timestamp::from_millis(from), to: Timestamp::from_millis(from + length), ..Filter::ALL
        };
        let mut pollers = Vec::new();
        for tenant_id in TENANTS.map(str::to_owned) {
            for user in [None, Some(account(1))] {
                for filter in [Filter::ALL, even.clone(), part.clone()] {
                    let whose = Whose { tenant_id: tenant_id.clone(), user };
                    pollers.push(Poller { whose, filter, after: 0, seen: Vec::new() });
                }
            }
        }
        for happening in &happenings {
            match happening {
                Happening::Deliver { account, rows, again, kept } => {
                    let outbox = outboxes.entry(*account).or_default();
                    rows.iter().for_each(|made| outbox.make(*account, made));
                    arrived.extend_from_slice(outbox.deliver(&platform, *again, *kept));
                }
                Happening::Poll => for poller in &mut pollers { poller.poll(&platform, limit); },
            }
        }
        let matches = |filter: &Filter, row: &UsageRow| {
            row.at >= filter.from && row.at < filter.to && filter.model.as_ref().is_none_or(|model| *model == row.model)
        };
        for mut poller in pollers {
            while poller.poll(&platform, limit) {}
            let Poller { whose: Whose { tenant_id, user }, filter, seen, .. } = poller;
            let wanted = |(account, row): &&(AccountId, UsageRow)| {
                row.tenant_id == tenant_id && user.is_none_or(|user| user == *account) && matches(&filter, row)
            };
            let expected: Vec<_> = arrived.iter().filter(wanted).collect();
            prop_assert_eq!(seen, cursors(&expected), "by arrival");
            if user.is_none() {
                let seen = by_time(&platform, &Scope::Tenant(tenant_id), &filter, limit);
                prop_assert_eq!(seen, cursors(&newest_first(expected)), "by time");
            }
        }
        for account in (0..ACCOUNTS).map(account) {
            for filter in [&Filter::ALL, &even, &part] {
                let expected = arrived.iter().filter(|row| row.0 == account && matches(filter, &row.1)).collect();
                let seen = by_time(&platform, &Scope::User(account), filter, limit);
                prop_assert_eq!(seen, cursors(&newest_first(expected)), "of a user");
            }
        }
    }
}

#[test]
fn p25_a_filtered_page_of_a_tenant_ends_where_it_has_looked_at_enough_and_the_next_goes_on() {
    let platform = MemoryPlatform::new();
    let rare = |n: u64| n.is_multiple_of(5_000);
    for from in (0..21_000).step_by(1_000) {
        let row = |n: u64| {
            let model = if rare(n) { "rare" } else { "common" }.into();
            let at = Timestamp::from_millis(i64::try_from(n * 40).unwrap());
            (account((n % 3) as u8), UsageRow { tenant_id: "t".into(), model, ..call_of(n, at) })
        };
        let rows: Vec<_> = (from..from + 1_000).map(row).collect();
        block_on(platform.commit(append(&rows))).unwrap();
    }
    let filter = Filter { model: Some("rare".into()), ..Filter::ALL };
    let scope = Scope::Tenant("t".into());
    let (mut pages, mut after) = (Vec::new(), None);
    while pages.len() < 10 {
        let page = usage_report::page(&platform, &scope, &filter, after.as_ref(), 50);
        let page = block_on(page).unwrap();
        pages.push(page.rows.iter().map(|row| row.at.as_millis() / 40).collect::<Vec<_>>());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // 21,000 rows, 10,000 of them at a time.
    assert_eq!(EXAMINED_MAX, 10_000);
    assert_eq!(pages, [vec![20_000, 15_000], vec![10_000, 5_000], vec![0]]);
    let polled = |after| {
        let whose = Whose { tenant_id: "t".into(), user: None };
        block_on(usage_arrivals::page(&platform, &whose, &filter, after, 50)).unwrap().unwrap()
    };
    let (mut seen, mut after, mut more) = (0, 0, true);
    while more {
        let page = polled(after);
        assert!(page.next - after <= EXAMINED_MAX.unsigned_abs());
        seen += page.rows.iter().filter(|row: &&UsageEntry| row.model == "rare").count();
        (after, more) = (page.next, page.more);
    }
    assert_eq!((seen, after), (5, 21_000));
}
