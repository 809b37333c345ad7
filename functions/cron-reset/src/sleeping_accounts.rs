//! Every account, once a day: ends the holds that expired while nobody asked, and delivers what waits.
//!
//! An account that is used does both by itself, and on Workers its alarm does, so what is found here was
//! only late. Nothing in the directory says who has something waiting, since that would be a write per
//! call; visiting everybody costs two questions per account and day instead.

use crate::AT_ONCE;
use crate::jobs::Slice;
use domain::account::{Account, Command};
use domain::identity::AccountId;
use futures_util::{StreamExt, stream};
use platform::{Platform, PlatformError};
use store::users;

const PAGE: usize = 25;
/// The page, and for each account: waking it, and its delivery.
pub const QUESTIONS: usize = 1 + 2 * PAGE;

/// The cursor is the last account's id.
pub async fn slice(platform: &impl Platform, cursor: &str) -> Result<Slice, PlatformError> {
    let accounts = users::ids(platform, cursor, PAGE as i64).await?;
    let mut slice = Slice::default();
    if accounts.len() == PAGE {
        slice.next = accounts.last().map(ToString::to_string);
    }
    let visits = accounts.into_iter().map(|account| visit(platform, account));
    let results: Vec<_> = stream::iter(visits).buffer_unordered(AT_ONCE).collect().await;
    for result in results {
        match result {
            Ok(()) => slice.done += 1,
            Err(error) => slice.failed(&error),
        }
    }
    Ok(slice)
}

async fn visit(platform: &impl Platform, account: AccountId) -> Result<(), PlatformError> {
    let name = account.to_string();
    platform.apply::<Account>(&name, Command::Wake).await?;
    platform.deliver::<Account>(&name).await
}
