//! What the ledger holds exactly. An order that would lead beyond is refused, so that no sum ever saturates.
//!
//! A figure is at most 2^53 - 1 nano-euros. A budget is at most [`BUDGET_MAX`], and what is, was or may again be
//! in the top-up at most the rest, [`TOP_UP_MAX`]: so plan and top-up together fit, whatever the budget becomes.
//! Calls move money within that and cannot lead out of it; only what is no call is asked.

use super::state::{Head, Period};
use super::{Configuration, Refusal};
use crate::money::{MAX_NANO_EUR, NanoEur};

/// The largest budget of a user or a key: four million euros.
pub const BUDGET_MAX: NanoEur = NanoEur::euros(4_000_000);
/// The most that is in a top-up, counted with what it paid and may get back.
pub const TOP_UP_MAX: i64 = MAX_NANO_EUR - BUDGET_MAX.get();

/// As far as the ledger goes; what is beyond is refused by name where it is asked for.
pub(super) fn within(budget: NanoEur) -> NanoEur {
    budget.at_least_zero().min(BUDGET_MAX)
}

/// How much more the top-up may become, by an order or by what it gets back.
fn top_up_room(head: &Head) -> i64 {
    let paid = head.periods.iter().map(|period| period.paid_by_top_up().at_least_zero().get());
    let credit = head.periods.last().map_or(0, |period| (-period.plan_used.get()).max(0));
    let reach = paid.map(i128::from).sum::<i128>() + i128::from(head.top_up.get()) + i128::from(credit);
    i64::try_from(i128::from(TOP_UP_MAX) - reach).unwrap_or(0).max(0)
}

/// The most that can be charged beside what holds cover.
pub(super) fn charge_room(head: &Head, configuration: &Configuration) -> NanoEur {
    let (period, share) = (head.current(), &head.tenant);
    let elsewhere = period.taken_elsewhere.get();
    let taken = elsewhere + period.charged.get() + period.plan_reserved.get() + head.top_up_reserved.get();
    let of_plan = elsewhere + period.plan_used.get() + period.plan_reserved.get();
    let of_tenant = share.used.get() + share.reserved.get();
    let most = taken.max(of_plan).max(if leases(configuration) { of_tenant } else { 0 });
    room(MAX_NANO_EUR - most)
}

/// The most that can be credited.
pub(super) fn credit_room(head: &Head, configuration: &Configuration) -> NanoEur {
    let period = head.current();
    let undone = period.plan_used.get().max(0) + period.paid_by_top_up().get().max(0);
    let least = if leases(configuration) { period.charged.min(head.tenant.used) } else { period.charged };
    room((undone + top_up_room(head)).min(MAX_NANO_EUR + least.get()))
}

/// How far a late correction may move the charges of its period.
pub(super) fn of_correction(period: &Period) -> (NanoEur, NanoEur) {
    let charged = period.charged.get();
    let most = charged.max(period.plan_used.get()) + period.plan_reserved.get();
    (NanoEur::saturating((-MAX_NANO_EUR - charged).min(0)), room(MAX_NANO_EUR - most))
}

pub(super) fn most_top_up(head: &Head) -> NanoEur {
    room(head.debt.get() + top_up_room(head))
}

pub(super) fn most_refund(head: &Head) -> NanoEur {
    room(head.top_up_free().get() + MAX_NANO_EUR - head.debt.get())
}

pub(super) fn check(amount: NanoEur, most: NanoEur) -> Result<(), Refusal> {
    if amount <= most { Ok(()) } else { Err(Refusal::DoesNotFit(most)) }
}

fn leases(configuration: &Configuration) -> bool {
    configuration.pool.as_ref().is_some_and(|pool| pool.money)
}

fn room(nano: i64) -> NanoEur {
    NanoEur::saturating(nano).at_least_zero()
}
