use super::*;
use crate::plan;
use crate::usage_logs::{append, tests::call_of};
use crate::usage_report::UsageEntry;
use domain::account::UsageRow;
use domain::identity::{Home, RequestId};
use domain::time::Timestamp;
use futures_executor::block_on;
use platform_memory::MemoryPlatform;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn account(n: u8) -> AccountId {
    AccountId::new(Home::Eu, [n; 16])
}

fn row(n: u64, tenant: &str, at: i64) -> UsageRow {
    let model = if n.is_multiple_of(2) { "even" } else { "odd" }.into();
    UsageRow { tenant_id: tenant.into(), model, ..call_of(n, Timestamp::from_millis(at)) }
}

fn whose(user: Option<AccountId>) -> Whose {
    Whose { tenant_id: "t".into(), user }
}

fn ask(platform: &MemoryPlatform, whose: &Whose, filter: &Filter, after: u64, limit: usize) -> Arrivals {
    block_on(page(platform, whose, filter, after, limit)).unwrap().expect("a number that was given")
}

#[test]
fn p25_rows_by_arrival_are_read_at_their_places_and_sorted_by_nothing() {
    for sql in [END, PAGE] {
        let plan = plan::of(sql);
        for table in ["usage_batches", "batch", "usage_logs", "own"] {
            assert!(!plan.contains(&format!("SCAN {table}")), "{plan}");
        }
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
    let plan = plan::of(PAGE);
    assert!(plan.contains("SEARCH batch USING PRIMARY KEY (tenant_id=? AND last>? AND last<?)"), "{plan}");
    assert!(
        plan.contains("SEARCH own USING PRIMARY KEY (account_id=? AND at=? AND request_id=? AND kind=?)"),
        "{plan}"
    );
}

#[test]
fn a_row_that_arrives_late_comes_after_those_of_a_later_time() {
    let platform = MemoryPlatform::new();
    let commit = |rows: &[(AccountId, UsageRow)]| block_on(platform.commit(append(rows))).unwrap();
    commit(&[(account(1), row(1, "t", 5_000))]);
    let first = ask(&platform, &whose(None), &Filter::ALL, 0, 10);
    assert_eq!((first.rows.len(), first.more), (1, false));
    commit(&[(account(1), row(2, "t", 1_000)), (account(1), row(3, "other", 1_000))]);
    let late = ask(&platform, &whose(None), &Filter::ALL, first.next, 10);
    let found: Vec<_> = late.rows.iter().map(|row| row.at.as_millis()).collect();
    assert_eq!(found, [1_000]);
    let none = ask(&platform, &whose(None), &Filter::ALL, late.next, 10);
    assert_eq!((none.rows.len(), none.next, none.more), (0, late.next, false));
}

#[test]
fn a_number_is_not_used_again_when_every_row_is_deleted() {
    let platform = MemoryPlatform::new();
    let commit = |n| block_on(platform.commit(append(&[(account(1), row(n, "t", 0))]))).unwrap();
    commit(1);
    let seen = ask(&platform, &whose(None), &Filter::ALL, 0, 10).next;
    platform.execute_sql("DELETE FROM usage_logs");
    commit(2);
    assert_eq!(ask(&platform, &whose(None), &Filter::ALL, seen, 10).rows.len(), 1);
}

#[test]
fn a_number_that_no_row_has_had_is_not_taken_for_an_end() {
    let platform = MemoryPlatform::new();
    block_on(platform.commit(append(&[(account(1), row(1, "t", 0))]))).unwrap();
    let ask = |after| block_on(page(&platform, &whose(None), &Filter::ALL, after, 10)).unwrap();
    assert_eq!((ask(1).map(|page| page.rows.len()), ask(2)), (Some(0), None));
}

/// What happens to the rows between two polls.
#[derive(Clone, Debug)]
enum Happening {
    /// So many rows arrive; some of them a second time, as a repeated delivery.
    Arrive(u8, i64),
    /// Rows before that time are too old.
    Delete(i64),
    Poll,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        3 => (1_u8..6, 0_i64..1_000).prop_map(|(rows, at)| Happening::Arrive(rows, at)),
        1 => (0_i64..1_000).prop_map(Happening::Delete),
        4 => Just(Happening::Poll),
    ];
    prop::collection::vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn p30_whoever_polls_sees_every_row_once_unless_it_was_deleted_first(
        happenings in happenings(), limit in 1_usize..5, of_user: bool, filtered: bool,
    ) {
        let platform = MemoryPlatform::new();
        let whose = whose(of_user.then(|| account(0)));
        let filter = Filter { model: filtered.then(|| "even".to_owned()), ..Filter::ALL };
        let wanted = |n: u64, account: AccountId| {
            (!of_user || account == self::account(0)) && (!filtered || n.is_multiple_of(2))
        };
        let (mut made, mut after) = (0_u64, 0_u64);
        let (mut waiting, mut deleted) = (BTreeSet::new(), BTreeSet::new());
        let mut times: Vec<(RequestId, i64)> = Vec::new();
        let poll = |after: &mut u64, waiting: &mut BTreeSet<RequestId>| {
            let page = ask(&platform, &whose, &filter, *after, limit);
            for UsageEntry { request_id, .. } in &page.rows {
                assert!(waiting.remove(request_id), "seen twice, or not wanted");
            }
            assert!(page.next >= *after && page.rows.len() <= limit);
            *after = page.next;
            page.more
        };
        for happening in happenings {
            match happening {
                Happening::Arrive(count, at) => {
                    let rows: Vec<_> = (0..u64::from(count)).map(|n| {
                        let n = made + n;
                        (account((n % 3) as u8), row(n, "t", at))
                    }).collect();
                    for (account, row) in &rows {
                        times.push((row.request_id, at));
                        if wanted(made, *account) { waiting.insert(row.request_id); }
                        made += 1;
                    }
                    for _ in 0..2 { block_on(platform.commit(append(&rows))).unwrap(); }
                }
                Happening::Delete(before) => {
                    platform.execute_sql(&format!("DELETE FROM usage_logs WHERE at < {before}"));
                    for (id, at) in &times {
                        if *at < before && waiting.remove(id) { deleted.insert(*id); }
                    }
                }
                Happening::Poll => { poll(&mut after, &mut waiting); }
            }
        }
        while poll(&mut after, &mut waiting) {}
        prop_assert!(waiting.is_empty(), "{} rows were never seen", waiting.len());
    }
}
