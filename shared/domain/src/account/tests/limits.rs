//! Requests and tokens per minute.

use super::builders::*;
use crate::account::{Configuration, Key, LimitSource, RateRefusal, Refusal, Reply, Reserve};
use crate::price::Usage;
use crate::rate_limit::{RateKind, RateLimits};
use crate::time::Timestamp;
use proptest::prelude::*;

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
    assert_eq!((refusal.kind, refusal.limit, refusal.retry_after_ms), (RateKind::Requests, 10, Some(6_000)));
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

#[test]
fn a_limit_of_nothing_is_refused_for_good() {
    for (requests, tokens, kind) in [
        (Some(0), None, RateKind::Requests),
        (None, Some(0), RateKind::Tokens),
        (Some(0), Some(0), RateKind::Requests),
    ] {
        let mut ledger = limited(requests, tokens);
        let refusal = rate_refusal(ledger.apply(Reserve { clamp: true, ..reserve(1, 10, 10) }));
        assert_eq!((refusal.kind, refusal.limit, refusal.retry_after_ms), (kind, 0, None));
        assert_eq!(refusal.affordable_output, None);
    }
}

#[test]
fn a_call_larger_than_the_whole_limit_learns_what_fits_and_with_a_clamp_gets_it() {
    let mut ledger = limited(None, Some(1_000));
    let call = Reserve { choices: 3, ..reserve(1, 100, 4_096 * 3) };
    let refusal = rate_refusal(ledger.apply(call.clone()));
    assert_eq!((refusal.source, refusal.kind), (LimitSource::User, RateKind::Tokens));
    assert_eq!((refusal.limit, refusal.needed, refusal.retry_after_ms), (1_000, 100 + 4_096 * 3, None));
    assert_eq!(refusal.affordable_output, Some(900));
    let reserved = reserved(ledger.apply(Reserve { clamp: true, ..call }));
    assert_eq!((reserved.output_ceiling, reserved.hold), (900, nano(100 + 2 * 900)));
    assert_eq!(reserved.statuses.tokens.map(|status| status.remaining), Some(0));
    // What is not larger than the whole limit has to wait, and is not lowered.
    let now = ledger.now;
    let waits = rate_refusal(ledger.apply(Reserve { clamp: true, ..reserve_at(now, 2, 10, 10) }));
    assert_eq!(waits.retry_after_ms, Some(1_200));
}

#[test]
fn what_fits_no_output_at_all_names_none() {
    let mut ledger = limited(None, Some(100));
    let refusal = rate_refusal(ledger.apply(Reserve { choices: 2, clamp: true, ..reserve(1, 99, 50) }));
    assert_eq!((refusal.retry_after_ms, refusal.affordable_output), (None, None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// P2 and P15 of what is larger than whole limits: key's and user's, tokens and money.
    #[test]
    fn what_a_refusal_says_would_fit_passes_and_one_token_more_does_not(
        (input, output, choices) in (0u64..600, 1u64..3_000, 1u32..4),
        (of_key, of_user, budget) in (prop::option::of(0u64..1_500), prop::option::of(0u64..1_500), 0i64..8_000),
        other in 0u64..2,
    ) {
        let rates = |tokens_per_minute| RateLimits { requests_per_minute: None, tokens_per_minute };
        let fresh = || Ledger::configured(Configuration {
            rates: rates(of_user),
            keys: vec![Key { rates: rates(of_key), ..Key::new("k", key_hash("k")) }],
            ..configuration(budget)
        });
        let each = u64::from(choices);
        let call = |output: u64, clamp| Reserve {
            key: Some(key_hash("k")), choices, clamp,
            worst_case: Usage { cached_input: other, ..tokens(input, output * each) },
            ..reserve(1, input, 0)
        };
        let passes = |output| matches!(fresh().apply(call(output, false)), Reply::Reserved(_));
        let affordable = match fresh().apply(call(output, false)) {
            Reply::Refused(Refusal::Rate(refusal)) => {
                // Nothing else was asked for before, so nothing has to wait.
                prop_assert_eq!(refusal.retry_after_ms, None);
                prop_assert!(refusal.needed > refusal.limit || refusal.limit == 0);
                refusal.affordable_output
            }
            Reply::Refused(Refusal::Budget(refusal)) => refusal.affordable_output,
            reply => {
                prop_assert!(matches!(reply, Reply::Reserved(_)), "{reply:?}");
                return Ok(());
            }
        };
        let clamped = fresh().apply(call(output, true));
        match affordable {
            Some(affordable) => {
                prop_assert_eq!(affordable % each, 0);
                prop_assert!(passes(affordable / each) && !passes(affordable / each + 1));
                prop_assert!(
                    matches!(&clamped, Reply::Reserved(reserved) if reserved.output_ceiling == affordable),
                    "{clamped:?}"
                );
            }
            None => prop_assert!(!passes(1) && matches!(clamped, Reply::Refused(_)), "{clamped:?}"),
        }
    }
}
