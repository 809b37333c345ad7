//! Every account and every tenant's pool, once a day: ends what is due, such as the holds that expired while
//! nobody asked, and delivers what waits.
//!
//! One that is used does both by itself, and on Workers its alarm does, so what is found here was only late.
//! Nothing in the directory says who has something waiting, since that would be a write per call; visiting
//! everybody costs one question per account and day instead.

use crate::AT_ONCE;
use crate::jobs::Slice;
use domain::account::Account;
use domain::state_machine::StateMachine;
use domain::tenant_pool::TenantPool;
use futures_util::{StreamExt, stream};
use platform::{Platform, PlatformError};
use store::{tenant_pools, users};

const PAGE: usize = 100;
/// The page, and each visit.
pub const QUESTIONS: usize = 1 + PAGE;

/// The cursor is the last account's id.
pub async fn accounts(platform: &impl Platform, cursor: &str) -> Result<Slice, PlatformError> {
    let accounts = users::ids(platform, cursor, PAGE as i64).await?;
    let names: Vec<_> = accounts.iter().map(ToString::to_string).collect();
    let mut slice = visit::<Account>(platform, &names).await;
    slice.next = names.last().filter(|_| names.len() == PAGE).cloned();
    Ok(slice)
}

/// The cursor is the last tenant's id.
pub async fn pools(platform: &impl Platform, cursor: &str) -> Result<Slice, PlatformError> {
    let (tenants, names): (Vec<_>, Vec<_>) =
        tenant_pools::names(platform, cursor, PAGE as i64).await?.into_iter().unzip();
    let mut slice = visit::<TenantPool>(platform, &names).await;
    slice.next = tenants.last().filter(|_| tenants.len() == PAGE).cloned();
    Ok(slice)
}

async fn visit<M: StateMachine>(platform: &impl Platform, names: &[String]) -> Slice {
    let visits = names.iter().map(|name| platform.deliver::<M>(name));
    let results: Vec<_> = stream::iter(visits).buffer_unordered(AT_ONCE).collect().await;
    let mut slice = Slice::default();
    for result in results {
        match result {
            Ok(()) => slice.done += 1,
            Err(error) => slice.failed(&error),
        }
    }
    slice
}
