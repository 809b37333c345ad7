//! `cargo xtask simulate`: see `docs/simulator.md`.

#![allow(clippy::disallowed_methods, reason = "a sweep reports how long it really took")]

use pico_args::Arguments;
use simulator::profile::{self, Profile};
use simulator::{Sweep, mutants};
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    match sweep(Arguments::from_env()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every seed kept its promises.
fn sweep(mut arguments: Arguments) -> Result<bool, Box<dyn Error>> {
    let sweep = Sweep {
        seeds: arguments.opt_value_from_str("--seeds")?.unwrap_or(10_000),
        first_seed: arguments.opt_value_from_str("--seed")?.unwrap_or(0),
        profile: arguments.opt_value_from_fn("--profile", profile_of)?,
        mutant: arguments.opt_value_from_fn("--mutant", mutant_of)?.unwrap_or(&mutants::FAITHFUL),
    };
    if let Some(unknown) = arguments.finish().first() {
        return Err(format!("{}: unknown argument; see docs/simulator.md", unknown.to_string_lossy()).into());
    }
    let start = Instant::now();
    let report = sweep.run();
    let seconds = start.elapsed().as_secs_f64();
    println!("{} seeds in {seconds:.1} s, {:.0} a second", report.seeds, report.seeds as f64 / seconds);
    for (what, count) in &report.counts.0 {
        println!("{count:>12}  {what}");
    }
    for failure in &report.failures {
        println!("\n{failure}");
    }
    Ok(report.failures.is_empty())
}

fn profile_of(name: &str) -> Result<&'static Profile, String> {
    profile::ALL.into_iter().find(|profile| profile.name == name).ok_or_else(|| {
        let names: Vec<_> = profile::ALL.iter().map(|profile| profile.name).collect();
        format!("--profile must be one of {}", names.join(", "))
    })
}

fn mutant_of(name: &str) -> Result<&'static mutants::Mutant, String> {
    mutants::ALL.iter().find(|mutant| mutant.name == name).ok_or_else(|| {
        let names: Vec<_> = mutants::ALL.iter().map(|mutant| mutant.name).collect();
        format!("--mutant must be one of: {}", names.join("; "))
    })
}
