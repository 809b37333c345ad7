//! Who may still let calls pass under a tenant's earlier limits.

use domain::money::NanoEur;
use domain::tenant_pool;
use platform::{Database, PlatformError};
use serde_json::Value;
use store::{pending_pushes, tenant_pools};

/// Nobody, once `count` is 0: then no later call passes under the old limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outstanding {
    /// Accounts and the pool that have not heard of the change, and accounts that have not given back what they
    /// leased before it.
    pub count: u64,
    /// What these have leased beyond the budget.
    pub leased: NanoEur,
}

impl Outstanding {
    /// `leases` is none where the pool could not be asked.
    pub async fn of(
        database: &impl Database,
        tenant_id: &str,
        leases: Option<&tenant_pool::Outstanding>,
    ) -> Result<Self, PlatformError> {
        let untold = pending_pushes::count_of_tenant(database, tenant_id).await?;
        let pool = leases.is_none() || tenant_pools::is_pending(database, tenant_id).await?;
        Ok(Self {
            count: untold + u64::from(pool) + leases.map_or(0, |leases| leases.accounts),
            leased: leases.map_or(NanoEur::ZERO, |leases| leases.leased),
        })
    }

    pub fn show(&self, body: &mut Value) {
        body["outstanding"] = self.count.into();
        body["outstanding_leased"] = self.leased.to_string().into();
    }
}
