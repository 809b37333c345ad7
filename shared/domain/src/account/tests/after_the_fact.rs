//! Refunds, debt, what reports exceeded, closing, notices, care.

use super::builders::*;
use crate::account::*;
use crate::lease::Want;

#[test]
fn a_refund_takes_the_free_top_up_and_the_rest_is_owed() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(top_up(1, 500));
    reserved(ledger.apply(reserve(2, 300, 0)));
    // 200 of the top-up are held by the call.
    ledger.apply(refund(3, 400));
    assert_eq!((ledger.balance().top_up, ledger.balance().debt), (nano(200), nano(100)));
    ledger.apply(settle(2, 300, 0));
    assert_eq!(ledger.money(), (300, 0, 0));
}

#[test]
fn debt_is_paid_by_the_next_top_up_and_never_by_plan_money() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(refund(1, 50));
    assert_eq!((ledger.money(), ledger.balance().debt), ((0, 0, 100), nano(50)));
    ledger.apply(top_up(2, 30));
    assert_eq!((ledger.balance().top_up, ledger.balance().debt), (nano(0), nano(20)));
    ledger.apply(top_up(3, 30));
    assert_eq!((ledger.balance().top_up, ledger.balance().debt), (nano(10), nano(0)));
}

#[test]
fn p04_a_repeated_refund_takes_once() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(top_up(1, 500));
    for _ in 0..3 {
        ledger.apply(refund(2, 100));
    }
    assert_eq!(ledger.balance().top_up, nano(400));
}

#[test]
fn what_a_report_took_beyond_everything_the_next_top_up_pays() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(report(1, 250, 0));
    assert_eq!(ledger.balance().over, nano(150));
    ledger.apply(top_up(2, 200));
    assert_eq!((ledger.money(), ledger.balance().top_up), ((250, 0, 50), nano(50)));
    // It does not come back with the new period.
    ledger.later(SECOND).apply(reset(3));
    assert_eq!((ledger.money(), ledger.balance().top_up), ((0, 0, 150), nano(50)));
}

#[test]
fn p14_a_lowered_budget_takes_nothing_from_a_top_up() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(report(1, 100, 0));
    ledger.configure(Configuration { version: 2, ..configuration(40) });
    ledger.apply(top_up(2, 200));
    assert_eq!((ledger.balance().over, ledger.balance().top_up), (nano(0), nano(200)));
    ledger.later(SECOND).apply(reset(3));
    assert_eq!(ledger.balance().top_up, nano(200));
}

#[test]
fn a_credit_covers_what_a_report_exceeded() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(report(1, 150, 0));
    ledger.apply(adjust(2, -50));
    ledger.apply(top_up(3, 10));
    assert_eq!((ledger.money(), ledger.balance().top_up), ((100, 0, 10), nano(10)));
}

#[test]
fn a_hold_of_an_amount_ends_with_the_report_that_names_it() {
    let mut ledger = Ledger::with_budget(1_000);
    let hold = |id| Reserve { amount: Some(nano(400)), ..reserve(id, 0, 0) };
    assert_eq!(reserved(ledger.apply(hold(1))).hold, nano(400));
    assert_eq!(ledger.money(), (0, 400, 600));
    let report = Report { hold: Some(request_id(1)), ..report(2, 550, 0) };
    assert_eq!(charged(&ledger.apply(report.clone())), 550);
    assert_eq!(ledger.money(), (550, 0, 450));
    assert!(matches!(ledger.apply(report), Reply::Repeated(_)));
    assert_eq!(ledger.money(), (550, 0, 450));
    budget_refusal(ledger.apply(Reserve { amount: Some(nano(451)), ..reserve(3, 0, 0) }));
}

#[test]
fn p05_a_hold_of_an_amount_that_nobody_ends_costs_nothing() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(Reserve { amount: Some(nano(400)), ..reserve(1, 0, 0) }));
    ledger.later(HOLD_TTL).apply(Command::Wake);
    assert_eq!((ledger.money(), ledger.rows.len()), ((0, 0, 1_000), 0));
    // Its report comes late, and is charged in full.
    ledger.apply(Report { hold: Some(request_id(1)), ..report(2, 300, 0) });
    assert_eq!(ledger.money(), (300, 0, 700));
}

#[test]
fn a_report_does_not_end_a_calls_hold() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 0)));
    ledger.apply(Report { hold: Some(request_id(1)), ..report(2, 10, 0) });
    assert_eq!(ledger.money(), (10, 100, 890));
}

#[test]
fn a_closed_account_ends_its_calls_and_admits_nothing_for_good() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(reserve(1, 100, 0)));
    ledger.configure(Configuration { version: 2, closed: true, ..configuration(1_000) });
    assert_eq!(refusal(ledger.apply(reserve(2, 1, 0))), Refusal::UserInactive);
    assert_eq!(refusal(ledger.apply(report(3, 1, 0))), Refusal::Closed);
    assert_eq!(refusal(ledger.apply(top_up(4, 1))), Refusal::Closed);
    assert_eq!(charged(&ledger.apply(settle(1, 40, 0))), 40);
    ledger.configure(Configuration { version: 3, ..configuration(1_000) });
    assert_eq!(refusal(ledger.apply(reserve(5, 1, 0))), Refusal::UserInactive);
    assert!(ledger.balance().closed);
}

