//! Money and permits of a tenant's pool, for an account that has leased too little.

use crate::tenant_pools;
use domain::account::{self, Account, NeedsGrant};
use domain::identity::AccountId;
use domain::lease::{Grant, Want};
use domain::tenant_pool::{Command, Outstanding, PoolBalance, Reply, TenantPool};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use platform::{AtomicState, Database, PlatformError, PlatformErrorKind};

/// Accounts asked to give back at the same time.
const RECALLS_AT_ONCE: usize = 6;
/// Accounts asked by one who waits for them: each is asked and the pool told. The pool itself asks the rest.
const RECALLS_MAX: usize = 96;

/// Asks the pool; if it is short, has those give back who seem to have most, and asks once more. Safe to repeat:
/// all figures are absolute.
pub(crate) async fn ask(
    platform: &(impl Database + AtomicState),
    account: AccountId,
    needs: &NeedsGrant,
) -> Result<Grant, PlatformError> {
    let grant = want(platform, &needs.pool, account, &needs.want).await?;
    let Some(short) = grant.short.as_ref().filter(|short| !short.candidates.is_empty()) else {
        return Ok(grant);
    };
    // Whoever cannot be asked gives nothing; what it lowered nevertheless reaches the pool through its outbox.
    join_all(short.candidates.iter().map(|other| recall(platform, &needs.pool, *other, 0))).await;
    want(platform, &needs.pool, account, &needs.want).await
}

/// The live figures of the tenant's budget and the accounts' leases.
pub async fn balance(
    platform: &(impl Database + AtomicState),
    pool: &str,
) -> Result<PoolBalance, PlatformError> {
    match configured(platform, pool, Command::Inspect).await? {
        Reply::Balance(balance) => Ok(*balance),
        other => Err(PlatformError::malformed(format!("{pool} answered {other:?}"))),
    }
}

/// Has these accounts give back what they do not need and use no permits of batches up to `void_to`, and tells the
/// pool. One that cannot be reached stops no other.
pub async fn recall_all(
    platform: &(impl Database + AtomicState),
    pool: &str,
    accounts: &[AccountId],
    void_to: u64,
) -> Result<(), PlatformError> {
    let recalls = accounts.iter().map(|account| recall(platform, pool, *account, void_to));
    let recalled: Vec<_> = stream::iter(recalls).buffer_unordered(RECALLS_AT_ONCE).collect().await;
    recalled.into_iter().collect()
}

/// Has accounts give back what they leased under higher limits; at most [`RECALLS_MAX`]. Who is left then.
pub async fn recall_outstanding(
    platform: &(impl Database + AtomicState),
    pool: &str,
) -> Result<Outstanding, PlatformError> {
    let mut left = outstanding(platform, pool, None).await?;
    let mut asked = 0;
    while let Some(last) = left.named.last().copied()
        && asked < RECALLS_MAX
    {
        asked += left.named.len();
        // Whoever cannot be asked stays outstanding.
        let _ = recall_all(platform, pool, &left.named, left.void_to).await;
        left = outstanding(platform, pool, Some(last)).await?;
    }
    Ok(left)
}

/// Accounts that may still use what they leased under higher limits. A pool that was never told its limits has
/// none.
pub async fn outstanding(
    platform: &impl AtomicState,
    pool: &str,
    after: Option<AccountId>,
) -> Result<Outstanding, PlatformError> {
    match platform.apply::<TenantPool>(pool, Command::Outstanding(after)).await? {
        Reply::Outstanding(outstanding) => Ok(*outstanding),
        Reply::NotConfigured => Ok(Outstanding::default()),
        other => Err(PlatformError::malformed(format!("{pool} answered {other:?}"))),
    }
}

/// Has an account give back what it does not need, and tells the pool.
async fn recall(
    platform: &(impl Database + AtomicState),
    pool: &str,
    account: AccountId,
    void_to: u64,
) -> Result<(), PlatformError> {
    match platform.apply::<Account>(&account.to_string(), account::Command::GiveBack(void_to)).await? {
        account::Reply::GivesBack(told) => want(platform, pool, account, &told).await.map(|_| ()),
        _ => Ok(()),
    }
}

async fn want(
    platform: &(impl Database + AtomicState),
    pool: &str,
    account: AccountId,
    want: &Want,
) -> Result<Grant, PlatformError> {
    let ask = || configured(platform, pool, Command::Want(account, Box::new(want.clone())));
    let reply = match ask().await {
        Err(error) if error.kind == PlatformErrorKind::Unavailable => ask().await?,
        answer => answer?,
    };
    match reply {
        Reply::Grant(grant) => Ok(*grant),
        other => Err(PlatformError::malformed(format!("{pool} answered {other:?}"))),
    }
}

/// A pool that has not heard of its tenant yet is told first. Fails closed until it is.
async fn configured(
    platform: &(impl Database + AtomicState),
    pool: &str,
    command: Command,
) -> Result<Reply, PlatformError> {
    let reply = platform.apply::<TenantPool>(pool, command.clone()).await?;
    if !matches!(reply, Reply::NotConfigured) {
        return Ok(reply);
    }
    let unknown = || PlatformError::unavailable(format!("{pool} is not configured"));
    let tenant_id = tenant_pools::tenant_of(pool).ok_or_else(unknown)?;
    tenant_pools::push(platform, tenant_id).await?.ok_or_else(unknown)?;
    platform.apply::<TenantPool>(pool, command).await
}
