//! Configurations that accounts have not acknowledged.

use crate::{AT_ONCE, Summary};
use futures_util::{StreamExt, stream};
use platform::Platform;
use store::pending_pushes;

const PAGE: i64 = 50;
/// Of one run; with three questions to the host per account it stays below Workers' 1,000 per invocation.
const PAGES_MAX: usize = 4;

pub async fn tell(platform: &impl Platform, summary: &mut Summary) {
    let mut after = String::new();
    for _ in 0..PAGES_MAX {
        let accounts = match pending_pushes::page(platform, None, &after, PAGE).await {
            Ok(accounts) => accounts,
            Err(error) => return summary.failed(&error),
        };
        let Some(last) = accounts.last() else { return };
        after = last.to_string();
        let pushes = accounts.into_iter().map(|account| pending_pushes::push(platform, account));
        let results: Vec<_> = stream::iter(pushes).buffer_unordered(AT_ONCE).collect().await;
        for result in results {
            match result {
                Ok(Some(_)) => summary.told += 1,
                Ok(None) => {}
                Err(error) => summary.failed(&error),
            }
        }
    }
}
