//! The scheduler's jobs: where each goes on, and who works on it.

use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};
use serde_json::Value;
use std::collections::BTreeMap;

/// A job that the asking run may work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    pub job: String,
    /// Where its pass goes on; empty: at the start.
    pub cursor: String,
    pub pass_started_at: Option<Timestamp>,
    pub pass_finished_at: Option<Timestamp>,
}

impl Leased {
    /// Whether a pass has begun that has not ended.
    pub fn is_under_way(&self) -> bool {
        self.pass_started_at.is_some() && self.pass_finished_at < self.pass_started_at
    }
}

/// How far a job has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    pub job: &'a str,
    pub holder: &'a str,
    pub cursor: &'a str,
    pub pass_started_at: Timestamp,
    /// When the pass ended, if it has.
    pub pass_finished_at: Option<Timestamp>,
    pub lease_until: Timestamp,
}

const LEASE: &str = "
INSERT INTO schedules (job, lease_holder, lease_until)
SELECT value, ?2, ?3 FROM json_each(?1) WHERE true
ON CONFLICT (job) DO UPDATE SET lease_holder = excluded.lease_holder, lease_until = excluded.lease_until
WHERE schedules.lease_until <= ?4
RETURNING job, cursor, pass_started_at, pass_finished_at";

/// Takes those of `jobs` that no other run works on, in one statement.
pub async fn lease(
    database: &impl Database,
    jobs: &[&str],
    holder: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Leased>, PlatformError> {
    let statement = Statement::new(LEASE)
        .bind(Value::from(jobs).to_string())
        .bind(holder)
        .bind(until.as_millis())
        .bind(now.as_millis());
    let rows = database.query(statement).await?;
    let leased = |row: &platform::Row| {
        Ok(Leased {
            job: row.text("job")?.to_owned(),
            cursor: row.text("cursor")?.to_owned(),
            pass_started_at: row.optional_integer("pass_started_at")?.map(Timestamp::from_millis),
            pass_finished_at: row.optional_integer("pass_finished_at")?.map(Timestamp::from_millis),
        })
    };
    rows.iter().map(leased).collect()
}

const SAVE: &str = "
UPDATE schedules SET cursor = ?3, pass_started_at = ?4, pass_finished_at = COALESCE(?5, pass_finished_at),
  lease_until = ?6
WHERE job = ?1 AND lease_holder = ?2
RETURNING job";

/// Whether the job is still the holder's: if not, another run has taken it over and nothing is written.
pub async fn save(database: &impl Database, progress: &Progress<'_>) -> Result<bool, PlatformError> {
    let Progress { job, holder, cursor, pass_started_at, pass_finished_at, lease_until } = *progress;
    let statement = Statement::new(SAVE)
        .bind(job)
        .bind(holder)
        .bind(cursor)
        .bind(pass_started_at.as_millis())
        .bind(pass_finished_at.map(Timestamp::as_millis))
        .bind(lease_until.as_millis());
    Ok(!database.query(statement).await?.is_empty())
}

const RELEASE: &str = "
UPDATE schedules SET lease_until = 0,
  last_error = COALESCE(?2 ->> ('$.' || job), last_error),
  last_error_at = CASE WHEN ?2 ->> ('$.' || job) IS NULL THEN last_error_at ELSE ?3 END
WHERE lease_holder = ?1 AND lease_until > 0";

/// Lets go of everything that the holder has, and writes down what failed, by job.
pub fn release(holder: &str, errors: &BTreeMap<&str, String>, now: Timestamp) -> Statement {
    let errors: serde_json::Map<String, Value> =
        errors.iter().map(|(job, error)| ((*job).to_owned(), error.as_str().into())).collect();
    Statement::new(RELEASE).bind(holder).bind(Value::Object(errors).to_string()).bind(now.as_millis())
}
