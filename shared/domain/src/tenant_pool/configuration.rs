//! What the directory says of a tenant's limits. Versioned: an older snapshot never replaces a newer one.

use super::state::{self, Part};
use super::{Event, PoolState, Reply, balance, recall};
use crate::civil_time::PeriodRule;
use crate::money::NanoEur;
use crate::rate_limit::RateLimits;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct PoolConfiguration {
    #[n(0)]
    pub version: u64,
    #[n(1)]
    pub tenant_id: String,
    /// What all accounts together may spend in a period; none: no limit.
    #[n(2)]
    pub budget: Option<NanoEur>,
    /// A change takes effect when the present period ends.
    #[n(3)]
    pub period: PeriodRule,
    #[n(4)]
    pub rates: RateLimits,
}

pub(super) fn configure(
    state: &mut PoolState,
    new: PoolConfiguration,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Reply {
    let current = state.configuration();
    if current.is_none_or(|current| new.version > current.version) {
        if current.is_some_and(|current| new.rates.is_below(&current.rates)) {
            state.head.void_to = state.head.sequence;
        }
        state.head.enter_period(&new, now);
        state.put(state::CONFIGURATION, Part::Configuration(Box::new(new)));
    }
    let Some(configuration) = state.configuration().cloned() else { return Reply::NotConfigured };
    super::raise_notices(&mut state.head, &configuration, false, now, events);
    recall::recall(state, &configuration, now, events);
    balance(state, &configuration)
}
