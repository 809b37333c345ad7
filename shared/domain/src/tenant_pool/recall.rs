//! Less is there than was leased, since the budget or a rate was lowered or reports exceeded the budget: accounts are
//! asked for what they do not need.

use super::state::{Part, RECALL, lease_key};
use super::*;
use core::time::Duration;

/// Accounts asked in one step, and named in one answer.
const AT_ONCE: usize = 32;
/// When the next are asked.
const PAUSE: Duration = Duration::from_secs(1);
/// When the same are asked again: whoever gave back is asked no more.
const AGAIN: Duration = Duration::from_secs(60);

/// Asks some, and comes back as long as there is somebody to ask.
pub(super) fn recall(
    state: &mut PoolState,
    configuration: &PoolConfiguration,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    let asked: Vec<Lease> = state
        .outstanding(configuration, now)
        .filter(|lease| now >= lease.asked_at.plus(AGAIN))
        .take(AT_ONCE)
        .cloned()
        .collect();
    for lease in asked {
        events.push(Event::Recall(lease.account, state.head.void_to));
        state.put(lease_key(lease.account), Part::Lease(Lease { asked_at: now, ..lease }));
    }
    // Not before somebody may be asked: every visit is stored.
    let next = state.outstanding(configuration, now).map(|lease| lease.asked_at.plus(AGAIN)).min();
    match next {
        Some(at) => state.put(RECALL, Part::Recall(at.max(now.plus(PAUSE)))),
        None => drop(state.remove(RECALL)),
    }
}

/// For whoever waits until nobody is left, and asks them himself meanwhile.
pub(super) fn outstanding(
    state: &PoolState,
    configuration: &PoolConfiguration,
    after: Option<AccountId>,
    now: Timestamp,
) -> Outstanding {
    let all = || state.outstanding(configuration, now);
    let loose: Total = state.leases().filter(|lease| lease.is_loose()).map(Lease::slack).sum();
    let budget = configuration.budget.unwrap_or(NanoEur::MAX);
    let over = state.head.period.committed.amount().saturating_sub(budget).at_least_zero();
    let later = all().filter(|lease| after.is_none_or(|after| lease_key(lease.account) > lease_key(after)));
    Outstanding {
        accounts: all().count() as u64,
        leased: loose.amount().min(over),
        named: later.take(AT_ONCE).map(|lease| lease.account).collect(),
        void_to: state.head.void_to,
    }
}
