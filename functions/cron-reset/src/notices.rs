//! Notices that nobody is told of yet: each gets its deliveries.

use crate::jobs::Slice;
use platform::{Platform, PlatformError};
use store::notices;

const PAGE: usize = 100;
/// The page, and the statements of its plan.
pub const QUESTIONS: usize = 1 + 4;

/// What is planned leaves the page, so every slice begins at the start.
pub async fn slice(platform: &impl Platform, _cursor: &str) -> Result<Slice, PlatformError> {
    let ids = notices::unplanned(platform, PAGE as i64).await?;
    if ids.is_empty() {
        return Ok(Slice::default());
    }
    platform.commit(notices::plan(&ids, platform.now())).await?;
    let next = (ids.len() == PAGE).then(String::new);
    Ok(Slice { done: ids.len() as u64, next, ..Slice::default() })
}
