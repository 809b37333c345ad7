//! Many seeds, on all cores.

use crate::hosts::database;
use crate::mutants::Mutant;
use crate::profile::Profile;
use crate::run::{Outcome, run};
use crate::statistics::Counts;
use crate::world::Violation;
use core::fmt;
use rusqlite::Connection;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Failures that a sweep shows; it ends after as many.
const FAILURES_MAX: usize = 3;

/// Which worlds to visit.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    pub first_seed: u64,
    pub seeds: u64,
    /// One for all seeds; without it each seed picks its own.
    pub profile: Option<&'static Profile>,
    pub mutant: &'static Mutant,
}

#[derive(Debug, Default)]
pub struct Report {
    pub seeds: u64,
    pub counts: Counts,
    /// By seed.
    pub failures: Vec<Failure>,
}

/// A broken promise, with what it takes to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    pub seed: u64,
    pub profile: &'static str,
    pub mutant: &'static str,
    pub claim: String,
    pub account: Option<usize>,
    pub lines: Vec<String>,
}

impl Sweep {
    pub fn profile_of(&self, seed: u64) -> &'static Profile {
        self.profile.unwrap_or_else(|| crate::profile::of_seed(seed))
    }

    /// Visits all seeds, or fewer if too many fail.
    pub fn run(&self) -> Report {
        let next = AtomicU64::new(0);
        let enough = AtomicBool::new(false);
        let report = Mutex::new(Report::default());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.visit(&next, &enough, &report));
            }
        });
        let mut report = report.into_inner().expect("no visitor panics");
        report.failures.sort_by_key(|failure| failure.seed);
        report
    }

    fn visit(&self, next: &AtomicU64, enough: &AtomicBool, report: &Mutex<Report>) {
        let mut connection = Some(database::migrated());
        let mut seen = Report::default();
        while !enough.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= self.seeds {
                break;
            }
            let seed = self.first_seed + at;
            let outcome = self.world(&mut connection, seed, false);
            seen.seeds += 1;
            seen.counts.merge(&outcome.counts);
            if outcome.violation.is_some() {
                let again = self.world(&mut connection, seed, true);
                seen.failures.push(self.failure(seed, again));
                if report.lock().expect("no visitor panics").failures.len() + seen.failures.len()
                    >= FAILURES_MAX
                {
                    enough.store(true, Ordering::Relaxed);
                }
            }
        }
        let mut report = report.lock().expect("no visitor panics");
        report.seeds += seen.seeds;
        report.counts.merge(&seen.counts);
        report.failures.append(&mut seen.failures);
    }

    /// One seed, on a thread of its own. A panic is a broken promise.
    pub fn world(&self, connection: &mut Option<Connection>, seed: u64, recording: bool) -> Outcome {
        let (profile, mutant) = (self.profile_of(seed), self.mutant);
        let lent = connection.take().unwrap_or_else(database::migrated);
        match std::thread::spawn(move || run(lent, seed, profile, mutant, recording)).join() {
            Ok((returned, outcome)) => {
                *connection = Some(returned);
                outcome
            }
            Err(panic) => panicked(panic.downcast_ref::<String>().cloned()),
        }
    }

    fn failure(&self, seed: u64, outcome: Outcome) -> Failure {
        let violation = outcome.violation.unwrap_or_else(|| Violation {
            account: None,
            claim: "the replay did not fail: the world is not deterministic".into(),
            request: None,
        });
        Failure {
            seed,
            profile: self.profile_of(seed).name,
            mutant: self.mutant.name,
            claim: violation.claim,
            account: violation.account,
            lines: outcome.lines,
        }
    }
}

fn panicked(message: Option<String>) -> Outcome {
    let claim = format!("panicked: {}", message.unwrap_or_else(|| "see above".into()));
    Outcome {
        violation: Some(Violation { account: None, claim, request: None }),
        trace_hash: 0,
        trace_events: 0,
        lines: Vec::new(),
        counts: Counts::default(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, profile, mutant, claim, account, lines } = self;
        let place = account.map_or("the world".into(), |account| format!("account A{account}"));
        writeln!(f, "seed {seed}, profile {profile}, mutant {mutant}, {place}: {claim}")?;
        lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        write!(f, "replay: cargo xtask simulate --seeds 1 --seed {seed} --profile {profile}")?;
        if *mutant != crate::mutants::FAITHFUL.name {
            write!(f, " --mutant {mutant:?}")?;
        }
        Ok(())
    }
}
