//! Views of periods that are over: what each account answers now is computed from its rule, and nobody is asked.

use crate::jobs::Slice;
use platform::{Platform, PlatformError};
use store::reset_views::{self, DueCursor};

pub const PAGE: usize = 1_000;
/// The page, and all views in one statement.
pub const QUESTIONS: usize = 2;

/// The cursor is the last user's old view and id, so that one whose rule cannot be read holds nobody up.
pub async fn slice(platform: &impl Platform, cursor: &str) -> Result<Slice, PlatformError> {
    let now = platform.now();
    let due = reset_views::due(platform, now, &DueCursor::parse(cursor), PAGE as i64).await?;
    let mut slice = Slice::default();
    if due.len() == PAGE {
        let cursor =
            |last: &reset_views::DueUser| DueCursor { at: last.due_at, id: last.account.to_string() };
        slice.next = due.last().map(|last| cursor(last).to_string());
    }
    let mut views = Vec::with_capacity(due.len());
    for user in due {
        match user.rule {
            Ok(rule) => views.push((user.account, rule.next_boundary(now))),
            Err(error) => slice.failed(&error),
        }
    }
    if !views.is_empty() {
        platform.commit(vec![reset_views::set_computed(&views, now)]).await?;
    }
    slice.done = views.len() as u64;
    Ok(slice)
}
