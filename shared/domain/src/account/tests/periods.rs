//! Periods begin by themselves, and what began in one ends in it.

use super::builders::*;
use crate::account::Configuration;
use crate::civil_time::{PeriodRule, Zone};
use proptest::prelude::*;

#[test]
fn p13_the_first_command_after_the_boundary_opens_a_period() {
    let mut ledger = Ledger::with_budget(1_000);
    ledger.apply(report(1, 600, 0));
    let boundary = ledger.balance().resets_at;
    assert_eq!(boundary.to_rfc3339(), "2026-03-31T22:00:00.000Z");
    ledger.now = boundary.minus(core::time::Duration::from_millis(1));
    assert_eq!(ledger.money(), (600, 0, 400));
    ledger.now = boundary;
    assert_eq!(ledger.money(), (0, 0, 1_000));
    assert_eq!(ledger.balance().resets_at.to_rfc3339(), "2026-04-30T22:00:00.000Z");
}

#[test]
fn p13_a_sleep_of_months_ends_in_the_period_of_the_day() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 100)));
    ledger.later(200 * DAY);
    assert_eq!(ledger.money(), (0, 0, 1_000));
    assert_eq!(ledger.balance().resets_at.to_rfc3339(), "2026-10-31T23:00:00.000Z");
    assert_eq!((ledger.row().cost, ledger.row().period_opened_at), (nano(100), START));
}

#[test]
fn p13_a_hold_across_the_boundary_settles_in_its_own_period() {
    let mut ledger = Ledger::with_budget(300);
    let eve = ledger.balance().resets_at.minus(SECOND);
    ledger.now = eve;
    reserved(ledger.apply(reserve_at(eve, 1, 100, 100)));
    ledger.later(MINUTE);
    assert_eq!(ledger.money(), (0, 0, 300), "the new period is whole");
    let now = ledger.now;
    reserved(ledger.apply(reserve_at(now, 2, 100, 100)));
    assert_eq!(charged(&ledger.apply(settle(1, 100, 100))), 300);
    assert_eq!(ledger.money(), (0, 300, 0));
    assert_eq!(ledger.row().period_opened_at, START);
}

#[test]
fn a_top_up_carries_over_and_pays_after_the_plan() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(top_up(1, 50));
    reserved(ledger.apply(reserve(2, 120, 0)));
    assert_eq!(ledger.money(), (0, 120, 30));
    ledger.apply(settle(2, 110, 0));
    assert_eq!((ledger.money(), ledger.balance().top_up), ((110, 0, 40), nano(40)));
    let next = ledger.balance().resets_at;
    ledger.now = next;
    assert_eq!((ledger.money(), ledger.balance().top_up), ((0, 0, 140), nano(40)));
}

#[test]
fn a_reset_by_hand_keeps_the_holds_with_the_old_period() {
    let mut ledger = Ledger::with_budget(1_000);
    ledger.apply(report(1, 500, 0));
    reserved(ledger.apply(reserve(2, 100, 100)));
    let ends = ledger.balance().resets_at;
    ledger.later(SECOND).apply(reset(9));
    assert_eq!(ledger.money(), (0, 0, 1_000));
    assert_eq!((ledger.balance().resets_at, ledger.balance().open_holds), (ends, 1));
    ledger.apply(settle(2, 100, 0));
    assert_eq!((ledger.money(), ledger.row().period_opened_at), ((0, 0, 1_000), START));
}

#[test]
fn p04_two_resets_at_once_are_one() {
    let mut ledger = Ledger::with_budget(1_000);
    ledger.later(SECOND).apply(reset(8));
    ledger.apply(report(1, 500, 0));
    ledger.apply(reset(9));
    assert_eq!(ledger.money(), (500, 0, 500));
}

#[test]
fn a_new_anchor_counts_from_the_next_period_on() {
    let mut ledger = Ledger::with_budget(1_000);
    let ends = ledger.balance().resets_at;
    let period = PeriodRule::Monthly { zone: Zone::UTC, anchor_day: 20 };
    ledger.configure(Configuration { version: 2, period, ..configuration(1_000) });
    assert_eq!(ledger.balance().resets_at, ends);
    ledger.now = ends;
    assert_eq!(ledger.balance().resets_at.to_rfc3339(), "2026-04-20T00:00:00.000Z");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn p13_ten_years_of_irregular_visits_reset_exactly_at_the_boundaries(
        anchor_day in 1u8..=31, hours in prop::collection::vec(1u32..=900, 200),
    ) {
        let period = PeriodRule::Monthly { zone: Zone::BERLIN, anchor_day };
        let mut ledger = Ledger::configured(Configuration { period, ..configuration(1_000) });
        let mut resets_at = ledger.balance().resets_at;
        let mut used = 0;
        for (id, hours) in hours.into_iter().enumerate() {
            ledger.later(HOUR * hours);
            ledger.apply(report(id as u64, 1, 0));
            let balance = ledger.balance();
            used = if ledger.now < resets_at { used + 1 } else { 1 };
            prop_assert_eq!(balance.used, nano(used));
            prop_assert!(balance.resets_at > ledger.now);
            resets_at = balance.resets_at;
        }
    }
}
