//! Edits: versioned, and never of spend.

use super::builders::*;
use crate::account::{Command, Configuration, Refusal, Reply};

#[test]
fn an_account_that_was_never_configured_stores_nothing() {
    let commands: [Command; 13] = [
        reserve(1, 1, 1).into(),
        settle(1, 1, 1).into(),
        checkpoint(1, 1, 1).into(),
        release(1).into(),
        report(1, 1, 1).into(),
        top_up(1, 1).into(),
        adjust(1, 1).into(),
        refund(1, 1).into(),
        reset(1).into(),
        Command::GiveBack(0),
        Command::Inspect,
        Command::Wake,
        Command::Authorize(key_hash("any")),
    ];
    let mut ledger = Ledger::unconfigured();
    for command in commands {
        let reply = ledger.apply(command);
        assert!(matches!(reply, Reply::NotConfigured | Reply::Refused(Refusal::InvalidKey)), "{reply:?}");
        assert_eq!(ledger.state.head, Default::default());
        assert!(ledger.hold(1).is_none() && ledger.operation(1).is_none() && ledger.rows.is_empty());
    }
}

#[test]
fn p14_an_older_or_repeated_version_changes_nothing() {
    let mut ledger = Ledger::configured(Configuration { version: 5, ..configuration(1_000) });
    for version in [4, 5] {
        ledger.configure(Configuration { version, ..configuration(1) });
        let balance = ledger.balance();
        assert_eq!((balance.budget, balance.configuration_version), (nano(1_000), 5));
    }
}

#[test]
fn p14_edits_during_calls_never_touch_spend() {
    let mut ledger = Ledger::with_budget(1_000_000);
    for id in 0..1_000 {
        reserved(ledger.apply(reserve(id, 10, 10)));
        let budget = if id % 2 == 0 { 500_000 } else { 1_000_000 };
        let tenant_id = format!("tenant {id}");
        ledger.configure(Configuration { version: 2 + id, tenant_id, ..configuration(budget) });
    }
    assert_eq!(ledger.money(), (0, 30_000, 970_000));
    for id in 0..1_000 {
        ledger.apply(settle(id, 10, 5));
    }
    assert_eq!(ledger.money(), (20_000, 0, 980_000));
    assert_eq!(ledger.rows[7].tenant_id, "tenant 6", "a call belongs to the tenant it began under");
}

#[test]
fn p01_a_lowered_budget_shows_as_over_and_stops_new_calls_only() {
    let mut ledger = Ledger::with_budget(1_000);
    ledger.apply(report(1, 400, 0));
    reserved(ledger.apply(reserve(2, 100, 100)));
    ledger.configure(Configuration { version: 2, ..configuration(500) });
    let balance = ledger.balance();
    assert_eq!((balance.remaining, balance.over, balance.limit), (nano(0), nano(200), nano(500)));
    budget_refusal(ledger.apply(reserve(3, 1, 0)));
    assert_eq!(charged(&ledger.apply(settle(2, 100, 100))), 300);
    ledger.apply(top_up(4, 201));
    reserved(ledger.apply(reserve(5, 1, 0)));
    budget_refusal(ledger.apply(reserve(6, 1, 0)));
}
