//! What may start: only what fits in the worst case.

use super::super::reserve::affordable_output;
use super::builders::*;
use crate::account::{BACKLOG_MAX, OPEN_HOLDS_MAX, RESERVE_VALIDITY, Refusal, Reply, Reserve};
use crate::host_clocks::SKEW_MAX;
use crate::price::{Prices, Tariff, Usage};
use proptest::prelude::*;

#[test]
fn p01_a_thousand_calls_with_money_for_ten_start_ten() {
    let mut ledger = Ledger::with_budget(10 * 300);
    let replies: Vec<Reply> = (0..1_000).map(|id| ledger.apply(reserve(id, 100, 100))).collect();
    let started = replies.iter().filter(|reply| matches!(reply, Reply::Reserved(_))).count();
    assert_eq!(started, 10);
    assert!(replies[10..].iter().all(|reply| matches!(reply, Reply::Refused(Refusal::Budget(_)))));
    assert_eq!(ledger.money(), (0, 3_000, 0));
}

#[test]
fn p01_what_is_reserved_is_free_again_once_settled() {
    let mut ledger = Ledger::with_budget(300);
    reserved(ledger.apply(reserve(1, 100, 100)));
    budget_refusal(ledger.apply(reserve(2, 1, 0)));
    ledger.apply(settle(1, 100, 10));
    assert_eq!(ledger.money(), (120, 0, 180));
    reserved(ledger.apply(reserve(3, 180, 0)));
    budget_refusal(ledger.apply(reserve(4, 1, 0)));
}

#[test]
fn p02_a_hold_is_never_shrunk_and_the_refusal_says_what_fits() {
    let mut ledger = Ledger::with_budget(150);
    let refusal = budget_refusal(ledger.apply(reserve(1, 100, 100)));
    assert_eq!(refusal.worst_case, nano(300));
    assert_eq!(refusal.affordable_output, Some(25));
    assert_eq!(refusal.figures.remaining, nano(150));
    assert_eq!(ledger.money(), (0, 0, 150));
}

#[test]
fn p02_a_clamp_reserves_exactly_what_fits() {
    for by_setting in [false, true] {
        let mut configuration = configuration(151);
        configuration.clamp = by_setting;
        let mut ledger = Ledger::configured(configuration);
        let call = Reserve { clamp: !by_setting, ..reserve(1, 100, 100) };
        let reserved = reserved(ledger.apply(call));
        assert_eq!((reserved.output_ceiling, reserved.hold), (25, nano(150)));
        assert_eq!(charged(&ledger.apply(settle(1, 100, 25))), 150);
    }
}

#[test]
fn p02_a_clamp_stays_divisible_by_the_choices() {
    let mut ledger = Ledger::with_budget(151);
    let call = Reserve { clamp: true, choices: 4, ..reserve(1, 100, 100) };
    assert_eq!(reserved(ledger.apply(call)).output_ceiling, 24);
}

#[test]
fn p02_without_money_for_one_token_a_clamp_refuses() {
    let mut ledger = Ledger::with_budget(101);
    let call = Reserve { clamp: true, ..reserve(1, 100, 100) };
    assert_eq!(budget_refusal(ledger.apply(call)).affordable_output, None);
}

#[test]
fn p08_a_call_without_a_price_is_refused() {
    let mut ledger = Ledger::with_budget(1_000);
    let unpriced = Tariff { prices: Prices { output: None, ..tariff().prices }, ..tariff() };
    let rateless = Tariff { eur_per_usd_millionths: 0, ..tariff() };
    for (id, tariff) in [(1, unpriced), (2, rateless), (3, Tariff::default())] {
        let call = Reserve { tariff, ..reserve(id, 1, 1) };
        assert_eq!(refusal(ledger.apply(call)), Refusal::Unpriced);
    }
    let audio = Usage { audio_input: 1, ..tokens(1, 1) };
    let call = Reserve { worst_case: audio, ..reserve(4, 1, 1) };
    assert_eq!(refusal(ledger.apply(call)), Refusal::Unpriced);
    assert_eq!(ledger.money(), (0, 0, 1_000));
}

