//! Money that no hold stands behind: reported usage, top-ups, refunds, corrections by hand.

use super::state::{Ended, Part, hold_key, operation_key};
use super::*;
use crate::identity::RequestId;
use crate::price::{Price, Tariff, Usage};

pub(super) fn report(
    state: &mut AccountState,
    configuration: &Configuration,
    command: Report,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Reply {
    if let Some(reply) = repeated(state, command.operation_id) {
        return reply;
    }
    if state.head.closed {
        return Reply::Refused(Refusal::Closed);
    }
    let price = match command.cost {
        // A negative cost would be a credit, which only an adjustment gives.
        Some(cost) => Price { cost: cost.at_least_zero(), provider_cost_nano_usd: 0 },
        // An unknown rate is an unknown price.
        None if command.tariff.eur_per_usd_millionths == 0 => return Reply::Refused(Refusal::Unpriced),
        None => match command.tariff.price(&command.usage) {
            Ok(price) => price,
            Err(_) => return Reply::Refused(Refusal::Unpriced),
        },
    };
    if let Some(hold) = command.hold {
        end_hold(state, hold, now);
    }
    spend(&mut state.head, configuration, price.cost, now, events);
    let mut row = own_row(state, configuration, command.operation_id, RowKind::Report, price.cost, now);
    row.model = command.model;
    row.served = command.served;
    row.usage = command.usage;
    row.provider_cost_nano_usd = price.provider_cost_nano_usd;
    row.tariff = command.tariff;
    row.tags = command.tags;
    row.note = Some(command.foreign_id);
    events.push(Event::Usage(Box::new(row)));
    finish(state, configuration, command.operation_id, price.cost, now)
}

pub(super) fn top_up(
    state: &mut AccountState,
    configuration: &Configuration,
    command: TopUp,
    now: Timestamp,
) -> Reply {
    if let Some(reply) = repeated(state, command.operation_id) {
        return reply;
    }
    if state.head.closed {
        return Reply::Refused(Refusal::Closed);
    }
    let head = &mut state.head;
    let amount = command.amount.at_least_zero();
    let debt = amount.min(head.debt);
    head.debt = head.debt.saturating_sub(debt);
    let paid = cover(head, configuration, amount.saturating_sub(debt));
    head.top_up = head.top_up.saturating_add(amount.saturating_sub(debt).saturating_sub(paid));
    finish(state, configuration, command.operation_id, NanoEur::ZERO, now)
}

pub(super) fn adjust(
    state: &mut AccountState,
    configuration: &Configuration,
    command: Adjust,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Reply {
    if let Some(reply) = repeated(state, command.operation_id) {
        return reply;
    }
    spend(&mut state.head, configuration, command.amount, now, events);
    let mut row =
        own_row(state, configuration, command.operation_id, RowKind::Adjustment, command.amount, now);
    row.note = Some(command.reason);
    events.push(Event::Usage(Box::new(row)));
    finish(state, configuration, command.operation_id, command.amount, now)
}

/// A refund takes back what is free of the top-up. What calls have reserved or used stays with them; it is
/// owed, and never paid by plan money.
pub(super) fn refund(
    state: &mut AccountState,
    configuration: &Configuration,
    command: Refund,
    now: Timestamp,
) -> Reply {
    if let Some(reply) = repeated(state, command.operation_id) {
        return reply;
    }
    let head = &mut state.head;
    let amount = command.amount.at_least_zero();
    let taken = amount.min(head.top_up_free().at_least_zero());
    head.top_up = head.top_up.saturating_sub(taken);
    head.debt = head.debt.saturating_add(amount.saturating_sub(taken));
    finish(state, configuration, command.operation_id, NanoEur::ZERO, now)
}

/// A new period from now on.
pub(super) fn reset(
    state: &mut AccountState,
    configuration: &Configuration,
    command: Reset,
    now: Timestamp,
) -> Reply {
    if let Some(reply) = repeated(state, command.operation_id) {
        return reply;
    }
    if state.head.closed {
        return Reply::Refused(Refusal::Closed);
    }
    if !state.head.may_open_period() {
        return Reply::Refused(Refusal::TooManyResets);
    }
    state.head.open_period(configuration, now);
    finish(state, configuration, command.operation_id, NanoEur::ZERO, now)
}

/// Ends a hold of a stated amount without charge: its report follows.
fn end_hold(state: &mut AccountState, request_id: RequestId, now: Timestamp) {
    if let Some(Part::Hold(hold)) = state.part(hold_key(request_id))
        && hold.of_amount
    {
        let hold = (**hold).clone();
        settle::charge(state, &hold, NanoEur::ZERO);
        settle::forget_hold(state, request_id, hold.valid_until, now);
    }
}

/// The plan pays first, then the top-up; what neither covers puts the plan over its budget. A credit goes
/// to the plan.
fn spend(
    head: &mut Head,
    configuration: &Configuration,
    cost: NanoEur,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    let from_plan = cost.min(head.plan_free(configuration.budget).at_least_zero());
    let from_top_up = cost.saturating_sub(from_plan).min(head.top_up_free().at_least_zero());
    let uncovered = cost.saturating_sub(from_plan).saturating_sub(from_top_up);
    head.top_up = head.top_up.saturating_sub(from_top_up);
    let period = head.current_mut();
    period.charged = period.charged.saturating_add(cost);
    period.plan_used = period.plan_used.saturating_add(cost.saturating_sub(from_top_up));
    period.uncovered = match cost.is_negative() {
        true => period.uncovered.saturating_add(cost).at_least_zero(),
        false => period.uncovered.saturating_add(uncovered),
    };
    tenant_share::spend(head, configuration, cost, now, events);
}

/// What a top-up pays of earlier reports that exceeded everything, so that it does not lapse with the period.
/// What merely is over because the plan was lowered stays the plan's.
fn cover(head: &mut Head, configuration: &Configuration, amount: NanoEur) -> NanoEur {
    let over = NanoEur::ZERO.saturating_sub(head.plan_free(configuration.budget)).at_least_zero();
    let period = head.current_mut();
    let paid = amount.min(period.uncovered).min(over);
    period.uncovered = period.uncovered.saturating_sub(paid);
    period.plan_used = period.plan_used.saturating_sub(paid);
    paid
}

fn repeated(state: &AccountState, operation_id: RequestId) -> Option<Reply> {
    match state.part(operation_key(operation_id)) {
        Some(Part::Operation(operation)) => Some(Reply::Repeated(operation.settled.clone())),
        _ => None,
    }
}

fn finish(
    state: &mut AccountState,
    configuration: &Configuration,
    operation_id: RequestId,
    charged: NanoEur,
    now: Timestamp,
) -> Reply {
    let remaining = state.head.free(configuration.budget).at_least_zero();
    let settled = Settled { charged, overrun: NanoEur::ZERO, remaining };
    let until = now.plus(OPERATION_MEMORY);
    state.put(operation_key(operation_id), Part::Operation(Ended { until, settled: settled.clone() }));
    Reply::Settled(settled)
}

fn own_row(
    state: &AccountState,
    configuration: &Configuration,
    request_id: RequestId,
    kind: RowKind,
    cost: NanoEur,
    now: Timestamp,
) -> UsageRow {
    UsageRow {
        request_id,
        kind,
        tenant_id: configuration.tenant_id.clone(),
        key_id: None,
        model: String::new(),
        served: Served::default(),
        usage: Usage::default(),
        cost,
        overrun: NanoEur::ZERO,
        provider_cost_nano_usd: 0,
        tariff: Tariff::default(),
        period_opened_at: state.head.current().opened_at,
        estimated: false,
        outcome: kind.as_str().into(),
        latency_ms: None,
        first_token_ms: None,
        tags: Vec::new(),
        at: now,
        note: None,
    }
}
