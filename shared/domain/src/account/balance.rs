//! An account's money at one instant.

use super::{Configuration, Head, PoolTerms, Status};
use crate::money::NanoEur;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// `limit = used + reserved + remaining - over`, always.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Balance {
    /// The plan's money for a period.
    #[n(0)]
    pub budget: NanoEur,
    /// Money that carries over, still there.
    #[n(1)]
    pub top_up: NanoEur,
    /// All that this period can spend: plan and top-up, less what its credits gave back to the top-up of earlier
    /// periods.
    #[n(2)]
    pub limit: NanoEur,
    #[n(3)]
    pub used: NanoEur,
    #[n(4)]
    pub reserved: NanoEur,
    #[n(5)]
    pub remaining: NanoEur,
    /// By how much something that is no call exceeded the limit.
    #[n(6)]
    pub over: NanoEur,
    #[n(7)]
    pub period_opened_at: Timestamp,
    #[n(8)]
    pub resets_at: Timestamp,
    #[n(9)]
    pub open_holds: u32,
    #[n(10)]
    pub user_status: Status,
    #[n(11)]
    pub tenant_status: Status,
    #[n(12)]
    pub tenant_id: String,
    #[n(13)]
    pub configuration_version: u64,
    /// Refunds that the next top-up pays.
    #[n(14)]
    pub debt: NanoEur,
    #[n(15)]
    pub closed: bool,
    /// Where the tenant's own limits are leased from, if it has any.
    #[n(16)]
    pub pool: Option<PoolTerms>,
    /// Leased from the tenant's budget and free; what the pool has left can be had beside it.
    #[n(17)]
    pub tenant_free: NanoEur,
}

impl Balance {
    pub(super) fn of(head: &Head, configuration: &Configuration) -> Self {
        let period = head.current();
        let free = head.free(configuration.budget);
        // What is owed lies in the top-up and is nobody's to spend.
        let (top_up, debt) = (head.top_up.saturating_sub(head.owed()), head.debt.saturating_sub(head.owed()));
        Self {
            budget: configuration.budget,
            top_up,
            limit: configuration.budget.saturating_add(top_up).saturating_add(period.paid_by_top_up()),
            used: period.charged.saturating_add(period.taken_elsewhere),
            reserved: period.plan_reserved.saturating_add(head.top_up_reserved),
            remaining: free.at_least_zero(),
            over: NanoEur::ZERO.saturating_sub(free).at_least_zero(),
            period_opened_at: period.opened_at,
            resets_at: period.ends_at,
            open_holds: head.open_holds,
            user_status: configuration.user_status,
            tenant_status: configuration.tenant_status,
            tenant_id: configuration.tenant_id.clone(),
            configuration_version: configuration.version,
            debt,
            closed: head.closed,
            pool: configuration.pool.clone(),
            tenant_free: head.tenant.free().at_least_zero(),
        }
    }
}
