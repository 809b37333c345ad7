//! Sessions of people. Only their end is known here so far: tokens carry everything else themselves.

use crate::pruning::PRUNED_AT_ONCE;
use domain::time::Timestamp;
use platform::Statement;

const PRUNE: &str = "
DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)
RETURNING id";

/// Drops some that expired before `before`, and returns a row for each.
pub fn prune(before: Timestamp) -> Statement {
    Statement::new(PRUNE).bind(before.as_millis()).bind(PRUNED_AT_ONCE)
}
