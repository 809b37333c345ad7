//! Usage rows that have been kept long enough go, with their hourly sums.

use crate::jobs::Slice;
use platform::{Platform, PlatformError};
use store::usage_retention::{RetentionCursor, delete_old_slice, kept};

/// Tenants, one tenant's account-hours, and five statements.
pub const QUESTIONS: usize = 2 + 5;

/// The cursor is the last tenant that is done.
pub async fn slice(platform: &impl Platform, cursor: &str) -> Result<Slice, PlatformError> {
    let before = platform.now().minus(kept(platform).await?);
    let cursor = RetentionCursor { after_tenant: cursor.to_owned() };
    let next = delete_old_slice(platform, &cursor, before).await?;
    Ok(Slice { next: next.map(|cursor| cursor.after_tenant), ..Slice::default() })
}
