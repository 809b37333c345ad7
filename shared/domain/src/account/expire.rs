//! The stated rule for the lost: a hold that runs out is charged at its last checkpoint, with none at
//! its input estimate; never zero, never above the hold.

use super::state::{Expired, Part};
use super::*;
use crate::identity::RequestId;

pub(super) fn end_what_is_due(state: &mut AccountState, now: Timestamp, events: &mut Vec<Event>) {
    while let Some(key) = state.first_due(now) {
        match state.remove(key) {
            Some(Part::Hold(hold)) => {
                let (price, _) = settle::price_within(&hold, &hold.tariff, &hold.so_far);
                settle::charge(&mut state.head, &hold, price.cost);
                let mut row = settle::row(RequestId(key.id), &hold, RowKind::Call, now);
                row.usage = hold.so_far;
                row.cost = price.cost;
                row.provider_cost_nano_usd = price.provider_cost_nano_usd;
                row.estimated = true;
                row.outcome = "expired".into();
                events.push(Event::Usage(Box::new(row)));
                let until = hold.deadline.max(now).plus(LATE_SETTLE);
                let expired = Expired { until, charged: price.cost, hold: *hold };
                state.put(key, Part::Expired(Box::new(expired)));
            }
            Some(_) | None => {}
        }
    }
}
