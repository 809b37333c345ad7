//! The end of a hold: charged at what was used, never above the hold.

use super::key_meter::KeyMeter;
use super::state::{Ended, Expired, Hold, Part, hold_key};
use super::*;
use crate::identity::RequestId;
use crate::price::{Price, Usage};
use crate::rate_limit::RateMeters;

/// Cumulative and monotonous: a lower or late checkpoint changes nothing.
pub(super) fn checkpoint(state: &mut AccountState, command: Checkpoint, now: Timestamp) -> Reply {
    let key = hold_key(command.request_id);
    let Some(Part::Hold(hold)) = state.part(key) else { return Reply::Unknown };
    let mut hold = hold.clone();
    let cost = |usage: &Usage| hold.tariff.price(usage).map(|price| price.cost).unwrap_or(NanoEur::MAX);
    if cost(&command.usage) > cost(&hold.so_far) {
        hold.so_far = command.usage;
    }
    let extended = now.plus(HOLD_TTL).min(hold.opened_at.plus(HOLD_TTL_MAX));
    hold.deadline = hold.deadline.max(extended);
    state.put(key, Part::Hold(hold));
    Reply::Done
}

pub(super) fn settle(
    state: &mut AccountState,
    configuration: &Configuration,
    command: &Settle,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Reply {
    let key = hold_key(command.request_id);
    match state.part(key) {
        Some(Part::Hold(hold)) => {
            let hold = (**hold).clone();
            let settled = end(state, configuration, &hold, command, now, events);
            forget_hold(state, command.request_id, hold.valid_until, now);
            Reply::Settled(settled)
        }
        Some(Part::Expired(expired)) => {
            let expired = (**expired).clone();
            Reply::Settled(correct(
                state,
                configuration,
                command.request_id,
                &expired,
                Some(command),
                now,
                events,
            ))
        }
        Some(Part::Ended(ended)) => Reply::Repeated(ended.settled.clone()),
        _ => Reply::Unknown,
    }
}

pub(super) fn release(
    state: &mut AccountState,
    configuration: &Configuration,
    command: Release,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Reply {
    let key = hold_key(command.request_id);
    match state.part(key) {
        Some(Part::Hold(hold)) => {
            let hold = (**hold).clone();
            charge(state, &hold, NanoEur::ZERO);
            give_back_tokens(state, configuration, &hold, 0, now);
            let settled = nothing(state, configuration);
            forget_hold(state, command.request_id, hold.valid_until, now);
            Reply::Settled(settled)
        }
        // Charged by the rule for the lost, and then it turns out that nothing was served.
        Some(Part::Expired(expired)) => {
            let expired = (**expired).clone();
            Reply::Settled(correct(state, configuration, command.request_id, &expired, None, now, events))
        }
        Some(Part::Ended(ended)) => Reply::Repeated(ended.settled.clone()),
        // The `Reserve` may still be on its way: it must not open a hold that nobody ends.
        None if state.head.has_ended(command.request_id) => Reply::Unknown,
        // By the caller's clock it may come as much later as that is ahead.
        None if now < command.valid_until && command.valid_until <= latest_valid(now) => {
            state.head.remember_end(command.request_id, command.valid_until, now);
            Reply::Settled(nothing(state, configuration))
        }
        _ => Reply::Unknown,
    }
}

/// The latest that any caller's `Reserve` is valid until, as clocks differ.
fn latest_valid(now: Timestamp) -> Timestamp {
    now.plus(SKEW_MAX + RESERVE_VALIDITY * 2)
}

/// Moves a hold's money: the charge to used, the rest back to free. Plan money pays first, so the
/// top-up is what is left over.
pub(super) fn charge(state: &mut AccountState, hold: &Hold, cost: NanoEur) {
    let head = &mut state.head;
    head.open_holds = head.open_holds.saturating_sub(1);
    head.top_up_reserved = head.top_up_reserved.saturating_sub(hold.top_up);
    head.tenant.charge(hold, cost);
    if let Some(period) = head.period_mut(hold.period_opened_at) {
        period.plan_reserved = period.plan_reserved.saturating_sub(hold.plan);
        period.open_holds = period.open_holds.saturating_sub(1);
    }
    head.post(hold.period_opened_at, cost, cost.saturating_sub(cost.min(hold.plan)));
    change_key_meter(state, hold, |meter| {
        meter.reserved = meter.reserved.saturating_sub(hold.amount());
        meter.used = meter.used.saturating_add(cost);
    });
}

/// If the key still has a meter in the hold's period.
fn change_key_meter(state: &mut AccountState, hold: &Hold, change: impl FnOnce(&mut KeyMeter)) {
    let current = state.head.current().opened_at;
    if let Some(part) = hold.key_meter.filter(|_| hold.period_opened_at == current) {
        key_meter::change(state, part, change);
    }
}

/// What `usage` costs within the hold. A unit without a price costs the whole hold: never zero.
pub(super) fn price_within(hold: &Hold, usage: &Usage) -> (Price, NanoEur) {
    let amount = hold.amount();
    let Ok(price) = hold.tariff.price(usage) else {
        return (Price { cost: amount, provider_cost_nano_usd: 0 }, NanoEur::ZERO);
    };
    let overrun = price.cost.saturating_sub(amount).at_least_zero();
    (Price { cost: price.cost.min(amount), ..price }, overrun)
}

fn end(
    state: &mut AccountState,
    configuration: &Configuration,
    hold: &Hold,
    command: &Settle,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Settled {
    let (price, overrun) = price_within(hold, &command.usage);
    charge(state, hold, price.cost);
    give_back_tokens(state, configuration, hold, command.usage.total(), now);
    state.head.care.learn(price.cost.saturating_add(overrun), hold.amount(), hold.care_permille);
    let mut row = row(command.request_id, hold, RowKind::Call, now);
    row.usage = command.usage;
    row.cost = price.cost;
    row.overrun = overrun;
    row.provider_cost_nano_usd = price.provider_cost_nano_usd;
    describe(&mut row, command);
    events.push(Event::Usage(Box::new(row)));
    Settled { charged: price.cost, overrun, remaining: state.head.free(configuration.budget).at_least_zero() }
}

/// A late end of an expired hold: down always; up only within the old hold and the free money. Without a
/// settlement, nothing was served.
fn correct(
    state: &mut AccountState,
    configuration: &Configuration,
    request_id: RequestId,
    expired: &Expired,
    settle: Option<&Settle>,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Settled {
    let hold = &expired.hold;
    let usage = settle.map_or_else(Usage::default, |settle| settle.usage);
    let (price, overrun) = price_within(hold, &usage);
    let difference = recharge(state, configuration, expired, price.cost);
    let charged = expired.charged.saturating_add(difference);
    // What the call cost and nobody paid, whether it exceeds the hold or the money was not there any more.
    let overrun = overrun.saturating_add(price.cost.saturating_sub(charged).at_least_zero());
    let more_overrun = overrun.saturating_sub(price_within(hold, &hold.so_far).1);
    if usage != hold.so_far || !difference.is_zero() || !more_overrun.is_zero() {
        let mut row = row(request_id, hold, RowKind::Correction, now);
        row.usage = usage;
        row.cost = difference;
        row.overrun = more_overrun;
        row.provider_cost_nano_usd = price.provider_cost_nano_usd;
        match settle {
            Some(settle) => describe(&mut row, settle),
            None => row.outcome = "released".into(),
        }
        events.push(Event::Usage(Box::new(row)));
    }
    let settled =
        Settled { charged, overrun, remaining: state.head.free(configuration.budget).at_least_zero() };
    expire::no_longer_correctable(&mut state.head, expired);
    let ended = Ended { until: expired.until, settled: settled.clone() };
    state.put(hold_key(request_id), Part::Ended(ended));
    settled
}

/// Moves an expired hold's charge to `cost` or as near as the free money of every level and the ledger's range
/// allow, in the hold's own period, and says by how much. What goes back goes where it came from.
fn recharge(
    state: &mut AccountState,
    configuration: &Configuration,
    expired: &Expired,
    cost: NanoEur,
) -> NanoEur {
    let hold = &expired.hold;
    let wanted = cost.saturating_sub(expired.charged).min(spare_of_levels(state, configuration, hold));
    let (head, budget) = (&mut state.head, configuration.budget);
    let in_present = hold.period_opened_at == head.current().opened_at;
    let Some(period) = head.period_mut(hold.period_opened_at) else { return NanoEur::ZERO };
    let (least, most) = range::of_correction(period);
    let plan_free = period.plan_free(budget).at_least_zero();
    let (plan, top_up) = if wanted.is_negative() {
        let back = NanoEur::ZERO.saturating_sub(wanted);
        let back = if in_present { back.min(range::credit_room(head, configuration)) } else { back };
        (NanoEur::ZERO.saturating_sub(back).max(least), NanoEur::ZERO)
    } else {
        let wanted = wanted.min(most);
        let plan = wanted.min(plan_free);
        // In the present period the plan's part is not free any more.
        let of_both = if in_present { head.free(budget).saturating_sub(plan) } else { head.free(budget) };
        let free = head.top_up_free().min(of_both).at_least_zero();
        (plan, wanted.saturating_sub(plan).min(free))
    };
    let difference = plan.saturating_add(top_up);
    head.post(hold.period_opened_at, difference, top_up);
    if hold.tenant_opened_at == Some(head.tenant.opened_at) {
        head.tenant.correct(difference);
    }
    change_key_meter(state, hold, |meter| meter.used = meter.used.saturating_add(difference));
    difference
}

/// What the key and the tenant's lease leave for a correction upwards. A tenant's period that is over leaves
/// nothing: its money may have gone to others.
fn spare_of_levels(state: &AccountState, configuration: &Configuration, hold: &Hold) -> NanoEur {
    let share = &state.head.tenant;
    let of_tenant = match hold.tenant_opened_at {
        None => NanoEur::MAX,
        Some(period) if period == share.opened_at => share.free().at_least_zero(),
        Some(_) => NanoEur::ZERO,
    };
    let part = hold.key_meter.filter(|_| hold.period_opened_at == state.head.current().opened_at);
    let key = part.and_then(|part| {
        let key = configuration.keys.iter().find(|key| key_meter::part_of(&key.hash) == part)?;
        Some(key_meter::read(state, part).free(key.limit()).at_least_zero())
    });
    of_tenant.min(key.unwrap_or(NanoEur::MAX))
}

fn describe(row: &mut UsageRow, command: &Settle) {
    row.estimated = command.estimated;
    row.outcome = command.outcome.clone();
    row.latency_ms = Some(command.latency_ms);
    row.first_token_ms = command.first_token_ms;
    if let Some(served) = &command.served {
        row.served = served.clone();
    }
}

pub(super) fn row(request_id: RequestId, hold: &Hold, kind: RowKind, now: Timestamp) -> UsageRow {
    UsageRow {
        request_id,
        kind,
        tenant_id: hold.tenant_id.clone(),
        key_id: hold.key_id.clone(),
        model: hold.model.clone(),
        served: hold.served.clone(),
        usage: Usage::default(),
        cost: NanoEur::ZERO,
        overrun: NanoEur::ZERO,
        provider_cost_nano_usd: 0,
        tariff: hold.tariff,
        period_opened_at: hold.period_opened_at,
        estimated: false,
        outcome: String::new(),
        latency_ms: None,
        first_token_ms: None,
        tags: hold.tags.clone(),
        // A call is found by its id, which says its time.
        at: if kind == RowKind::Call { request_id.made_at() } else { now },
        note: None,
    }
}

/// Drops the hold and remembers that it ended.
pub(super) fn forget_hold(
    state: &mut AccountState,
    request_id: RequestId,
    valid_until: Timestamp,
    now: Timestamp,
) {
    state.remove(hold_key(request_id));
    state.head.remember_end(request_id, valid_until, now);
}

/// Gives back what the call did not use of the rate limits.
fn give_back_tokens(
    state: &mut AccountState,
    configuration: &Configuration,
    hold: &Hold,
    used: u64,
    now: Timestamp,
) {
    let back = |meters: &mut RateMeters, taken, limits| {
        meters.give_back_tokens(taken, used, limits, hold.opened_at, now);
    };
    back(&mut state.head.rates, hold.tokens, configuration.rates);
    state.head.tenant.give_back_tokens(hold, used, now);
    let limits_of = |part| configuration.keys.iter().find(|key| key_meter::part_of(&key.hash) == part);
    if let Some(key) = hold.key_meter.and_then(limits_of).filter(|key| !key.rates.is_none()) {
        key_meter::change(state, key_meter::part_of(&key.hash), |meter| {
            back(&mut meter.rates, hold.key_tokens, key.rates);
        });
    }
}

fn nothing(state: &AccountState, configuration: &Configuration) -> Settled {
    Settled {
        charged: NanoEur::ZERO,
        overrun: NanoEur::ZERO,
        remaining: state.head.free(configuration.budget).at_least_zero(),
    }
}
