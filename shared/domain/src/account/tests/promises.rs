//! A hold is a promise: it ends as it would have, whatever happened to its user meanwhile.

use super::builders::*;
use crate::account::*;

fn hold(id: u64, amount: i64) -> Reserve {
    Reserve { amount: Some(nano(amount)), ..reserve(id, 0, 0) }
}

fn report_of(hold: u64, operation: u64, cost: i64) -> Report {
    Report { cost: Some(nano(cost)), hold: Some(request_id(hold)), ..report(operation, 0, 0) }
}

/// What may happen to a user while a hold is open.
fn changes() -> Vec<(&'static str, Configuration)> {
    let new = || Configuration { version: 2, ..configuration(1_000) };
    vec![
        ("closed", Configuration { closed: true, ..new() }),
        ("suspended", Configuration { user_status: Status::Suspended, ..new() }),
        ("tenant suspended", Configuration { tenant_status: Status::Suspended, ..new() }),
        ("tenant moved", Configuration { tenant_id: "another".into(), ..new() }),
        ("budget lowered", Configuration { budget: nano(0), ..new() }),
        ("keys gone", Configuration { keys: Vec::new(), ..new() }),
    ]
}

#[test]
fn a_report_that_names_an_open_hold_is_taken_whatever_happened_to_its_user() {
    for (what, change) in changes() {
        let mut ledger = Ledger::with_budget(1_000);
        reserved(ledger.apply(hold(1, 300)));
        ledger.configure(change);
        assert_eq!(charged(&ledger.apply(report_of(1, 2, 250))), 250, "{what}");
        assert_eq!((ledger.rows.len(), ledger.row().cost), (1, nano(250)), "{what}");
        assert_eq!(ledger.row().tenant_id, "tenant", "{what}");
        assert_eq!((ledger.balance().used, ledger.balance().reserved), (nano(250), nano(0)), "{what}");
        assert!(matches!(ledger.apply(report_of(1, 2, 250)), Reply::Repeated(_)), "{what}");
    }
}

#[test]
fn what_exceeds_the_hold_is_charged_in_full_of_a_closed_user_too() {
    let mut ledger = Ledger::with_budget(300);
    reserved(ledger.apply(hold(1, 300)));
    ledger.configure(Configuration { version: 2, closed: true, ..configuration(300) });
    assert_eq!(charged(&ledger.apply(report_of(1, 2, 450))), 450);
    assert_eq!((ledger.balance().used, ledger.balance().over), (nano(450), nano(150)));
    // The hold has ended: nothing more is taken under it.
    assert_eq!(refusal(ledger.apply(report_of(1, 3, 1))), Refusal::Closed);
}

#[test]
fn a_closed_users_hold_that_ran_out_or_a_calls_hold_admits_no_report() {
    let mut ledger = Ledger::with_budget(1_000);
    reserved(ledger.apply(hold(1, 300)));
    reserved(ledger.apply(reserve(2, 100, 0)));
    ledger.configure(Configuration { version: 2, closed: true, ..configuration(1_000) });
    assert_eq!(refusal(ledger.apply(report_of(2, 3, 1))), Refusal::Closed);
    ledger.later(HOLD_TTL).apply(Command::Wake);
    assert_eq!(refusal(ledger.apply(report_of(1, 4, 1))), Refusal::Closed);
}

#[test]
fn a_hold_ends_in_its_own_period_and_what_exceeds_it_counts_now() {
    let mut ledger = Ledger::with_budget(300);
    reserved(ledger.apply(hold(1, 300)));
    ledger.later(SECOND).apply(reset(2));
    assert_eq!(charged(&ledger.apply(report_of(1, 3, 310))), 310);
    assert_eq!(ledger.money(), (10, 0, 290));
    let told: Vec<_> =
        ledger.rows.iter().map(|row| (row.kind, row.cost, row.period_opened_at == START)).collect();
    assert_eq!(told, [(RowKind::Report, nano(300), true), (RowKind::Correction, nano(10), false)]);
}

#[test]
fn a_revoked_keys_call_settles_and_a_closed_users_hold_can_be_released() {
    let keys = vec![Key::new("k", key_hash("k"))];
    let mut ledger = Ledger::configured(Configuration { keys, ..configuration(1_000) });
    reserved(ledger.apply(Reserve { key: Some(key_hash("k")), ..reserve(1, 100, 0) }));
    reserved(ledger.apply(hold(2, 50)));
    ledger.configure(Configuration { version: 2, closed: true, ..configuration(1_000) });
    assert_eq!(ledger.apply(checkpoint(1, 50, 0)), Reply::Done);
    assert_eq!(charged(&ledger.apply(settle(1, 80, 0))), 80);
    assert_eq!(charged(&ledger.apply(release(2))), 0);
    assert_eq!((ledger.money(), ledger.balance().open_holds), ((80, 0, 920), 0));
}

#[test]
fn p05_a_closed_account_gives_back_all_that_its_reported_hold_did_not_need() {
    let pool = PoolTerms {
        name: "eu-tenant".into(),
        money: true,
        requests: false,
        tokens: false,
        period: crate::civil_time::PeriodRule::DEFAULT,
    };
    let with_pool =
        |version, closed| Configuration { version, closed, pool: Some(pool.clone()), ..configuration(1_000) };
    let mut ledger = Ledger::configured(with_pool(1, false));
    let Reply::NeedsGrant(needs) = ledger.apply(hold(1, 300)) else { panic!("nothing is leased") };
    let grant = crate::lease::Grant {
        period_opened_at: needs.want.period_opened_at,
        period_ends_at: ledger.now.plus(DAY),
        epoch: needs.want.epoch,
        granted: nano(500),
        ..crate::lease::Grant::default()
    };
    reserved(ledger.apply(Reserve { grant: Some(Box::new(grant)), ..hold(1, 300) }));
    ledger.configure(with_pool(2, true));
    assert_eq!(charged(&ledger.apply(report_of(1, 2, 250))), 250);
    let share = &ledger.state.head.tenant;
    assert_eq!((share.used, share.reserved, share.granted), (nano(250), nano(0), nano(250)));
    assert_eq!(ledger.wants.last().map(|want| (want.base, want.used)), Some((nano(250), nano(250))));
}
