//! One run: leases, then slices of the jobs in turn, each stored as soon as it is done.

use crate::allowance::Metered;
use crate::jobs::{Job, Slice};
use core::fmt::Write as _;
use core::time::Duration;
use domain::time::Timestamp;
use platform::{Clock, Database, Platform, PlatformError, Randomness};
use std::collections::BTreeMap;
use store::schedules::{self, Leased, Progress};

/// How long a job stays with a run that says nothing, which is how long a dead one holds it up. Longer than
/// any slice takes, also if every account of it hangs, or runs would take it from each other for ever.
const LEASE: Duration = Duration::from_secs(4 * 60);
/// No slice begins later than this after the run's start: the run ends before the host loses patience.
const RUN_TIME_MAX: Duration = Duration::from_secs(3 * 60);
/// Letting go of the leases, paid for in advance.
const OVERHEAD_OF_RELEASE: usize = 1;
/// Storing how far the job has come.
pub const OVERHEAD_OF_SLICE: usize = 1;
/// Characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 300;

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Of each job that had a slice, in the order of the table.
    pub jobs: Vec<JobSummary>,
    /// Failures beside those of jobs: no leases were to be had, or they could not be let go of.
    pub failures: u64,
    /// What was asked of the host.
    pub questions: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobSummary {
    pub job: &'static str,
    pub done: u64,
    /// What failed, and was logged; the next pass tries again.
    pub failures: u64,
    pub slices: u32,
    /// Whether a pass ended.
    pub finished: bool,
}

impl Summary {
    pub fn of(&self, job: &str) -> JobSummary {
        self.jobs.iter().find(|summary| summary.job == job).cloned().unwrap_or_default()
    }

    /// Things done by all jobs.
    pub fn done(&self) -> u64 {
        self.jobs.iter().map(|job| job.done).sum()
    }

    pub fn all_failures(&self) -> u64 {
        self.failures + self.jobs.iter().map(|job| job.failures).sum::<u64>()
    }

    /// One line; jobs that had nothing to do are left out.
    fn log_line(&self) -> String {
        let mut line = format!("scheduled: {} questions", self.questions);
        for JobSummary { job, done, failures, slices, finished } in &self.jobs {
            if *done == 0 && *failures == 0 && *finished {
                continue;
            }
            let end = if *finished { "" } else { ", more is left" };
            let _ = write!(line, "; {job}: {done} done, {failures} failed in {slices} slices{end}");
        }
        line
    }
}

/// A job in this run.
struct Turn<'a, P> {
    job: &'a Job<P>,
    leased: Leased,
    /// What it has asked of the host in this run.
    asked: usize,
    over: bool,
    summary: JobSummary,
}

impl<P> Turn<'_, P> {
    /// Also by a slice that failed before it asked anything.
    fn was_taken(&self) -> bool {
        self.asked > 0 || self.summary.failures > 0
    }
}

struct Run<P> {
    platform: Metered<P>,
    holder: String,
    errors: BTreeMap<&'static str, String>,
}

pub async fn run<P: Platform>(platform: &P, jobs: &[Job<Metered<P>>], questions: usize) -> Summary {
    let mut run = Run {
        platform: Metered::new(platform.clone(), questions),
        holder: new_holder(platform),
        errors: BTreeMap::new(),
    };
    let mut summary = Summary::default();
    match run.lease(jobs).await {
        Ok(mut turns) => {
            run.take_turns(&mut turns).await;
            summary.failures += u64::from(run.release().await.is_err());
            summary.jobs = turns.into_iter().filter(Turn::was_taken).map(|turn| turn.summary).collect();
        }
        Err(error) => {
            log::error!("the scheduled run could not begin: {error}");
            summary.failures += 1;
        }
    }
    summary.questions = questions - run.platform.left();
    log::info!("{}", summary.log_line());
    summary
}

