//! Log-ins that did not succeed, counted by account and by address within a window.

use crate::pruning::PRUNED_AT_ONCE;
use core::time::Duration;
use domain::api_key::KeyHash;
use domain::email_address;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};

/// Whom an attempt counts against. Stored as a hash, so that the table holds no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

impl Subject {
    pub fn email(email: &str) -> Self {
        Self::of("email", &email_address::comparable(email))
    }

    pub fn address(address: &str) -> Self {
        Self::of("address", address)
    }

    fn of(kind: &str, name: &str) -> Self {
        Self(crate::key_hash::to_hex(&KeyHash::of(&format!("{kind}:{name}"))))
    }
}

const COUNT: &str = "
INSERT INTO login_attempts (subject, attempts, window_started_at) VALUES (?1, 1, ?2)
ON CONFLICT (subject) DO UPDATE SET
  attempts = CASE WHEN window_started_at <= ?3 THEN 1 ELSE attempts + 1 END,
  window_started_at = CASE WHEN window_started_at <= ?3 THEN excluded.window_started_at ELSE window_started_at END
RETURNING attempts, window_started_at";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// This one included.
    pub count: u64,
    pub window_ends_at: Timestamp,
}

/// Counts an attempt before its password is looked at, so that no number of attempts at once passes the
/// limit. One statement.
pub async fn count(
    database: &impl Database,
    subject: &Subject,
    window: Duration,
    now: Timestamp,
) -> Result<Attempts, PlatformError> {
    let statement = Statement::new(COUNT)
        .bind(subject.0.as_str())
        .bind(now.as_millis())
        .bind(now.minus(window).as_millis());
    let rows = database.query(statement).await?;
    let row = rows.first().ok_or_else(|| PlatformError::malformed("no row came back"))?;
    Ok(Attempts {
        count: crate::unsigned(row, "attempts")?,
        window_ends_at: crate::instant(row, "window_started_at")?.plus(window),
    })
}

/// After a success.
pub fn forget(subject: &Subject) -> Statement {
    Statement::new("DELETE FROM login_attempts WHERE subject = ?1").bind(subject.0.as_str())
}

const PRUNE: &str = "
DELETE FROM login_attempts WHERE subject IN
  (SELECT subject FROM login_attempts WHERE window_started_at < ?1 ORDER BY window_started_at LIMIT ?2)
RETURNING subject";

/// Drops some whose window began before `before`, and returns a row for each.
pub fn prune(before: Timestamp) -> Statement {
    Statement::new(PRUNE).bind(before.as_millis()).bind(PRUNED_AT_ONCE)
}
