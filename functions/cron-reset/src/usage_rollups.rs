//! Usage that is not in the sums yet.

use crate::jobs::Slice;
use platform::{Platform, PlatformError};
use store::usage_rollups;

/// The account-hours, their sums in eleven statements, and what is asked and written where those fail.
pub const QUESTIONS: usize = 1 + 11 + 2;

/// What is summed leaves the list, so every slice begins at the start.
pub async fn slice(platform: &impl Platform, _cursor: &str) -> Result<Slice, PlatformError> {
    let rolled_up = usage_rollups::roll_up_slice(platform, platform.now()).await?;
    let mut slice =
        Slice { done: rolled_up.buckets as u64, next: rolled_up.more.then(String::new), ..Slice::default() };
    for (account, hour) in rolled_up.left_out {
        let error = format!(
            "the usage of {account} in the hour of {} is more than can be summed and is missing in reports: see its rows in usage_logs",
            hour.to_rfc3339()
        );
        slice.failed(&PlatformError::malformed(error));
    }
    Ok(slice)
}
