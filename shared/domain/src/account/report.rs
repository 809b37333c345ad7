//! Money that no hold stands behind: reported usage, top-ups, refunds, corrections by hand.

use super::state::{Ended, Hold, Part, hold_key, operation_key};
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
    let hold = command.hold.and_then(|id| Some((id, open_hold(state, id)?)));
    if state.head.closed && hold.is_none() {
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
    let covered = hold.as_ref().map_or(NanoEur::ZERO, |(_, hold)| price.cost.min(hold.amount()));
    let beyond = price.cost.saturating_sub(covered);
    let most = range::charge_room(&state.head, configuration).saturating_add(covered);
    if let Err(refusal) = range::check(price.cost, most) {
        return Reply::Refused(refusal);
    }
    if let Some((id, hold)) = &hold {
        settle::charge(state, hold, covered);
        settle::forget_hold(state, *id, hold.valid_until, now);
    }
    spend(&mut state.head, configuration, beyond, now, events);
    let operation_id = command.operation_id;
    for row in rows(state, configuration, command, &price, hold.map(|(_, hold)| hold), now) {
        events.push(Event::Usage(Box::new(row)));
    }
    finish(state, configuration, operation_id, price.cost, now)
}

/// One row; two where the hold that covers a part of it counts in an earlier period or for another tenant.
/// The second then corrects the first by what the hold did not cover.
fn rows(
    state: &AccountState,
    configuration: &Configuration,
    command: Report,
    price: &Price,
    hold: Option<Hold>,
    now: Timestamp,
) -> Vec<UsageRow> {
    let mut row = own_row(state, configuration, command.operation_id, RowKind::Report, price.cost, now);
    row.model = command.model;
    row.served = command.served;
    row.usage = command.usage;
    row.provider_cost_nano_usd = price.provider_cost_nano_usd;
    row.tariff = command.tariff;
    row.tags = command.tags;
    row.note = Some(command.foreign_id);
    let counts_elsewhere = |hold: &Hold| {
        (hold.period_opened_at, &hold.tenant_id, &hold.key_id)
            != (row.period_opened_at, &row.tenant_id, &row.key_id)
    };
    let Some(hold) = hold.filter(counts_elsewhere) else { return vec![row] };
    let covered = price.cost.min(hold.amount());
    let beyond =
        UsageRow { kind: RowKind::Correction, cost: price.cost.saturating_sub(covered), ..row.clone() };
    row.cost = covered;
    row.period_opened_at = hold.period_opened_at;
    row.tenant_id = hold.tenant_id;
    row.key_id = hold.key_id;
    if beyond.cost.is_zero() { vec![row] } else { vec![row, beyond] }
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
    if let Err(refusal) = range::check(amount, range::most_top_up(head)) {
        return Reply::Refused(refusal);
    }
    let debt = amount.min(head.debt);
    head.debt = head.debt.saturating_sub(debt);
    head.top_up = head.top_up.saturating_add(amount.saturating_sub(debt));
    // What earlier reports took beyond everything is paid now, so that it does not lapse with the period.
    head.share_out();
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
    let (amount, credit) = (command.amount, NanoEur::ZERO.saturating_sub(command.amount));
    let checked = match amount.is_negative() {
        true => range::check(credit, range::credit_room(&state.head, configuration)),
        false => range::check(amount, range::charge_room(&state.head, configuration)),
    };
    if let Err(refusal) = checked {
        return Reply::Refused(refusal);
    }
    spend(&mut state.head, configuration, amount, now, events);
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
    if let Err(refusal) = range::check(amount, range::most_refund(head)) {
        return Reply::Refused(refusal);
    }
    let taken = amount.min(head.top_up_free().at_least_zero());
    head.top_up = head.top_up.saturating_sub(taken);
    head.debt = head.debt.saturating_add(amount.saturating_sub(taken));
    head.share_out();
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

/// A hold of a stated amount, which its report ends.
fn open_hold(state: &AccountState, request_id: RequestId) -> Option<Hold> {
    match state.part(hold_key(request_id)) {
        Some(Part::Hold(hold)) if hold.of_amount => Some((**hold).clone()),
        _ => None,
    }
}

/// What no hold covers, in the present period; below zero a credit.
fn spend(
    head: &mut Head,
    configuration: &Configuration,
    cost: NanoEur,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    head.post(head.current().opened_at, cost, NanoEur::ZERO);
    tenant_share::spend(head, configuration, cost, now, events);
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