impl<P: Platform> Run<P> {
    /// The jobs that are due and that no other run works on, in the order of the table.
    async fn lease<'a>(
        &self,
        jobs: &'a [Job<Metered<P>>],
    ) -> Result<Vec<Turn<'a, Metered<P>>>, PlatformError> {
        let now = self.platform.now();
        let names: Vec<&str> = jobs.iter().map(|job| job.name).collect();
        let leased = schedules::lease(&self.platform, &names, &self.holder, now.plus(LEASE), now).await?;
        let turn = |job: &'a Job<_>| {
            let leased = leased.iter().find(|leased| leased.job == job.name)?.clone();
            is_due(job.every, &leased, now).then(|| Turn {
                job,
                leased,
                asked: 0,
                over: false,
                summary: JobSummary { job: job.name, ..JobSummary::default() },
            })
        };
        Ok(jobs.iter().filter_map(turn).collect())
    }

    /// Always the job that has asked least, so that a long one starves no other.
    async fn take_turns(&mut self, turns: &mut [Turn<'_, Metered<P>>]) {
        let started = self.platform.now();
        while self.platform.now().since(started) <= RUN_TIME_MAX {
            let left = self.platform.left().saturating_sub(OVERHEAD_OF_RELEASE);
            let fits = |turn: &&mut Turn<_>| !turn.over && turn.job.questions + OVERHEAD_OF_SLICE <= left;
            let Some(turn) = turns.iter_mut().filter(fits).min_by_key(|turn| turn.asked) else { return };
            let before = self.platform.left();
            if let Err(error) = self.take_turn(turn).await {
                turn.over = true;
                turn.summary.failures += 1;
                self.failed(turn.job.name, &error.to_string());
            }
            let asked = before - self.platform.left();
            debug_assert!(asked <= turn.job.questions + OVERHEAD_OF_SLICE, "{} asked {asked}", turn.job.name);
            turn.asked += asked;
        }
    }

    async fn take_turn(&mut self, turn: &mut Turn<'_, Metered<P>>) -> Result<(), PlatformError> {
        let started_at = match turn.leased.pass_started_at {
            Some(started_at) if turn.leased.is_under_way() => started_at,
            _ => self.platform.now(),
        };
        let result = (turn.job.slice)(&self.platform, &turn.leased.cursor).await?;
        let Slice { done, failures, error, next } = result;
        turn.summary.slices += 1;
        turn.summary.done += done;
        turn.summary.failures += failures;
        if let Some(error) = error {
            self.failed(turn.job.name, &error);
        }
        turn.over = next.is_none();
        turn.summary.finished = turn.over;
        turn.leased.cursor = next.unwrap_or_default();
        turn.leased.pass_started_at = Some(started_at);
        let now = self.platform.now();
        let progress = Progress {
            job: turn.job.name,
            holder: &self.holder,
            cursor: &turn.leased.cursor,
            pass_started_at: started_at,
            pass_finished_at: turn.over.then_some(now),
            lease_until: now.plus(LEASE),
        };
        // Where another run has taken the job over, this one leaves it alone.
        turn.over |= !schedules::save(&self.platform, &progress).await?;
        Ok(())
    }

    fn failed(&mut self, job: &'static str, error: &str) {
        log::error!("the scheduled job {job} failed: {error}");
        self.errors.insert(job, error.chars().take(ERROR_CHARS_MAX).collect());
    }

    async fn release(&self) -> Result<(), PlatformError> {
        let release = schedules::release(&self.holder, &self.errors, self.platform.now());
        let released = self.platform.commit(vec![release]).await;
        // The leases end by themselves.
        released.inspect_err(|error| log::error!("the leases were not let go of: {error}"))
    }
}

/// A pass under way goes on at once. One that began later than now was begun by a clock that was wrong.
fn is_due(every: Duration, leased: &Leased, now: Timestamp) -> bool {
    let waits = |started: Timestamp| started <= now && now < started.plus(every);
    leased.is_under_way() || !leased.pass_started_at.is_some_and(waits)
}

fn new_holder(platform: &impl Randomness) -> String {
    let mut random = [0; 8];
    platform.fill(&mut random);
    random.iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use futures_util::FutureExt;
    use platform::Statement;
    use platform_memory::MemoryPlatform;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// Drops one row; its cursor is always the start.
    async fn drop_one(database: &impl Database) -> Result<Slice, PlatformError> {
        let sql = "DELETE FROM login_attempts WHERE subject = (SELECT MIN(subject) FROM login_attempts)
          RETURNING subject";
        let rows = database.query(Statement::new(sql)).await?;
        let more = count(database).await? > 0;
        Ok(Slice { done: rows.len() as u64, next: more.then(String::new), ..Slice::default() })
    }

    async fn count(database: &impl Database) -> Result<i64, PlatformError> {
        let rows = database.query(Statement::new("SELECT COUNT(*) AS n FROM login_attempts")).await?;
        rows[0].integer("n")
    }

    #[test]
    fn a_pass_that_is_under_way_goes_on_with_the_next_run_and_an_ended_one_waits_for_its_day() {
        let platform = MemoryPlatform::new();
        let rows = "INSERT INTO login_attempts VALUES ('a', 1, 0), ('b', 1, 0), ('c', 1, 0)";
        platform.execute_sql(rows);
        let job = Job { name: "daily", every: DAY, questions: 2, slice: |p, _| drop_one(p).boxed_local() };
        // One slice, the lease, and letting go of it.
        let questions = 2 + OVERHEAD_OF_SLICE + 1 + OVERHEAD_OF_RELEASE;
        let dropped = || {
            platform.advance(LEASE);
            block_on(run(&platform, std::slice::from_ref(&job), questions)).done()
        };
        assert_eq!([dropped(), dropped(), dropped(), dropped()], [1, 1, 1, 0]);
        platform.execute_sql(rows);
        assert_eq!(dropped(), 0, "the day is not over");
        platform.advance(DAY);
        assert_eq!(dropped(), 1);
    }

    #[test]
    fn a_clock_that_was_ahead_and_is_put_right_stops_no_job() {
        let platform = MemoryPlatform::new();
        let job = Job { name: "daily", every: DAY, questions: 2, slice: |p, _| drop_one(p).boxed_local() };
        let dropped = || {
            platform.execute_sql("INSERT INTO login_attempts VALUES ('a', 1, 0)");
            block_on(run(&platform, std::slice::from_ref(&job), 99)).done()
        };
        let right = platform.now();
        platform.advance(DAY * 365);
        assert_eq!(dropped(), 1);
        platform.set_now(right);
        assert_eq!([dropped(), dropped()], [1, 0]);
    }
}