#[test]
fn a_closed_account_gives_its_lease_back_when_its_last_call_has_ended() {
    let pool = PoolTerms {
        name: "eu-tenant".into(),
        money: true,
        requests: false,
        tokens: false,
        period: crate::civil_time::PeriodRule::DEFAULT,
    };
    let mut ledger = Ledger::configured(Configuration { pool: Some(pool.clone()), ..configuration(1_000) });
    let Reply::NeedsGrant(needs) = ledger.apply(reserve(1, 100, 0)) else { panic!("nothing is leased") };
    let grant = crate::lease::Grant {
        period_opened_at: needs.want.period_opened_at,
        period_ends_at: ledger.now.plus(DAY),
        epoch: needs.want.epoch,
        granted: nano(500),
        ..crate::lease::Grant::default()
    };
    reserved(ledger.apply(Reserve { grant: Some(Box::new(grant)), ..reserve(1, 100, 0) }));
    let closed = Configuration { version: 2, closed: true, pool: Some(pool), ..configuration(1_000) };
    ledger.configure(closed);
    assert!(ledger.wants.is_empty());
    ledger.apply(settle(1, 60, 0));
    let [Want { base, target, used, epoch: 1, gives_back: true, .. }] = ledger.wants[..] else {
        panic!("{:?}", ledger.wants)
    };
    assert_eq!((base, target, used), (nano(60), nano(60), nano(60)));
    ledger.apply(Command::Wake);
    assert_eq!(ledger.wants.len(), 1);
}

#[test]
fn p27_each_share_of_a_budget_is_told_once_per_period() {
    let mut ledger = Ledger::with_budget(1_000);
    let mut id = 0;
    let mut spend = |ledger: &mut Ledger, cost| {
        id += 1;
        reserved(ledger.apply(reserve_at(ledger.now, id, cost, 0)));
        ledger.apply(settle(id, cost, 0));
    };
    let told = |ledger: &Ledger| ledger.notices.iter().map(|notice| notice.percent).collect::<Vec<_>>();
    spend(&mut ledger, 499);
    assert!(told(&ledger).is_empty());
    spend(&mut ledger, 1);
    spend(&mut ledger, 10);
    assert_eq!(told(&ledger), [50]);
    // Two at once.
    spend(&mut ledger, 445);
    assert_eq!(told(&ledger), [50, 80, 95]);
    // 45 are left: a call of 100 could be smaller, one of input alone could not.
    budget_refusal(ledger.apply(reserve_at(ledger.now, 90, 10, 100)));
    assert_eq!(told(&ledger).len(), 3);
    for _ in 0..3 {
        budget_refusal(ledger.apply(reserve_at(ledger.now, 91, 100, 0)));
    }
    assert_eq!(told(&ledger), [50, 80, 95, 100]);
    ledger.apply(adjust(500, -900));
    spend(&mut ledger, 900);
    assert_eq!(told(&ledger).len(), 4);
    ledger.later(SECOND).apply(reset(501));
    spend(&mut ledger, 500);
    assert_eq!(told(&ledger), [50, 80, 95, 100, 50]);
    let ids: std::collections::BTreeSet<_> = ledger.notices.iter().map(|notice| notice.id("eu-1")).collect();
    assert_eq!(ids.len(), 5, "each has an id of its own");
}

#[test]
fn p27_a_call_that_ran_out_is_told_of_when_it_is_charged() {
    let mut ledger = Ledger::with_budget(100);
    reserved(ledger.apply(reserve(1, 60, 0)));
    ledger.apply(checkpoint(1, 60, 0));
    ledger.later(HOUR).apply(Command::Wake);
    let told: Vec<_> = ledger.notices.iter().map(|notice| notice.percent).collect();
    assert_eq!(told, [50]);
}

#[test]
fn an_account_that_repeats_overruns_reserves_more() {
    let mut ledger = Ledger::with_budget(100_000);
    for id in 1..=2 {
        assert_eq!(reserved(ledger.apply(reserve(id, 100, 0))).hold, nano(100));
        ledger.apply(settle(id, 250, 0));
        assert_eq!((ledger.row().cost, ledger.row().overrun), (nano(100), nano(150)));
    }
    assert_eq!(reserved(ledger.apply(reserve(3, 100, 0))).hold, nano(250));
    ledger.apply(settle(3, 250, 0));
    assert_eq!((ledger.row().cost, ledger.row().overrun), (nano(250), nano(0)));
}

#[test]
fn resets_by_hand_are_limited_while_calls_of_the_old_periods_are_open() {
    let mut ledger = Ledger::with_budget(100_000);
    let mut resets = 0;
    for id in 0..40 {
        let now = ledger.later(SECOND).now;
        reserved(ledger.apply(reserve_at(now, id, 1, 0)));
        ledger.later(SECOND);
        resets += u64::from(!matches!(ledger.apply(reset(100 + id)), Reply::Refused(Refusal::TooManyResets)));
    }
    // With the present one, sixteen periods are open.
    assert_eq!(resets, 15);
    for id in 0..40 {
        ledger.apply(settle(id, 1, 0));
    }
    ledger.later(SECOND);
    assert!(matches!(ledger.apply(reset(999)), Reply::Settled(_)));
    assert_eq!(ledger.state.head.periods.len(), 2, "the present one and the last");
}
