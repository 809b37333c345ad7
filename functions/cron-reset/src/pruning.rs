//! What is too old is dropped, one kind after the other.

use crate::jobs::Slice;
use core::time::Duration;
use domain::time::Timestamp;
use platform::{Platform, PlatformError, Statement};
use store::pruning::prune;
use store::{idempotent_requests, login_attempts, notices, outbox_mails, sessions};

/// One statement.
pub const QUESTIONS: usize = 1;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is kept for how long, and how it is dropped.
type Kept = (Duration, fn(Timestamp) -> Statement);

/// Whatever grows by itself is here.
const ALL: [Kept; 5] = [
    // Longer than any window that they count for.
    (DAY, login_attempts::prune),
    (DAY.saturating_mul(30), sessions::prune),
    // Longer than any period, so that an event that is delivered late raises nothing again. Their
    // deliveries go with them.
    (DAY.saturating_mul(90), notices::prune),
    (DAY.saturating_mul(90), outbox_mails::prune),
    // Longer than anybody repeats a request.
    (DAY.saturating_mul(90), idempotent_requests::prune),
];

/// The cursor is the place in the list.
pub async fn slice(platform: &impl Platform, cursor: &str) -> Result<Slice, PlatformError> {
    let at = cursor.parse().unwrap_or(0);
    let Some((kept, statement)) = ALL.get(at) else { return Ok(Slice::default()) };
    let pruned = prune(platform, statement(platform.now().minus(*kept))).await?;
    let next = if pruned.more { at } else { at + 1 };
    Ok(Slice { done: pruned.rows, next: (next < ALL.len()).then(|| next.to_string()), ..Slice::default() })
}
