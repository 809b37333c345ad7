//! The simulator bites: each deliberate mistake is caught.

use simulator::{Sweep, mutants, profile};

/// Faithful worlds of the same seeds find nothing, so that what is caught is the mistake.
#[test]
fn every_mutant_is_caught() {
    let mut missed = Vec::new();
    for mutant in &mutants::ALL {
        let sweep = Sweep { first_seed: 0, seeds: mutant.seeds, profile: Some(mutant.profile), mutant };
        let report = sweep.run();
        match report.failures.first() {
            Some(failure) => println!("{}: seed {}: {}", mutant.name, failure.seed, failure.claim),
            None => missed.push(mutant.name),
        }
    }
    assert_eq!(missed, [""; 0], "not caught");
}

#[test]
fn the_worlds_that_catch_mutants_are_sound_without_them() {
    for profile in profile::ALL {
        let sweep = Sweep { first_seed: 0, seeds: 200, profile: Some(profile), mutant: &mutants::FAITHFUL };
        let report = sweep.run();
        assert!(report.failures.is_empty(), "{}", report.failures[0]);
    }
}
