//! Money that no hold stands behind: reported usage, top-ups, corrections by hand.

use super::state::{Ended, Part, operation_key};
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
    spend(&mut state.head, configuration, price.cost);
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
    // Never less than what open holds reserve of it.
    state.head.top_up = state.head.top_up.saturating_add(command.amount.at_least_zero());
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
    spend(&mut state.head, configuration, command.amount);
    let mut row =
        own_row(state, configuration, command.operation_id, RowKind::Adjustment, command.amount, now);
    row.note = Some(command.reason);
    events.push(Event::Usage(Box::new(row)));
    finish(state, configuration, command.operation_id, command.amount, now)
}

/// The plan pays first, then the top-up; what neither covers puts the plan over its budget. A credit goes
/// to the plan.
fn spend(head: &mut Head, configuration: &Configuration, cost: NanoEur) {
    let from_plan = cost.min(head.plan_free(configuration.budget).at_least_zero());
    let from_top_up = cost.saturating_sub(from_plan).min(head.top_up_free().at_least_zero());
    head.top_up = head.top_up.saturating_sub(from_top_up);
    let period = head.current_mut();
    period.charged = period.charged.saturating_add(cost);
    period.plan_used = period.plan_used.saturating_add(cost.saturating_sub(from_top_up));
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
