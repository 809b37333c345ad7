//! Dropping what is old, some rows at a time.

use platform::{Database, PlatformError, Statement};

/// Rows that one pruning statement drops at most.
pub const PRUNED_AT_ONCE: i64 = 500;

/// What one statement dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    pub rows: u64,
    /// Whether more may be left.
    pub more: bool,
}

/// Runs a statement that drops at most [`PRUNED_AT_ONCE`] rows and returns one row for each.
pub async fn prune(database: &impl Database, statement: Statement) -> Result<Pruned, PlatformError> {
    let rows = database.query(statement).await?.len();
    Ok(Pruned { rows: rows as u64, more: rows as i64 >= PRUNED_AT_ONCE })
}
