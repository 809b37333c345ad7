//! Hosts' clocks differ: nobody is locked out, and nothing opens twice.

use super::builders::*;
use crate::account::{Configuration, ENDED_MAX, HOLD_TTL, Key, Refusal, Reply, Reserve};
use crate::host_clocks::SKEW_MAX;
use crate::rate_limit::RateLimits;
use crate::time::Timestamp;
use core::time::Duration;
use proptest::prelude::*;

/// When the first period of the builders' configuration ends.
const BOUNDARY: Timestamp = Timestamp::from_millis(1_774_994_400_000);

/// As a proxy does it: under its own clock, and where the account counts with another time once more under that and
/// another id. The id that the call is under.
#[track_caller]
fn call(ledger: &mut Ledger, callers_clock: Timestamp, id: u64, tokens: u64) -> Result<Reserve, Refusal> {
    let mut reserve = reserve_at(callers_clock, id, tokens, 0);
    let mut reply = ledger.apply(reserve.clone());
    if let Reply::Refused(Refusal::TooLate(moment)) = reply {
        reserve.request_id = request_id(id + 1_000_000);
        reserve.valid_until = moment.valid_until();
        reserve.after_ends = Some(moment.ends);
        reply = ledger.apply(reserve.clone());
    }
    match reply {
        Reply::Reserved(_) => Ok(reserve),
        Reply::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

/// The same, from the host that the account is on.
#[track_caller]
fn call_now(ledger: &mut Ledger, id: u64, tokens: u64) -> Result<Reserve, Refusal> {
    let now = ledger.now;
    call(ledger, now, id, tokens)
}

fn end(ledger: &mut Ledger, call: &Reserve) {
    let mut settle = settle(0, call.worst_case.input, 0);
    settle.request_id = call.request_id;
    assert!(matches!(ledger.apply(settle), Reply::Settled(_)));
}

fn off(now: Timestamp, milliseconds: i64) -> Timestamp {
    Timestamp::from_millis(now.as_millis() + milliseconds)
}

#[test]
fn p31_a_clock_that_was_two_minutes_ahead_for_one_call_locks_nobody_out() {
    let mut ledger = Ledger::with_budget(1_000);
    ledger.now = START.plus(2 * MINUTE);
    let ahead = call(&mut ledger, START.plus(2 * MINUTE), 1, 10).unwrap();
    end(&mut ledger, &ahead);
    for second in 0..300 {
        ledger.now = START.plus(SECOND * second);
        let now = ledger.now;
        let own = call(&mut ledger, now, 10 + u64::from(second), 1).unwrap();
        end(&mut ledger, &own);
    }
    assert_eq!(ledger.money(), (310, 0, 690));
}

#[test]
fn p31_a_replayed_reserve_of_either_try_opens_nothing_at_once_and_a_day_later() {
    let mut ledger = Ledger::with_budget(1_000);
    ledger.now = START.plus(2 * MINUTE);
    let ahead = call(&mut ledger, START.plus(2 * MINUTE), 1, 10).unwrap();
    end(&mut ledger, &ahead);
    ledger.now = START;
    let first_try = reserve_at(START, 2, 10, 0);
    let second_try = call(&mut ledger, START, 2, 10).unwrap();
    assert_ne!(second_try.request_id, first_try.request_id);
    end(&mut ledger, &second_try);
    for later in [Duration::ZERO, SECOND, 2 * MINUTE, 5 * MINUTE, DAY] {
        ledger.now = START.plus(later);
        for replayed in [&ahead, &first_try, &second_try] {
            too_late(ledger.apply(replayed.clone()));
        }
    }
    assert_eq!(ledger.money(), (20, 0, 980));
}

#[test]
fn p31_a_month_that_one_host_begins_minutes_early_is_one_month_with_one_budget() {
    let mut ledger = Ledger::with_budget(10);
    ledger.now = off(BOUNDARY, -60_000);
    let now = ledger.now;
    let last = call(&mut ledger, now, 1, 10).unwrap();
    end(&mut ledger, &last);
    ledger.now = off(BOUNDARY, 60_000);
    let early = call_now(&mut ledger, 2, 10).unwrap();
    end(&mut ledger, &early);
    for (id, minutes) in (3..).zip([-1, 0, 1, 2, 3, 30, 10_000]) {
        ledger.now = off(BOUNDARY, minutes * 60_000);
        let now = ledger.now;
        assert!(matches!(call(&mut ledger, now, id, 1), Err(Refusal::Budget(_))), "{minutes}");
    }
    ledger.now = BOUNDARY.plus(DAY * 30);
    let next = call_now(&mut ledger, 100, 10).unwrap();
    end(&mut ledger, &next);
    assert_eq!(ledger.rows.len(), 3);
}

#[test]
fn p31_limits_per_minute_fill_again_while_the_others_catch_up() {
    let rates = RateLimits { requests_per_minute: Some(1), tokens_per_minute: None };
    let mut ledger = Ledger::configured(Configuration { rates, ..configuration(1_000) });
    ledger.now = START.plus(SKEW_MAX);
    call(&mut ledger, START.plus(SKEW_MAX), 1, 1).unwrap();
    ledger.now = START;
    assert!(matches!(call(&mut ledger, START, 2, 1), Err(Refusal::Rate(_))));
    // At half the speed a minute's limit takes two.
    ledger.now = START.plus(2 * MINUTE);
    call(&mut ledger, START.plus(2 * MINUTE), 3, 1).unwrap();
}

#[test]
fn p31_holds_end_while_the_others_catch_up() {
    let mut ledger = Ledger::with_budget(1_000);
    ledger.now = START.plus(SKEW_MAX);
    call(&mut ledger, START.plus(SKEW_MAX), 1, 1).unwrap();
    ledger.now = START;
    call(&mut ledger, START, 2, 1).unwrap();
    ledger.now = START.plus(2 * HOLD_TTL);
    assert_eq!(ledger.money(), (2, 0, 998));
}

#[test]
fn p31_on_a_busy_account_a_host_that_is_seconds_behind_is_admitted_under_the_accounts_time() {
    let mut ledger = Ledger::with_budget(100_000);
    let ahead = START.plus(5 * SECOND);
    for id in 0..2 * ENDED_MAX as u64 {
        let other = call(&mut ledger, ahead.plus(Duration::from_millis(id)), id, 1).unwrap();
        end(&mut ledger, &other);
        let own = call(&mut ledger, START.plus(Duration::from_millis(id)), 1_000 + id, 1).unwrap();
        end(&mut ledger, &own);
        // What a caller was told holds as long as fewer calls end than are remembered.
        too_late(ledger.apply(own));
    }
    let moment = too_late(ledger.apply(reserve(5_000, 1, 0)));
    let late =
        Reserve { valid_until: moment.valid_until(), after_ends: Some(moment.ends), ..reserve(5_001, 1, 0) };
    for id in 0..ENDED_MAX as u64 + 1 {
        let other = call(&mut ledger, ahead.plus(MINUTE), 10_000 + id, 1).unwrap();
        end(&mut ledger, &other);
    }
    too_late(ledger.apply(late));
}

fn years_ahead(budget: i64) -> Ledger {
    let keys = vec![Key { expires: Some(START.plus(DAY * 90)), ..Key::new("k", key_hash("k")) }];
    let mut ledger = Ledger::configured(Configuration { keys, ..configuration(budget) });
    let before = call(&mut ledger, START, 1, 8).unwrap();
    end(&mut ledger, &before);
    ledger.now = START.plus(DAY * 1_000);
    call_now(&mut ledger, 2, 1).unwrap();
    ledger
}

#[test]
fn p31_a_clock_that_was_years_ahead_locks_no_account_for_longer_than_ten_minutes() {
    let mut ledger = years_ahead(10);
    for minute in 0..10 {
        ledger.now = START.plus(MINUTE * minute);
        call_now(&mut ledger, 10 + u64::from(minute), 0).unwrap();
    }
    ledger.now = START.plus(SKEW_MAX);
    let now = ledger.now;
    let with_key = Reserve { key: Some(key_hash("k")), ..reserve_at(now, 50, 1, 0) };
    reserved(ledger.apply(with_key.clone()));
    assert_eq!(ledger.state.head.last_seen, now);
    let balance = ledger.balance();
    assert_eq!((balance.period_opened_at, balance.resets_at), (now, BOUNDARY));
    // No budget is there twice: what was taken before and in the time that never was is taken.
    assert_eq!((balance.used, balance.reserved, balance.remaining), (nano(9), nano(1), nano(0)));
    assert_eq!(balance.limit, nano(10));
    assert!(matches!(call(&mut ledger, now, 60, 1), Err(Refusal::Budget(_))));
    // The next month begins when it should, with all of its budget.
    ledger.now = BOUNDARY;
    ledger.apply(crate::account::Command::Wake);
    assert_eq!(ledger.balance().resets_at, Timestamp::from_millis(1_777_586_400_000));
    call(&mut ledger, BOUNDARY, 70, 10).unwrap();
}

#[test]
fn p31_a_host_whose_clock_is_days_ahead_all_the_time_opens_each_period_once() {
    let mut ledger = years_ahead(10);
    let mut admitted = 0;
    for minute in 0..200 {
        for ahead in [Duration::ZERO, DAY * 1_000] {
            ledger.now = START.plus(MINUTE * minute + ahead);
            let now = ledger.now;
            admitted += u64::from(call(&mut ledger, now, 100 + now.as_millis() as u64, 1).is_ok());
        }
    }
    assert_eq!(admitted, 9, "of the one budget in the time that never was, one was used before");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Clocks of callers and of the account's hosts differ by up to ten minutes, and every message comes again.
    #[test]
    fn p31_p04_within_the_bound_every_call_is_admitted_by_its_second_try_and_no_ended_one_opens_again(
        calls in prop::collection::vec(
            (-600_000i64..=600_000, -600_000i64..=600_000, 0i64..90_000, any::<prop::sample::Index>()), 1..60,
        ),
    ) {
        let mut ledger = Ledger::with_budget(1_000_000);
        let (mut true_time, mut ended, mut first_tries) = (START, Vec::<Reserve>::new(), Vec::new());
        for (id, (host, caller, later, again)) in (1..).zip(calls) {
            true_time = off(true_time, later);
            ledger.now = off(true_time, host);
            let callers_clock = off(true_time, caller);
            first_tries.push(reserve_at(callers_clock, id, 1, 0));
            let admitted = call(&mut ledger, callers_clock, id, 1);
            prop_assert!(admitted.is_ok(), "{admitted:?}");
            let admitted = admitted.unwrap();
            end(&mut ledger, &admitted);
            ended.push(admitted);
            let replayed = again.get(&ended).clone();
            ledger.apply(replayed);
            prop_assert_eq!(ledger.state.head.open_holds, 0);
        }
        let charged = ledger.balance().used;
        prop_assert_eq!(charged, nano(ended.len() as i64));
        for day in [DAY, 2 * DAY] {
            ledger.now = true_time.plus(day);
            for replayed in ended.iter().chain(&first_tries) {
                too_late(ledger.apply(replayed.clone()));
            }
        }
    }
}
