//! More is granted than there is, since the budget was lowered or reports exceeded it: accounts are asked for
//! what they do not need.

use super::state::{Part, RECALL, lease_key};
use super::*;
use core::time::Duration;

/// Accounts asked in one step.
const AT_ONCE: usize = 32;
/// When the next are asked.
const PAUSE: Duration = Duration::from_secs(1);
/// When the same are asked again: calls that were open then may have left something.
const AGAIN: Duration = Duration::from_secs(60);

/// Asks some, and comes back as long as there is somebody to ask.
pub(super) fn recall(
    state: &mut PoolState,
    configuration: &PoolConfiguration,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    let over = configuration.budget.is_some_and(|budget| state.head.period.committed > budget);
    let loose = |lease: &&Lease| over && lease.slack() > NanoEur::ZERO;
    let asked: Vec<Lease> = state
        .leases()
        .filter(loose)
        .filter(|lease| now >= lease.asked_at.plus(AGAIN))
        .take(AT_ONCE)
        .cloned()
        .collect();
    for lease in asked {
        events.push(Event::Recall(lease.account));
        state.put(lease_key(lease.account), Part::Lease(Lease { asked_at: now, ..lease }));
    }
    // Not before somebody may be asked: every visit is stored.
    let next = state.leases().filter(loose).map(|lease| lease.asked_at.plus(AGAIN)).min();
    match next {
        Some(at) => state.put(RECALL, Part::Recall(at.max(now.plus(PAUSE)))),
        None => drop(state.remove(RECALL)),
    }
}
