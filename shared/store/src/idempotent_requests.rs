//! Requests that made something under an id of the caller's own: each makes it once.

use crate::pruning::PRUNED_AT_ONCE;
use domain::identity::RequestId;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Of the body that made it.
    pub content: String,
    /// JSON, without secrets.
    pub answer: String,
}

const FIND: &str = "SELECT content, made FROM idempotent_requests WHERE id = ?1";

pub async fn find(database: &impl Database, id: RequestId) -> Result<Option<Made>, PlatformError> {
    let rows = database.query(Statement::new(FIND).bind(id.to_string())).await?;
    let made = |row: &platform::Row| {
        Ok(Made { content: row.text("content")?.to_owned(), answer: row.text("made")?.to_owned() })
    };
    rows.first().map(made).transpose()
}

const INSERT: &str = "INSERT INTO idempotent_requests (id, content, made, at) VALUES (?1, ?2, ?3, ?4)";

/// For the commit that makes it. Violates a constraint when the id was used before.
pub fn insert(id: RequestId, made: &Made, now: Timestamp) -> Statement {
    Statement::new(INSERT)
        .bind(id.to_string())
        .bind(made.content.as_str())
        .bind(made.answer.as_str())
        .bind(now.as_millis())
}

const PRUNE: &str = "
DELETE FROM idempotent_requests WHERE id IN (SELECT id FROM idempotent_requests WHERE at < ?1 ORDER BY at LIMIT ?2)
RETURNING id";

/// Drops some from before `before`, and returns a row for each.
pub fn prune(before: Timestamp) -> Statement {
    Statement::new(PRUNE).bind(before.as_millis()).bind(PRUNED_AT_ONCE)
}
