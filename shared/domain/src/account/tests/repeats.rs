//! Each command takes effect at most once, however often and in whatever order it arrives.

use super::builders::*;
use crate::account::{Command, HOLD_TTL, OPERATION_MEMORY, Reply};
use proptest::prelude::*;
use proptest::sample::Index;

#[test]
fn p04_a_repeated_reserve_answers_with_the_same_hold() {
    let mut ledger = Ledger::with_budget(1_000);
    let first = ledger.apply(reserve(1, 100, 100));
    assert_eq!(ledger.apply(reserve(1, 100, 100)), first);
    assert_eq!(ledger.money(), (0, 300, 700));
}

#[test]
fn p04_an_old_reserve_is_refused() {
    let mut ledger = Ledger::with_budget(1_000);
    ledger.later(10 * SECOND);
    too_late(ledger.apply(reserve(1, 1, 1)));
    ledger.later(DAY);
    too_late(ledger.apply(reserve(1, 1, 1)));
}

#[test]
fn p04_a_reserve_of_an_ended_call_is_refused() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 1, 1)));
    ledger.apply(settle(1, 1, 1));
    too_late(ledger.apply(reserve(1, 1, 1)));
    reserved(ledger.apply(reserve(2, 1, 1)));
    ledger.later(HOLD_TTL).apply(Command::Wake);
    too_late(ledger.apply(reserve(2, 1, 1)));
}

#[test]
fn p04_a_release_that_overtakes_its_reserve_stops_it() {
    let mut ledger = Ledger::with_budget(1_000);
    assert_eq!(charged(&ledger.apply(release(1))), 0);
    too_late(ledger.apply(reserve(1, 1, 1)));
    assert_eq!(ledger.money(), (0, 0, 1_000));
}

#[test]
fn p04_the_first_end_of_a_call_counts() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 100)));
    ledger.apply(settle(1, 100, 10));
    assert_eq!(ledger.apply(release(1)), Reply::Unknown);
    assert_eq!(ledger.apply(settle(1, 100, 100)), Reply::Unknown);
    assert_eq!((ledger.money(), ledger.rows.len()), ((120, 0, 880), 1));
}

#[test]
fn what_is_not_known_changes_nothing() {
    let mut ledger = Ledger::with_budget(1_000);
    assert_eq!(ledger.apply(settle(1, 1, 1)), Reply::Unknown);
    assert_eq!(ledger.apply(checkpoint(1, 1, 1)), Reply::Unknown);
    ledger.later(DAY);
    assert_eq!(ledger.apply(release(1)), Reply::Unknown);
    assert_eq!((ledger.money(), ledger.rows.len()), ((0, 0, 1_000), 0));
}

#[test]
fn p04_operations_are_remembered_for_two_periods() {
    let mut ledger = Ledger::with_budget(1_000);
    for _ in 0..3 {
        ledger.apply(top_up(1, 500));
        ledger.apply(report(2, 10, 10));
        ledger.apply(adjust(3, 100));
        ledger.later(DAY);
    }
    assert_eq!((ledger.money(), ledger.rows.len()), ((130, 0, 1_370), 2));
    ledger.later(OPERATION_MEMORY).apply(Command::Wake);
    assert!(ledger.operation(1).is_none() && ledger.operation(3).is_none());
}

/// Three calls that end in three ways, and three operations. Each arrives once or more, in any order.
fn deliveries() -> impl Strategy<Value = Vec<Command>> {
    let commands: Vec<Command> = vec![
        reserve(1, 100, 100).into(),
        checkpoint(1, 100, 20).into(),
        settle(1, 100, 50).into(),
        reserve(2, 100, 100).into(),
        release(2).into(),
        reserve(3, 100, 0).into(),
        top_up(4, 70).into(),
        report(5, 30, 0).into(),
        adjust(6, 20).into(),
    ];
    prop::collection::vec((1usize..=5, any::<Index>()), commands.len()).prop_map(move |plan| {
        let mut order = Vec::new();
        for (command, (times, at)) in commands.iter().zip(plan) {
            for _ in 0..times {
                order.insert(at.index(order.len() + 1), command.clone());
            }
        }
        order
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn p04_in_any_order_and_number_and_again_a_day_later_each_takes_effect_at_most_once(order in deliveries()) {
        let mut ledger = Ledger::with_budget(10_000);
        for command in &order {
            ledger.apply(command.clone());
        }
        // Whatever was left open ends by the stated rule.
        ledger.later(HOUR).apply(Command::Wake);
        ledger.apply(settle(1, 100, 50));
        ledger.apply(release(2));
        let settled = ledger.balance();
        ledger.later(DAY);
        for command in order {
            ledger.apply(command);
        }
        let later = ledger.balance();
        prop_assert_eq!((later.used, later.top_up, later.reserved), (settled.used, settled.top_up, nano(0)));
        // 200 or nothing for the first call, if its settlement came before its reserve: then it is late.
        prop_assert_eq!(settled.used, nano(200 + 100 + 30 + 20));
        prop_assert_eq!(settled.top_up, nano(70));
        let calls = |id| ledger.rows.iter().filter(|row| row.request_id == request_id(id)).count();
        prop_assert!(calls(1) <= 2 && calls(2) == 0 && calls(3) == 1 && calls(5) == 1 && calls(6) == 1);
    }
}