#[test]
fn a_call_at_a_stated_price_of_zero_passes_without_money() {
    let mut free = tariff();
    free.prices.input = free.prices.input.map(|_| crate::price::NanoUsdPerMillion(0));
    free.prices.output = free.prices.input;
    let mut ledger = Ledger::with_budget(0);
    let call = |id| Reserve { tariff: free, ..reserve(id, 100, 100) };
    assert_eq!(reserved(ledger.apply(call(1))).hold, nano(0));
    assert_eq!(charged(&ledger.apply(settle(1, 100, 500))), 0);
    assert_eq!(ledger.rows.len(), 1);
    ledger.apply(report(2, 1, 0));
    budget_refusal(ledger.apply(call(3)));
}

#[test]
fn absurd_ceilings_are_refused_and_do_not_overflow() {
    let mut ledger = Ledger::with_budget(1_000);
    let refusal = budget_refusal(ledger.apply(reserve(1, 0, u64::MAX)));
    assert_eq!(refusal.affordable_output, Some(500));
    budget_refusal(ledger.apply(reserve(2, u64::MAX, u64::MAX)));
}

#[test]
fn the_hold_of_1025_is_refused_until_one_ends() {
    let mut ledger = Ledger::with_budget(1_000_000);
    for id in 0..u64::from(OPEN_HOLDS_MAX) {
        reserved(ledger.apply(reserve(id, 1, 0)));
    }
    assert_eq!(refusal(ledger.apply(reserve(5_000, 1, 0))), Refusal::TooManyHolds(OPEN_HOLDS_MAX));
    ledger.apply(release(3));
    reserved(ledger.apply(reserve(5_000, 1, 0)));
}

#[test]
fn p06_a_backlog_of_undelivered_rows_refuses_new_calls_and_still_settles() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 1, 0)));
    ledger.state.undelivered = BACKLOG_MAX;
    assert_eq!(refusal(ledger.apply(reserve(2, 1, 0))), Refusal::Backlogged);
    assert_eq!(charged(&ledger.apply(settle(1, 1, 0))), 1);
}

#[test]
fn an_old_routing_snapshot_is_refused_with_the_newer_version() {
    let mut ledger =
        Ledger::configured(crate::account::Configuration { routing_version: 5, ..configuration(9) });
    assert_eq!(refusal(ledger.apply(reserve(1, 1, 0))), Refusal::Stale(5));
    reserved(ledger.apply(Reserve { routing_version: 6, ..reserve(2, 1, 0) }));
}

#[test]
fn p04_no_caller_can_make_an_id_be_remembered_for_long() {
    let mut ledger = Ledger::with_budget(1_000);
    let valid_until = START.plus(RESERVE_VALIDITY * 3);
    too_late(ledger.apply(Reserve { valid_until, ..reserve(1, 1, 0) }));
    let valid_until = START.plus(SKEW_MAX + RESERVE_VALIDITY * 3);
    let release = crate::account::Release { valid_until, ..release(2) };
    assert_eq!(ledger.apply(release), Reply::Unknown);
    assert!(ledger.hold(2).is_none());
}

proptest! {
    #[test]
    fn p02_what_is_affordable_fits_and_one_more_token_does_not(
        free in 0i64..5_000, input in 0u64..500, output in 1u64..5_000, choices in 1u32..5,
    ) {
        let fits = |output| tariff().price(&tokens(input, output)).unwrap().cost <= nano(free);
        let choice = u64::from(choices);
        let command = Reserve { choices, ..reserve(1, input, output) };
        match affordable_output(&command, output, 1_000, nano(free)) {
            _ if fits(output) => {}
            Some(affordable) => {
                prop_assert!(fits(affordable) && affordable % choice == 0 && affordable < output);
                prop_assert!(!fits(affordable + choice) || affordable + choice > output);
            }
            None => prop_assert!(!fits(choice)),
        }
    }
}
