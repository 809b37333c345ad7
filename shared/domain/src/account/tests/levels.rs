//! Limits of keys beside those of the account: all that apply must agree.

use super::builders::*;
use crate::account::*;
use crate::rate_limit::{RateKind, RateLimits};

fn key(name: &str, budget: Option<i64>) -> Key {
    Key { budget: budget.map(nano), ..Key::new(name, key_hash(name)) }
}

fn with(ledger: &Ledger, name: &str, id: u64, input: u64) -> Reserve {
    Reserve { key: Some(key_hash(name)), ..reserve_at(ledger.now, id, input, 0) }
}

fn ledger(budget: i64, keys: Vec<Key>) -> Ledger {
    Ledger::configured(Configuration { keys, ..configuration(budget) })
}

#[test]
fn p15_a_keys_budget_stops_that_key_and_no_other() {
    let mut ledger = ledger(1_000, vec![key("small", Some(100)), key("large", None)]);
    reserved(ledger.apply(with(&ledger, "small", 1, 70)));
    let refusal = budget_refusal(ledger.apply(with(&ledger, "small", 2, 31)));
    let figures = refusal.figures;
    assert_eq!(
        (figures.source, figures.limit, figures.reserved, figures.remaining),
        (LimitSource::Key, nano(100), nano(70), nano(30))
    );
    reserved(ledger.apply(with(&ledger, "large", 3, 900)));
    ledger.apply(settle(1, 10, 0));
    reserved(ledger.apply(with(&ledger, "small", 4, 30)));
    assert_eq!(budget_refusal(ledger.apply(with(&ledger, "small", 5, 61))).figures.source, LimitSource::User);
    reserved(ledger.apply(with(&ledger, "small", 6, 60)));
}

#[test]
fn p15_budgets_of_key_and_user_and_both() {
    for (of_key, of_user, stopped_by) in [
        (100, 100, None),
        (99, 100, Some(LimitSource::Key)),
        (100, 99, Some(LimitSource::User)),
        (98, 99, Some(LimitSource::Key)),
        (99, 98, Some(LimitSource::User)),
    ] {
        let mut ledger = ledger(of_user, vec![key("k", Some(of_key))]);
        let reply = ledger.apply(with(&ledger, "k", 1, 100));
        match stopped_by {
            None => drop(reserved(reply)),
            Some(source) => assert_eq!(budget_refusal(reply).figures.source, source, "{of_key} {of_user}"),
        }
    }
}

#[test]
fn p15_p16_rates_of_key_and_user_name_the_one_that_stopped_it() {
    let limits = |requests| RateLimits { requests_per_minute: requests, tokens_per_minute: None };
    for (of_key, of_user, source, admitted) in [
        (Some(2), None, LimitSource::Key, 2),
        (None, Some(3), LimitSource::User, 3),
        (Some(2), Some(3), LimitSource::Key, 2),
        (Some(4), Some(3), LimitSource::User, 3),
    ] {
        let keys = vec![Key { rates: limits(of_key), ..key("k", None) }];
        let mut ledger =
            Ledger::configured(Configuration { keys, rates: limits(of_user), ..configuration(1_000) });
        for id in 0..admitted {
            reserved(ledger.apply(with(&ledger, "k", id, 1)));
        }
        match refusal(ledger.apply(with(&ledger, "k", 9, 1))) {
            Refusal::Rate(refusal) => {
                assert_eq!((refusal.source, refusal.kind), (source, RateKind::Requests));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn p16_a_key_gets_back_the_tokens_that_its_call_did_not_use() {
    let rates = RateLimits { requests_per_minute: None, tokens_per_minute: Some(100) };
    let mut ledger = ledger(1_000, vec![Key { rates, ..key("k", None) }]);
    reserved(ledger.apply(with(&ledger, "k", 1, 100)));
    ledger.apply(settle(1, 40, 0));
    reserved(ledger.apply(with(&ledger, "k", 2, 60)));
    assert!(matches!(refusal(ledger.apply(with(&ledger, "k", 3, 1))), Refusal::Rate(_)));
}

#[test]
fn a_limit_that_is_set_later_counts_from_the_periods_start() {
    let mut ledger = ledger(1_000, vec![key("k", None)]);
    reserved(ledger.apply(with(&ledger, "k", 1, 80)));
    ledger.apply(settle(1, 80, 0));
    let keys = vec![key("k", Some(100))];
    ledger.configure(Configuration { version: 2, keys, ..configuration(1_000) });
    let refusal = budget_refusal(ledger.apply(with(&ledger, "k", 2, 21)));
    assert_eq!((refusal.figures.used, refusal.figures.remaining), (nano(80), nano(20)));
}

#[test]
fn p13_a_key_starts_anew_with_its_account_and_old_holds_end_in_the_old_period() {
    let mut ledger = ledger(1_000, vec![key("k", Some(100))]);
    reserved(ledger.apply(with(&ledger, "k", 1, 100)));
    ledger.later(SECOND).apply(reset(7));
    reserved(ledger.apply(with(&ledger, "k", 2, 100)));
    ledger.apply(settle(1, 100, 0));
    ledger.apply(settle(2, 30, 0));
    reserved(ledger.apply(with(&ledger, "k", 3, 70)));
    budget_refusal(ledger.apply(with(&ledger, "k", 4, 1)));
}

#[test]
fn a_revoked_keys_meter_is_forgotten_while_its_call_still_ends() {
    let mut ledger = ledger(1_000, vec![key("k", Some(100))]);
    reserved(ledger.apply(with(&ledger, "k", 1, 100)));
    ledger.configure(Configuration { version: 2, ..configuration(1_000) });
    assert_eq!(ledger.state.parts_of(state::KEY_METER).count(), 0);
    assert_eq!(charged(&ledger.apply(settle(1, 60, 0))), 60);
    assert_eq!(ledger.state.parts_of(state::KEY_METER).count(), 0);
    assert_eq!(ledger.money(), (60, 0, 940));
}

#[test]
fn p01_a_late_settlement_rises_only_within_the_keys_budget() {
    let mut ledger = ledger(1_000, vec![key("k", Some(300))]);
    reserved(ledger.apply(Reserve { worst_case: tokens(100, 100), ..with(&ledger, "k", 1, 100) }));
    ledger.later(HOLD_TTL).apply(Command::Wake);
    assert_eq!(ledger.money(), (100, 0, 900));
    reserved(ledger.apply(with(&ledger, "k", 2, 150)));
    // 300 would be due; 100 are charged and 150 reserved of the key's 300.
    assert_eq!(charged(&ledger.apply(settle(1, 100, 100))), 150);
    budget_refusal(ledger.apply(with(&ledger, "k", 3, 1)));
}

#[test]
fn p02_a_keys_setting_allows_the_clamp() {
    let keys = vec![Key { clamp: true, ..key("k", Some(150)) }];
    let mut ledger = ledger(1_000, keys);
    let call = Reserve { worst_case: tokens(100, 100), ..with(&ledger, "k", 1, 100) };
    let reserved = reserved(ledger.apply(call));
    assert_eq!((reserved.output_ceiling, reserved.hold), (25, nano(150)));
}

#[test]
fn open_calls_are_limited_by_the_configuration() {
    let mut ledger = Ledger::configured(Configuration { concurrency: Some(2), ..configuration(1_000) });
    for id in 1..=2 {
        reserved(ledger.apply(reserve(id, 1, 0)));
    }
    assert_eq!(refusal(ledger.apply(reserve(3, 1, 0))), Refusal::TooManyHolds(2));
    ledger.apply(settle(1, 1, 0));
    reserved(ledger.apply(reserve(3, 1, 0)));
}
