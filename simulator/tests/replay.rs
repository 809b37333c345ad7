//! A seed is a world: visited again, it is the same to the last event.

use simulator::{Sweep, mutants, profile};

/// Of each profile.
const SEEDS: u64 = 20;

#[test]
fn a_seed_replays_exactly() {
    let mut connection = None;
    for profile in profile::ALL {
        let sweep = Sweep { first_seed: 0, seeds: SEEDS, profile: Some(profile), mutant: &mutants::FAITHFUL };
        for seed in 0..SEEDS {
            let first = sweep.world(&mut connection, seed, false);
            // On another connection, beside other worlds, and recorded.
            let again = sweep.world(&mut None, seed, true);
            assert_eq!(first.trace_hash, again.trace_hash, "seed {seed} of {}", profile.name);
            assert_eq!(first.trace_events, again.trace_events);
            assert_eq!(first.counts, again.counts);
            assert!(first.trace_events > 10, "nothing happened in seed {seed} of {}", profile.name);
        }
    }
}

#[test]
fn seeds_differ() {
    let sweep =
        Sweep { first_seed: 0, seeds: 2, profile: Some(&profile::CRASHES), mutant: &mutants::FAITHFUL };
    let mut connection = None;
    let hashes = [0, 1].map(|seed| sweep.world(&mut connection, seed, false).trace_hash);
    assert_ne!(hashes[0], hashes[1]);
}

#[test]
fn a_failure_tells_what_happened_and_how_to_see_it_again() {
    let mutant = mutants::ALL.iter().find(|mutant| mutant.name == "settles twice").unwrap();
    let sweep = Sweep { first_seed: 0, seeds: 100, profile: Some(mutant.profile), mutant };
    let failure = sweep.run().failures.remove(0);
    let told = failure.to_string();
    let command = format!("cargo xtask simulate --seeds 1 --seed {} --profile calm --mutant", failure.seed);
    assert!(told.contains(&command), "{told}");
    assert!(failure.lines.len() > 3 && failure.lines.len() <= 40, "{told}");
    assert!(told.contains("VIOLATION"), "{told}");

    let again = Sweep { first_seed: failure.seed, seeds: 1, ..sweep }.run().failures.remove(0);
    assert_eq!(again.to_string(), told);
}
