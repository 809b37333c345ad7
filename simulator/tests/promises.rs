//! Worlds of each kind, by the promise that they are after.

use simulator::profile::{self, Profile};
use simulator::{Counts, Sweep, mutants};

#[track_caller]
fn visit(profile: &'static Profile, seeds: u64) -> Counts {
    let sweep = Sweep { first_seed: 0, seeds, profile: Some(profile), mutant: &mutants::FAITHFUL };
    let report = sweep.run();
    if let Some(failure) = report.failures.first() {
        panic!("{failure}");
    }
    assert_eq!(report.seeds, seeds);
    report.counts
}

/// A sweep that met too little of what it is for proves nothing.
#[track_caller]
fn expect(counts: &Counts, at_least: u64, what: &[&str]) {
    for what in what {
        assert!(counts.of(what) >= at_least, "only {} × {what}", counts.of(what));
    }
}

#[test]
fn p01_many_callers_at_once_never_take_more_than_there_is() {
    let counts = visit(&profile::CONTENTION, 3_000);
    expect(&counts, 4_000, &["answers 200", "answers 403"]);
    // P15, P16, P27: at every level.
    let levels = ["refused: key's budget", "refused: user's budget", "refused: tenant's budget"];
    expect(&counts, 2_000, &levels);
    expect(&counts, 500, &["refused: concurrency", "refused: tenant's rates", "recalls", "tenants' notices"]);
}

#[test]
fn p03_crashes_at_every_point_lose_and_double_no_charge() {
    let counts = visit(&profile::CRASHES, 4_000);
    let points = [
        "host died after hold",
        "host died after upstream send",
        "host died in mid-stream",
        "host died before settle",
        "host died after settle",
        "machine died before its step",
        "machine died before its store",
        "machine died after its store",
        "machine died before its acknowledgement",
        "scheduler died",
    ];
    expect(&counts, 300, &points);
    expect(&counts, 300, &["machines cut off"]);
}

#[test]
fn p03_outboxes_that_back_up_deliver_every_row_once() {
    let counts = visit(&profile::BACKLOG, 2_000);
    expect(&counts, 1_000, &["statements while the database was down", "commits whose answer was lost"]);
}

#[test]
fn p04_repetitions_at_once_and_a_day_later_change_nothing() {
    let counts = visit(&profile::REPEATS, 2_500);
    expect(&counts, 3_000, &["messages repeated", "messages lost", "answers lost"]);
}

#[test]
fn p05_p09_where_only_the_upstream_fails_every_charge_is_exact_and_no_hold_expires() {
    let counts = visit(&profile::CALM_WORLD, 4_500);
    let answers =
        ["upstream refused", "upstream hung", "upstream answered nonsense", "upstream broke a stream off"];
    expect(&counts, 1_000, &answers);
}

#[test]
fn p13_calls_across_boundaries_settle_in_their_own_period() {
    let counts = visit(&profile::PERIODS, 4_000);
    expect(&counts, 2_000, &["clock jumps", "limits changed", "operations", "tenants' periods"]);
    expect(&counts, 1_000, &["tenants' limits changed", "holds of stated amounts"]);
    expect(&counts, 500, &["accounts closed"]);
}

#[test]
fn p31_hosts_whose_clocks_differ_by_minutes_shut_nobody_out() {
    let counts = visit(&profile::CLOCKS, 2_000);
    expect(&counts, 3_000, &["answers 200", "told the account's time"]);
}
