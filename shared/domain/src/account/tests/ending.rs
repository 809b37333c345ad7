//! How a hold ends: at what was used, never above the hold, once.

use super::builders::*;
use crate::account::{ENDED_MAX, HOLD_TTL, HOLD_TTL_MAX, Reply, RowKind, Served, Settle};
use crate::price::Usage;
use core::time::Duration;

#[test]
fn p01_a_provider_that_bills_three_times_the_hold_is_charged_at_the_hold() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 100)));
    let Reply::Settled(settled) = ledger.apply(settle(1, 300, 300)) else { panic!("not settled") };
    assert_eq!((settled.charged, settled.overrun, settled.remaining), (nano(300), nano(600), nano(700)));
    assert_eq!((ledger.row().cost, ledger.row().overrun), (nano(300), nano(600)));
}

#[test]
fn p12_a_row_says_all_that_its_price_needs() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 100)));
    let served = Some(Served { provider: "other".into(), ..Served::default() });
    ledger.apply(Settle { served, ..settle(1, 90, 7) });
    let row = ledger.row();
    assert_eq!((row.kind, row.estimated, row.outcome.as_str()), (RowKind::Call, false, "200"));
    assert_eq!(row.tariff.price(&row.usage).unwrap().cost, row.cost);
    assert_eq!(row.tariff.price_version, 7);
    assert_eq!((row.served.provider.as_str(), row.tenant_id.as_str()), ("other", "tenant"));
}

#[test]
fn p08_a_used_unit_without_a_price_costs_the_whole_hold() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 100)));
    let usage = Usage { audio_output: 1, ..tokens(1, 1) };
    assert_eq!(charged(&ledger.apply(Settle { usage, ..settle(1, 0, 0) })), 300);
}

#[test]
fn p05_released_calls_cost_nothing_and_leave_nothing() {
    let mut ledger = Ledger::with_budget(1_000);
    for id in 0..100 {
        reserved(ledger.apply(reserve(id, 4, 3)));
    }
    assert_eq!(ledger.money(), (0, 1_000, 0));
    for id in 0..100 {
        assert_eq!(charged(&ledger.apply(release(id))), 0);
    }
    assert_eq!(ledger.money(), (0, 0, 1_000));
    assert_eq!(ledger.balance().open_holds, 0);
    assert!(ledger.rows.is_empty());
}

#[test]
fn an_abandoned_call_is_charged_at_its_input_estimate() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 100)));
    ledger.later(HOLD_TTL - SECOND);
    assert_eq!(ledger.money(), (0, 300, 700));
    ledger.later(SECOND);
    assert_eq!(ledger.money(), (100, 0, 900));
    let row = ledger.row();
    assert_eq!((row.kind, row.estimated, row.outcome.as_str()), (RowKind::Call, true, "expired"));
    assert_eq!((row.cost, row.usage), (nano(100), tokens(100, 0)));
}

#[test]
fn an_abandoned_call_is_charged_at_its_highest_checkpoint() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 100)));
    for output in [20, 40, 30] {
        assert_eq!(ledger.apply(checkpoint(1, 100, output)), Reply::Done);
    }
    ledger.later(HOLD_TTL);
    assert_eq!(ledger.money(), (180, 0, 820));
}

#[test]
fn an_abandoned_call_is_never_charged_above_its_hold() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 100)));
    ledger.apply(checkpoint(1, 100, 5_000));
    ledger.later(HOLD_TTL);
    assert_eq!(ledger.money(), (300, 0, 700));
    assert_eq!(ledger.row().overrun, nano(9_800));
}

#[test]
fn p08_an_abandoned_call_with_an_unpriced_checkpoint_costs_the_whole_hold() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 100)));
    let mut command = checkpoint(1, 0, 0);
    command.usage.audio_input = 1;
    ledger.apply(command);
    ledger.later(HOLD_TTL);
    assert_eq!(ledger.money(), (300, 0, 700));
}

#[test]
fn checkpoints_keep_a_hold_open_for_an_hour_in_all() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 100)));
    while ledger.now.plus(MINUTE).since(START) < HOLD_TTL_MAX {
        ledger.later(MINUTE);
        assert_eq!(ledger.apply(checkpoint(1, 100, 1)), Reply::Done);
    }
    ledger.later(MINUTE);
    assert_eq!(ledger.apply(checkpoint(1, 100, 1)), Reply::Unknown);
    assert_eq!(ledger.money(), (102, 0, 898));
}

#[test]
fn p05_the_account_asks_to_be_woken_for_its_first_hold_and_for_nothing_else() {
    let mut ledger = Ledger::with_budget(1_000);
    ledger.apply(top_up(9, 1));
    assert_eq!(ledger.state.wake_at(), None);
    reserved(ledger.apply(reserve(1, 1, 1)));
    ledger.later(SECOND).apply(reserve(2, 1, 1));
    assert_eq!(ledger.state.wake_at(), Some(START.plus(HOLD_TTL)));
    ledger.apply(settle(1, 1, 1));
    assert_eq!(ledger.state.wake_at(), Some(START.plus(SECOND + HOLD_TTL)));
    ledger.apply(settle(2, 1, 1));
    assert_eq!(ledger.state.wake_at(), None);
}

#[test]
fn p05_an_ended_call_is_forgotten_once_its_reserve_can_no_longer_arrive() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 1, 1)));
    ledger.apply(settle(1, 1, 1));
    assert!(ledger.hold(1).is_none());
    assert_eq!(ledger.state.head.ended.len(), 1);
    reserved(ledger.later(10 * SECOND).apply(reserve_at(START.plus(10 * SECOND), 2, 1, 1)));
    ledger.later(11 * SECOND).apply(settle(2, 1, 1));
    assert!(ledger.hold(2).is_none() && ledger.state.head.ended.is_empty());
}

#[test]
fn p04_a_busy_account_forgets_ended_calls_only_by_refusing_their_time() {
    const CALLS: u64 = ENDED_MAX as u64 + 10;
    let mut ledger = Ledger::with_budget(100_000);
    let issued = |call| START.plus(Duration::from_millis(call));
    for call in 1..=CALLS {
        reserved(ledger.apply(reserve_at(issued(call), call, 1, 1)));
        ledger.apply(settle(call, 1, 1));
    }
    assert_eq!(ledger.state.head.ended.len(), ENDED_MAX);
    for call in 1..=CALLS {
        too_late(ledger.apply(reserve_at(issued(call), call, 1, 1)));
    }
    // What was refused as too old may be asked again under a later time.
    too_late(ledger.apply(reserve_at(issued(5), 200, 1, 1)));
    reserved(ledger.apply(reserve_at(START.plus(SECOND), 200, 1, 1)));
}
