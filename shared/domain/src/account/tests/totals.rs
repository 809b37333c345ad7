//! What is no call: reports, top-ups, corrections by hand.

use super::builders::*;
use crate::account::{Refusal, Report, RowKind};
use crate::price::Tariff;

#[test]
fn a_report_is_charged_in_full_and_shows_as_over() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(top_up(1, 30));
    assert_eq!(charged(&ledger.apply(report(2, 150, 0))), 150);
    let balance = ledger.balance();
    assert_eq!((balance.used, balance.over, balance.top_up), (nano(150), nano(20), nano(0)));
    assert_eq!((ledger.row().kind, ledger.row().note.as_deref()), (RowKind::Report, Some("2")));
    budget_refusal(ledger.apply(reserve(3, 0, 0)));
}

#[test]
fn p01_a_report_takes_no_money_that_a_call_has_reserved() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(top_up(1, 100));
    reserved(ledger.apply(reserve(2, 200, 0)));
    ledger.apply(report(3, 70, 0));
    assert_eq!(ledger.balance().over, nano(70));
    assert_eq!(charged(&ledger.apply(settle(2, 200, 0))), 200);
    assert_eq!((ledger.balance().used, ledger.balance().top_up), (nano(270), nano(0)));
}

#[test]
fn a_stated_cost_is_taken_as_it_is_and_never_as_a_credit() {
    let mut ledger = Ledger::with_budget(100);
    let stated = |id, cost| Report { cost: Some(nano(cost)), tariff: Tariff::default(), ..report(id, 1, 1) };
    assert_eq!(charged(&ledger.apply(stated(1, 33))), 33);
    assert_eq!(charged(&ledger.apply(stated(2, -50))), 0);
    assert_eq!(ledger.money(), (33, 0, 67));
}

#[test]
fn p08_a_report_without_price_or_rate_is_refused_and_can_be_sent_again() {
    let mut ledger = Ledger::with_budget(100);
    let rateless = Tariff { eur_per_usd_millionths: 0, ..tariff() };
    for tariff in [Tariff::default(), rateless] {
        assert_eq!(refusal(ledger.apply(Report { tariff, ..report(1, 1, 1) })), Refusal::Unpriced);
    }
    assert_eq!(charged(&ledger.apply(report(1, 1, 1))), 3);
}

#[test]
fn an_adjustment_uses_up_the_top_up_after_the_plan() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(top_up(1, 100));
    ledger.apply(adjust(2, 150));
    assert_eq!((ledger.money(), ledger.balance().top_up), ((150, 0, 50), nano(50)));
    ledger.now = ledger.balance().resets_at;
    assert_eq!(ledger.money(), (0, 0, 150), "what the top-up paid does not come back with the plan");
}

#[test]
fn a_credit_can_be_spent_in_this_period_only() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(adjust(1, -40));
    let balance = ledger.balance();
    assert_eq!((balance.used, balance.remaining, balance.limit), (nano(-40), nano(140), nano(100)));
    reserved(ledger.apply(reserve(2, 140, 0)));
    budget_refusal(ledger.apply(reserve(3, 1, 0)));
    ledger.apply(settle(2, 140, 0));
    ledger.now = ledger.balance().resets_at;
    assert_eq!(ledger.money(), (0, 0, 100));
}

#[test]
fn a_negative_top_up_takes_nothing() {
    let mut ledger = Ledger::with_budget(0);
    ledger.apply(top_up(1, 100));
    reserved(ledger.apply(reserve(2, 100, 0)));
    ledger.apply(top_up(3, -100));
    assert_eq!(ledger.money(), (0, 100, 0));
}
