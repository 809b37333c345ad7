//! What a pool counts as given back nobody spends.

use crate::checks::view::View;
use domain::account::Account;
use domain::identity::AccountId;
use domain::tenant_pool::TenantPool;

/// Who is not outstanding, by the pool's rows, has no more of the tenant's money than it uses and holds, as long as
/// more is leased than there is.
pub fn check(pool: &View<TenantPool>, account: AccountId, view: &View<Account>) -> Result<(), String> {
    let (period, share) = (&pool.head.period, &view.head.tenant);
    let budget = pool.configuration().and_then(|known| known.budget);
    let over = budget.is_some_and(|budget| period.committed.amount() > budget);
    if !over || !share.confirmed || share.opened_at != period.opened_at {
        return Ok(());
    }
    let lease = pool.lease(account).filter(|lease| lease.period_opened_at == period.opened_at);
    let slack = lease.map_or(0, |lease| lease.figure().get() - lease.used.get().max(0));
    let outstanding = slack > 0 && lease.is_some_and(|lease| !lease.drained);
    let needed = (share.used.get() + share.reserved.get()).max(0);
    if !outstanding && share.granted.get() > needed {
        return Err(format!(
            "{account} may spend {} of its tenant's money, which the pool counts as given back",
            share.granted.get() - needed
        ));
    }
    Ok(())
}
