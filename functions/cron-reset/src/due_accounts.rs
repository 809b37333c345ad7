//! Accounts whose period is over, as far as the directory has heard.

use crate::AT_ONCE;
use crate::jobs::Slice;
use domain::account::{Account, Command, Reply};
use domain::identity::AccountId;
use domain::time::Timestamp;
use futures_util::{StreamExt, stream};
use platform::{Platform, PlatformError};
use store::users::{self, DueCursor};

const PAGE: usize = 50;
/// The page, each account's answer, and all views in one statement.
pub const QUESTIONS: usize = 2 + PAGE;

/// The cursor is the last account's old view and id, so that one that cannot be reached holds nobody up.
pub async fn slice(platform: &impl Platform, cursor: &str) -> Result<Slice, PlatformError> {
    let now = platform.now();
    let due = users::due_for_reset(platform, now, &DueCursor::parse(cursor), PAGE as i64).await?;
    let mut slice = Slice::default();
    if due.len() == PAGE {
        slice.next = due.last().map(|(id, at)| DueCursor { at: *at, id: id.to_string() }.to_string());
    }
    let questions =
        due.into_iter().map(|(account, _)| async move { (account, period_end(platform, account).await) });
    let answers: Vec<_> = stream::iter(questions).buffer_unordered(AT_ONCE).collect().await;
    let mut views = Vec::new();
    for (account, answer) in answers {
        match answer {
            Ok(Some(ends_at)) if ends_at > now => views.push((account, ends_at)),
            Ok(_) => {}
            Err(error) => slice.failed(&error),
        }
    }
    slice.done = views.len() as u64;
    if !views.is_empty() {
        platform.commit(vec![users::set_all_budget_resets_at(&views)]).await?;
    }
    Ok(slice)
}

/// Any command lets an account begin the period of now; this one asks for nothing else. None for an account
/// that nobody configured yet: its pending configuration tells it.
async fn period_end(
    platform: &impl Platform,
    account: AccountId,
) -> Result<Option<Timestamp>, PlatformError> {
    match platform.apply::<Account>(&account.to_string(), Command::Inspect).await? {
        Reply::Balance(balance) => Ok(Some(balance.resets_at)),
        _ => Ok(None),
    }
}
