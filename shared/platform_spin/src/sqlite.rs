//! A connection to one of the host's SQLite databases, and patience where it is locked.
//!
//! Writers exclude each other, and without a write-ahead log readers and a committing writer do as well: that is
//! contention and no failure, so it is waited out, within bounds.

use crate::executor::{elapsed, sleep, sleep_blocking};
use core::time::Duration;
use spin_sdk::sqlite::{Connection, Error, QueryResult, Value};
use wasi::random::random::get_random_u64;

/// How long a locked database is waited for in all.
const LOCKED_MAX: Duration = Duration::from_secs(8);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SqliteError {
    /// Somebody else writes, or reads where this would write.
    #[error("the database is locked")]
    Locked,
    #[error("{0}")]
    Constraint(String),
    #[error("{0}")]
    NoSuchTable(String),
    #[error("{0}")]
    Failed(String),
}

impl From<Error> for SqliteError {
    fn from(error: Error) -> Self {
        let Error::Io(text) = error else { return Self::Failed(error.to_string()) };
        if text.contains("locked") || text.contains("busy") {
            Self::Locked
        } else if text.contains("constraint failed") {
            Self::Constraint(text)
        } else if text.contains("no such table") {
            Self::NoSuchTable(text)
        } else {
            Self::Failed(text)
        }
    }
}

/// Whether it is worth waiting and trying again.
pub(crate) trait MayBeLocked: From<SqliteError> {
    fn is_locked(&self) -> bool;
}

impl MayBeLocked for SqliteError {
    fn is_locked(&self) -> bool {
        *self == Self::Locked
    }
}

/// How much longer somebody waits for a lock.
pub(crate) struct Patience {
    ends: Duration,
    pause: Duration,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { ends: elapsed() + LOCKED_MAX, pause: FIRST_PAUSE }
    }

    /// Until the lock may be free; fails when it has lasted too long.
    pub(crate) async fn wait(&mut self) -> Result<(), SqliteError> {
        sleep(self.next().ok_or(SqliteError::Locked)?).await;
        Ok(())
    }

    /// The next pause: longer each time, and by chance, so that those who wait do not come back together.
    fn next(&mut self) -> Option<Duration> {
        let pause = self.pause;
        self.pause = (pause * 3 / 2).min(PAUSE_MAX);
        let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        let chosen = Duration::from_micros(micros / 2 + get_random_u64() % (micros / 2 + 1));
        (elapsed() + chosen < self.ends).then_some(chosen)
    }
}

pub(crate) struct Database(Connection);

impl Database {
    pub(crate) fn open(name: &str) -> Result<Self, SqliteError> {
        Ok(Self(Connection::open(name)?))
    }

    /// One statement, as it comes.
    pub(crate) fn execute(&self, sql: &str, parameters: &[Value]) -> Result<QueryResult, SqliteError> {
        Ok(self.0.execute(sql, parameters)?)
    }

    /// One statement, by itself, as soon as the database is free.
    pub(crate) async fn execute_patiently(
        &self,
        sql: &str,
        parameters: &[Value],
        patience: &mut Patience,
    ) -> Result<QueryResult, SqliteError> {
        loop {
            match self.execute(sql, parameters) {
                Err(SqliteError::Locked) => patience.wait().await?,
                other => return other,
            }
        }
    }

    /// Runs `work` with the database to itself, and keeps all of what it did, or nothing. `work` does not wait, so
    /// nothing else of this instance happens in the middle. It may be run again.
    pub(crate) async fn transaction<T, E: MayBeLocked>(
        &self,
        patience: &mut Patience,
        mut work: impl FnMut(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        loop {
            self.execute_patiently("BEGIN IMMEDIATE", &[], patience).await?;
            let result = work(self).and_then(|done| Ok(self.commit(patience).map(|()| done)?));
            if result.is_err() {
                // Where even that fails, the host has ended the transaction by itself.
                let _ = self.execute("ROLLBACK", &[]);
            }
            match result {
                Err(error) if error.is_locked() => patience.wait().await?,
                other => return other,
            }
        }
    }

    /// Readers that came earlier are waited for. A host that had ignored `BEGIN` fails here, and is not trusted.
    fn commit(&self, patience: &mut Patience) -> Result<(), SqliteError> {
        loop {
            match self.execute("COMMIT", &[]) {
                Err(SqliteError::Locked) => sleep_blocking(patience.next().ok_or(SqliteError::Locked)?),
                other => return other.map(|_| ()),
            }
        }
    }
}
