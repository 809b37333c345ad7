//! A call that settles after its hold ran out: the difference is booked, where the hold was.

use super::builders::*;
use crate::account::{Configuration, HOLD_TTL, LATE_SETTLE, Part, Reply, RowKind};

/// An expired call of at most 300, charged 100.
fn expired(budget: i64, top_up_nano: i64) -> Ledger {
    let mut ledger = Ledger::with_budget(budget);
    if top_up_nano > 0 {
        ledger.apply(top_up(900, top_up_nano));
    }
    reserved(ledger.apply(reserve(1, 100, 100)));
    ledger.later(HOLD_TTL);
    ledger.balance();
    ledger
}

#[test]
fn a_late_settlement_charges_more_up_to_the_old_hold() {
    let mut ledger = expired(1_000, 0);
    assert_eq!(charged(&ledger.apply(settle(1, 100, 5_000))), 300);
    assert_eq!(ledger.money(), (300, 0, 700));
    assert_eq!((ledger.row().kind, ledger.row().cost), (RowKind::Correction, nano(200)));
    assert_eq!(ledger.row().overrun, nano(9_800));
}

#[test]
fn p12_a_calls_row_bears_the_time_of_its_id_and_its_correction_its_own() {
    let mut ledger = expired(1_000, 0);
    assert_eq!((ledger.row().kind, ledger.row().at), (RowKind::Call, request_id(1).made_at()));
    ledger.later(SECOND);
    ledger.apply(settle(1, 40, 5));
    assert_eq!((ledger.row().kind, ledger.row().at), (RowKind::Correction, ledger.now));
}

#[test]
fn a_late_settlement_charges_less() {
    let mut ledger = expired(1_000, 0);
    assert_eq!(charged(&ledger.apply(settle(1, 40, 5))), 50);
    assert_eq!(ledger.money(), (50, 0, 950));
    assert_eq!(ledger.row().cost, nano(-50));
}

#[test]
fn a_late_settlement_that_agrees_writes_no_row() {
    let mut ledger = expired(1_000, 0);
    assert_eq!(charged(&ledger.apply(settle(1, 100, 0))), 100);
    assert_eq!(ledger.rows.len(), 1);
}

#[test]
fn p01_a_late_settlement_charges_no_more_than_is_free() {
    let mut ledger = expired(300, 0);
    let now = ledger.now;
    reserved(ledger.apply(reserve_at(now, 2, 150, 0)));
    assert_eq!(charged(&ledger.apply(settle(1, 100, 100))), 150);
    assert_eq!(ledger.money(), (150, 150, 0));
    assert_eq!(ledger.balance().over, nano(0));
}

#[test]
fn a_late_release_takes_the_charge_back() {
    let mut ledger = expired(1_000, 0);
    assert_eq!(charged(&ledger.apply(release(1))), 0);
    assert_eq!(ledger.money(), (0, 0, 1_000));
    assert_eq!((ledger.row().cost, ledger.row().outcome.as_str()), (nano(-100), "released"));
    assert!(matches!(ledger.apply(settle(1, 100, 100)), Reply::Repeated(_)));
}

#[test]
fn p04_a_correction_is_made_once_and_for_a_day() {
    let mut ledger = expired(1_000, 0);
    for _ in 0..3 {
        assert_eq!(charged(&ledger.apply(settle(1, 100, 50))), 200);
    }
    assert_eq!(ledger.money(), (200, 0, 800));
    let mut ledger = expired(1_000, 0);
    ledger.later(LATE_SETTLE);
    assert_eq!(ledger.apply(settle(1, 100, 50)), Reply::Unknown);
    assert_eq!(ledger.money(), (100, 0, 900));
    assert!(ledger.hold(1).is_none());
}

#[test]
fn top_up_money_goes_back_to_the_top_up() {
    let mut ledger = expired(50, 500);
    assert_eq!(ledger.balance().top_up, nano(450));
    ledger.apply(settle(1, 60, 0));
    assert_eq!(ledger.balance().top_up, nano(490));
    assert_eq!(ledger.money(), (60, 0, 490));
    let mut ledger = expired(50, 500);
    ledger.apply(release(1));
    assert_eq!((ledger.balance().top_up, ledger.money()), (nano(500), (0, 0, 550)));
}

#[test]
fn more_is_taken_from_the_top_up_once_the_plan_is_used_up() {
    let mut ledger = expired(150, 500);
    assert_eq!(charged(&ledger.apply(settle(1, 100, 100))), 300);
    assert_eq!((ledger.balance().top_up, ledger.money()), (nano(350), (300, 0, 350)));
}

#[test]
fn p13_a_correction_counts_in_the_period_of_its_call() {
    for (output, old, row) in [(100, 300, 200), (0, 0, -100)] {
        let mut ledger = Ledger::with_budget(1_000);
        let eve = ledger.balance().resets_at.minus(MINUTE);
        ledger.now = eve;
        reserved(ledger.apply(reserve_at(eve, 1, 100, 100)));
        ledger.later(HOUR);
        assert_eq!(ledger.money(), (0, 0, 1_000));
        ledger.apply(if output == 0 { settle(1, 0, 0) } else { settle(1, 100, output) });
        assert_eq!(ledger.money(), (0, 0, 1_000), "the new period pays nothing and gains nothing");
        let period = ledger.state.head.periods[0].clone();
        assert_eq!((period.charged, period.opened_at), (nano(old), START));
        assert_eq!((ledger.row().cost, ledger.row().period_opened_at), (nano(row), START));
    }
}

#[test]
fn an_old_period_goes_once_its_calls_can_no_longer_be_corrected() {
    let mut ledger = expired(1_000, 0);
    ledger.apply(reset(8));
    assert_eq!(ledger.state.head.periods.len(), 2);
    ledger.later(LATE_SETTLE).apply(reset(9));
    let left: Vec<_> = ledger.state.head.periods.iter().map(|period| period.correctable).collect();
    assert_eq!(left, [0, 0], "the present one and the last");
}

#[test]
fn p01_over_budget_a_late_settlement_takes_nothing() {
    let mut ledger = expired(1_000, 0);
    ledger.configure(Configuration { version: 2, ..configuration(50) });
    assert_eq!(charged(&ledger.apply(settle(1, 100, 100))), 100);
    assert_eq!(ledger.balance().over, nano(50));
    assert!(matches!(ledger.hold(1), Some(Part::Ended(_))));
}
