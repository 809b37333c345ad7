//! The stated rule for the lost: a hold that runs out is charged at its last checkpoint, with none at
//! its input estimate; never zero, never above the hold.

use super::state::{Expired, Head, Part};
use super::*;
use crate::identity::RequestId;

pub(super) fn end_what_is_due(state: &mut AccountState, now: Timestamp, events: &mut Vec<Event>) {
    while let Some(key) = state.first_due(now) {
        match state.remove(key) {
            // Whoever asked for it reports what it cost, in full, whenever that is known.
            Some(Part::Hold(hold)) if hold.of_amount => settle::charge(state, &hold, NanoEur::ZERO),
            Some(Part::Hold(hold)) => {
                let (price, overrun) = settle::price_within(&hold, &hold.so_far);
                settle::charge(state, &hold, price.cost);
                let mut row = settle::row(RequestId(key.id), &hold, RowKind::Call, now);
                row.usage = hold.so_far;
                row.cost = price.cost;
                row.overrun = overrun;
                row.provider_cost_nano_usd = price.provider_cost_nano_usd;
                row.estimated = true;
                row.outcome = "expired".into();
                events.push(Event::Usage(Box::new(row)));
                if let Some(period) = state.head.period_mut(hold.period_opened_at) {
                    period.correctable += 1;
                }
                let until = hold.deadline.max(now).plus(LATE_SETTLE);
                let expired = Expired { until, charged: price.cost, hold: *hold };
                state.put(key, Part::Expired(Box::new(expired)));
            }
            Some(Part::Expired(expired)) => no_longer_correctable(&mut state.head, &expired),
            Some(_) | None => {}
        }
    }
}

/// Lets go of the expired hold's period.
pub(super) fn no_longer_correctable(head: &mut Head, expired: &Expired) {
    if let Some(period) = head.period_mut(expired.hold.period_opened_at) {
        period.correctable = period.correctable.saturating_sub(1);
    }
}
