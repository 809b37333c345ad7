//! Limits that tenants' pools have not acknowledged. Before the accounts hear of their part of the change:
//! they ask a pool that must know it.

use crate::AT_ONCE;
use crate::jobs::Slice;
use futures_util::{StreamExt, stream};
use platform::{Platform, PlatformError};
use store::tenant_pools;

const PAGE: usize = 25;
/// The page, and for each pool: its rows, its answer, and the acknowledgement.
pub const QUESTIONS: usize = 1 + 3 * PAGE;

/// The cursor is the last tenant's id.
pub async fn slice(platform: &impl Platform, cursor: &str) -> Result<Slice, PlatformError> {
    let tenants = tenant_pools::page(platform, cursor, PAGE as i64).await?;
    let mut slice = Slice::default();
    if tenants.len() == PAGE {
        slice.next = tenants.last().cloned();
    }
    let pushes = tenants.iter().map(|tenant_id| tenant_pools::push(platform, tenant_id));
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
