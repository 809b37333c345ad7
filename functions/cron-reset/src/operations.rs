//! Corrections, resets, top-ups and refunds that were ordered and whose account could not be asked, or whose answer
//! nobody noted.

use crate::jobs::Slice;
use platform::{Platform, PlatformError};
use store::operations;

const PAGE: i64 = 8;
/// The page, and for each operation at most: being told who the user is, the question, its answer for the view, and
/// the note.
pub const QUESTIONS: usize = 1 + 10 * PAGE as usize;

/// Those whose last attempt is longest ago; what stays open is tried again in the next run.
pub async fn slice(platform: &impl Platform, _cursor: &str) -> Result<Slice, PlatformError> {
    let tried = operations::finish_open_slice(platform, PAGE).await?;
    let mut slice = Slice { done: tried.finished as u64, ..Slice::default() };
    for error in &tried.failed {
        slice.failed(error);
    }
    Ok(slice)
}
