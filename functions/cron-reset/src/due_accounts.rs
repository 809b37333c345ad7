//! Accounts whose period is over, as far as the directory has heard.

use crate::{AT_ONCE, Summary};
use domain::account::{Account, Command, Reply};
use domain::identity::AccountId;
use domain::time::Timestamp;
use futures_util::{StreamExt, stream};
use platform::{Platform, PlatformError};
use store::users::{self, DueCursor};

const PAGE: i64 = 50;
/// Of one run; one question to the host per account.
const PAGES_MAX: usize = 6;

pub async fn reset(platform: &impl Platform, summary: &mut Summary) {
    let now = platform.now();
    let mut after = DueCursor::start();
    for _ in 0..PAGES_MAX {
        let due = match users::due_for_reset(platform, now, &after, PAGE).await {
            Ok(due) => due,
            Err(error) => return summary.failed(&error),
        };
        let Some((id, at)) = due.last() else { return };
        after = DueCursor { at: *at, id: id.to_string() };
        let questions =
            due.into_iter().map(|(account, _)| async move { (account, period_end(platform, account).await) });
        let answers: Vec<_> = stream::iter(questions).buffer_unordered(AT_ONCE).collect().await;
        write_views(platform, answers, now, summary).await;
    }
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

async fn write_views(
    platform: &impl Platform,
    answers: Vec<(AccountId, Result<Option<Timestamp>, PlatformError>)>,
    now: Timestamp,
    summary: &mut Summary,
) {
    let mut views = Vec::new();
    for (account, answer) in answers {
        match answer {
            Ok(Some(ends_at)) if ends_at > now => views.push(users::set_budget_reset_at(account, ends_at)),
            Ok(_) => {}
            Err(error) => summary.failed(&error),
        }
    }
    let count = views.len() as u64;
    if views.is_empty() {
        return;
    }
    match platform.commit(views).await {
        Ok(()) => summary.reset += count,
        Err(error) => summary.failed(&error),
    }
}
