//! The jobs, and what a job is: something endless that is done in bounded slices.

use crate::{
    deliveries, due_resets, notices, operations, pending_changes, pool_pushes, pruning, sleeping,
    usage_retention, usage_rollups,
};
use core::time::Duration;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use platform::{Platform, PlatformError};

pub struct Job<P> {
    /// Its row in the table `schedules`; letters and underscores.
    pub name: &'static str,
    /// From the start of one pass to the start of the next at least.
    pub every: Duration,
    /// What one slice asks of the host at most.
    pub questions: usize,
    /// Does the slice that begins at the cursor; an empty cursor is the start. Safe to repeat, also while
    /// another run does the same slice.
    pub slice: for<'a> fn(&'a P, &'a str) -> LocalBoxFuture<'a, Result<Slice, PlatformError>>,
}

/// What a slice did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    pub done: u64,
    /// What failed and is left to the next pass.
    pub failures: u64,
    /// Of the last failure.
    pub error: Option<String>,
    /// Where the next slice begins; none when the pass is over.
    pub next: Option<String>,
}

impl Slice {
    pub fn failed(&mut self, error: &PlatformError) {
        self.failures += 1;
        self.error = Some(error.to_string());
    }
}

const EACH_RUN: Duration = Duration::ZERO;
const HOURLY: Duration = Duration::from_secs(60 * 60);
const DAILY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every job there is, the more urgent first. A new one is one line; the sum of all `questions` must leave
/// each of them a slice in every run, which a test asserts.
#[rustfmt::skip]
pub fn table<P: Platform>() -> Vec<Job<P>> {
    vec![
        Job { name: "pool_pushes", every: EACH_RUN, questions: pool_pushes::QUESTIONS, slice: |p, c| pool_pushes::slice(p, c).boxed_local() },
        Job { name: "pending_changes", every: EACH_RUN, questions: pending_changes::QUESTIONS, slice: |p, c| pending_changes::slice(p, c).boxed_local() },
        Job { name: "operations", every: EACH_RUN, questions: operations::QUESTIONS, slice: |p, c| operations::slice(p, c).boxed_local() },
        Job { name: "due_resets", every: EACH_RUN, questions: due_resets::QUESTIONS, slice: |p, c| due_resets::slice(p, c).boxed_local() },
        Job { name: "notices", every: EACH_RUN, questions: notices::QUESTIONS, slice: |p, c| notices::slice(p, c).boxed_local() },
        Job { name: "deliveries", every: EACH_RUN, questions: deliveries::QUESTIONS, slice: |p, c| deliveries::slice(p, c).boxed_local() },
        Job { name: "usage_rollups", every: EACH_RUN, questions: usage_rollups::QUESTIONS, slice: |p, c| usage_rollups::slice(p, c).boxed_local() },
        Job { name: "pruning", every: HOURLY, questions: pruning::QUESTIONS, slice: |p, c| pruning::slice(p, c).boxed_local() },
        Job { name: "usage_retention", every: DAILY, questions: usage_retention::QUESTIONS, slice: |p, c| usage_retention::slice(p, c).boxed_local() },
        Job { name: "sleeping_pools", every: DAILY, questions: sleeping::QUESTIONS, slice: |p, c| sleeping::pools(p, c).boxed_local() },
        Job { name: "sleeping_accounts", every: DAILY, questions: sleeping::QUESTIONS, slice: |p, c| sleeping::accounts(p, c).boxed_local() },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QUESTIONS_PER_RUN;
    use crate::run::OVERHEAD_OF_SLICE;
    use platform_memory::MemoryPlatform;

    /// The leases, and letting go of them.
    const OVERHEAD_OF_RUN: usize = 2;

    #[test]
    fn every_job_gets_a_slice_in_every_run() {
        let slices =
            table::<MemoryPlatform>().iter().map(|job| job.questions + OVERHEAD_OF_SLICE).sum::<usize>();
        assert!(slices + OVERHEAD_OF_RUN <= QUESTIONS_PER_RUN, "{slices}");
    }
}
