//! Requests and tokens per minute.

use super::builders::*;
use crate::account::{Configuration, RateRefusal, Refusal, Reply};
use crate::rate_limit::{RateKind, RateLimits};
use crate::time::Timestamp;

fn limited(requests: Option<u64>, tokens: Option<u64>) -> Ledger {
    Ledger::configured(Configuration {
        rates: RateLimits { requests_per_minute: requests, tokens_per_minute: tokens },
        ..configuration(1_000_000)
    })
}

fn rate_refusal(reply: Reply) -> RateRefusal {
    match refusal(reply) {
        Refusal::Rate(refusal) => refusal,
        other => panic!("another refusal: {other:?}"),
    }
}

fn call(ledger: &mut Ledger, id: u64, tokens: u64) -> Reply {
    let now = ledger.now;
    ledger.apply(reserve_at(now, id, tokens, 0))
}

#[test]
fn p16_a_burst_starts_exactly_the_limit_and_the_refusal_says_when_to_return() {
    let mut ledger = limited(Some(10), None);
    for id in 0..10 {
        reserved(call(&mut ledger, id, 1));
    }
    let refusal = rate_refusal(call(&mut ledger, 10, 1));
    assert_eq!((refusal.kind, refusal.limit, refusal.retry_after_ms), (RateKind::Requests, 10, 6_000));
    ledger.later(6 * SECOND);
    reserved(call(&mut ledger, 10, 1));
    rate_refusal(call(&mut ledger, 11, 1));
}

#[test]
fn p16_a_refused_call_takes_nothing_from_the_limits() {
    let mut ledger = limited(Some(2), Some(100));
    for _ in 0..5 {
        assert_eq!(rate_refusal(call(&mut ledger, 1, 101)).kind, RateKind::Tokens);
    }
    let reserved = reserved(call(&mut ledger, 1, 100));
    assert_eq!(reserved.statuses.requests.map(|status| status.remaining), Some(1));
    assert_eq!(reserved.statuses.tokens.map(|status| status.remaining), Some(0));
}

#[test]
fn p16_tokens_that_a_call_did_not_use_are_given_back() {
    let mut ledger = limited(None, Some(1_000));
    reserved(call(&mut ledger, 1, 1_000));
    rate_refusal(call(&mut ledger, 2, 900));
    ledger.apply(settle(1, 100, 0));
    reserved(call(&mut ledger, 2, 900));
    ledger.apply(release(2));
    reserved(call(&mut ledger, 3, 900));
}

#[test]
fn p16_what_time_has_given_back_is_not_given_back_again() {
    let mut ledger = limited(None, Some(1_000));
    reserved(call(&mut ledger, 1, 1_000));
    ledger.later(MINUTE);
    reserved(call(&mut ledger, 2, 1_000));
    ledger.apply(settle(1, 1, 0));
    rate_refusal(call(&mut ledger, 3, 10));
}

#[test]
fn p16_a_call_from_before_there_was_a_limit_gives_nothing_back() {
    let mut ledger = limited(None, None);
    reserved(call(&mut ledger, 1, 1_000));
    let rates = RateLimits { tokens_per_minute: Some(100), ..RateLimits::default() };
    let configuration = Configuration { version: 2, rates, ..configuration(1_000_000) };
    ledger.configure(configuration);
    reserved(call(&mut ledger, 2, 100));
    ledger.apply(release(1));
    rate_refusal(call(&mut ledger, 3, 100));
}

#[test]
fn a_clock_that_runs_back_frees_nothing() {
    let mut ledger = limited(Some(1), None);
    ledger.later(HOUR);
    reserved(call(&mut ledger, 1, 1));
    let now = ledger.now;
    ledger.now = Timestamp::EPOCH;
    rate_refusal(ledger.apply(reserve_at(now, 2, 1, 0)));
    assert_eq!(ledger.state.head.last_seen, now);
}
