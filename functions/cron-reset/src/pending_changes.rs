//! Configurations that accounts have not acknowledged.

use crate::AT_ONCE;
use crate::jobs::Slice;
use futures_util::{StreamExt, stream};
use platform::{Platform, PlatformError};
use store::pending_pushes;

const PAGE: usize = 25;
/// The page, and for each account: its rows, the push, the acknowledgement and the view.
pub const QUESTIONS: usize = 1 + 4 * PAGE;

/// The cursor is the last account's id.
pub async fn slice(platform: &impl Platform, cursor: &str) -> Result<Slice, PlatformError> {
    let accounts = pending_pushes::page(platform, None, cursor, PAGE as i64).await?;
    let mut slice = Slice::default();
    if accounts.len() == PAGE {
        slice.next = accounts.last().map(ToString::to_string);
    }
    let pushes = accounts.into_iter().map(|account| pending_pushes::push(platform, account));
    let results: Vec<_> = stream::iter(pushes).buffer_unordered(AT_ONCE).collect().await;
    for result in results {
        match result {
            Ok(Some(_)) => slice.done += 1,
            Ok(None) => {}
            Err(error) => slice.failed(&error),
        }
    }
    Ok(slice)
}
