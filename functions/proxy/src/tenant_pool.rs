//! Money and permits of the tenant's pool, for an account that has leased too little.

use domain::account::{self, Account, NeedsGrant};
use domain::identity::AccountId;
use domain::lease::{Grant, Want};
use domain::tenant_pool::{Command, Reply, TenantPool};
use futures_util::future::join_all;
use platform::{Platform, PlatformError, PlatformErrorKind};

/// Asks the pool; if it is short, has those give back who seem to have most, and asks once more. Safe to repeat:
/// all figures are absolute.
pub async fn ask(
    platform: &impl Platform,
    account: AccountId,
    needs: &NeedsGrant,
) -> Result<Grant, PlatformError> {
    let grant = want(platform, &needs.pool, account, &needs.want).await?;
    let Some(short) = grant.short.as_ref().filter(|short| !short.candidates.is_empty()) else {
        return Ok(grant);
    };
    join_all(short.candidates.iter().map(|other| recall(platform, &needs.pool, *other))).await;
    want(platform, &needs.pool, account, &needs.want).await
}

/// What the account gives back reaches the pool through its outbox in any case; this is the quick way.
async fn recall(platform: &impl Platform, pool: &str, account: AccountId) {
    let reply = platform.apply::<Account>(&account.to_string(), account::Command::GiveBack).await;
    if let Ok(account::Reply::GivesBack(told)) = reply {
        let _ = want(platform, pool, account, &told).await;
    }
}

async fn want(
    platform: &impl Platform,
    pool: &str,
    account: AccountId,
    want: &Want,
) -> Result<Grant, PlatformError> {
    let ask = || platform.apply::<TenantPool>(pool, Command::Want(account, Box::new(want.clone())));
    let reply = match ask().await {
        Err(error) if error.kind == PlatformErrorKind::Unavailable => ask().await?,
        answer => answer?,
    };
    match reply {
        Reply::Grant(grant) => Ok(*grant),
        // Fails closed until the directory has told the pool its limits.
        _ => Err(PlatformError::unavailable(format!("{pool} is not configured"))),
    }
}
