//! Notices at shares of the budget: each once per period.

use super::*;
use crate::notice::{NEARLY, Notice, THRESHOLDS, percent};

/// Raises what the current period's charges have reached.
pub(super) fn raise(head: &mut Head, configuration: &Configuration, now: Timestamp, events: &mut Vec<Event>) {
    let balance = Balance::of(head, configuration);
    let reached = percent(balance.used, balance.limit);
    raise_through(head, &balance, reached, now, events);
}

/// A refused call for which not even one token of output fits: the budget is used up.
pub(super) fn exhausted(
    state: &mut AccountState,
    configuration: &Configuration,
    refusal: &Refusal,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    let Refusal::Budget(refusal) = refusal else { return };
    let of_user = refusal.figures.source == LimitSource::User && refusal.affordable_output.is_none();
    if of_user && state.head.current().notified == NEARLY {
        let balance = Balance::of(&state.head, configuration);
        raise_through(&mut state.head, &balance, 100, now, events);
    }
}

fn raise_through(head: &mut Head, balance: &Balance, reached: u8, now: Timestamp, events: &mut Vec<Event>) {
    let notified = head.current().notified;
    for percent in THRESHOLDS.into_iter().filter(|percent| notified < *percent && *percent <= reached) {
        head.current_mut().notified = percent;
        events.push(Event::Notice(Box::new(Notice {
            tenant_id: balance.tenant_id.clone(),
            source: LimitSource::User,
            percent,
            used: balance.used,
            limit: balance.limit,
            period_opened_at: balance.period_opened_at,
            resets_at: balance.resets_at,
            at: now,
        })));
    }
}
