//! Admission: one step says who is calling, whether they may, and sets the worst case aside.

use super::state::{Hold, Part, hold_key};
use super::*;
use crate::api_key::KeyHash;
use crate::price::{Tariff, Usage};

pub(super) fn reserve(
    state: &mut AccountState,
    configuration: &Configuration,
    command: Reserve,
    now: Timestamp,
) -> Reply {
    match admit(state, configuration, &command, now) {
        Ok(Admission::New { key_id, output_ceiling, hold }) => {
            open(state, configuration, command, key_id, output_ceiling, hold, now)
        }
        Ok(Admission::Repeated(reserved)) => Reply::Reserved(reserved),
        Err(refusal) => Reply::Refused(refusal),
    }
}

enum Admission {
    New { key_id: Option<String>, output_ceiling: u64, hold: NanoEur },
    Repeated(Reserved),
}

fn admit(
    state: &AccountState,
    configuration: &Configuration,
    command: &Reserve,
    now: Timestamp,
) -> Result<Admission, Refusal> {
    let key_id = authorize(configuration, command.key.as_ref(), now)?;
    if !configuration.models.allows(&command.model) {
        return Err(Refusal::ModelNotAllowed);
    }
    match state.part(hold_key(command.request_id)) {
        Some(Part::Hold(hold)) => {
            let reserved = reserved(&state.head, configuration, hold.amount(), hold.output_ceiling, now);
            return Ok(Admission::Repeated(reserved));
        }
        Some(_) => return Err(Refusal::TooLate),
        None if now >= command.valid_until => return Err(Refusal::TooLate),
        None if state.head.is_too_late(command.request_id, command.valid_until) => {
            return Err(Refusal::TooLate);
        }
        None => {}
    }
    if command.valid_until > now.plus(RESERVE_VALIDITY * 2) {
        // An id is remembered until then: no caller may make that long.
        return Err(Refusal::TooLate);
    }
    if command.routing_version < configuration.routing_version {
        return Err(Refusal::Stale(configuration.routing_version));
    }
    if state.head.open_holds >= OPEN_HOLDS_MAX {
        return Err(Refusal::TooManyHolds);
    }
    if state.undelivered >= BACKLOG_MAX {
        return Err(Refusal::Backlogged);
    }
    check_rates(&state.head, configuration, command.worst_case.total(), now)?;
    let (output_ceiling, hold) = fit(&state.head, configuration, command)?;
    Ok(Admission::New { key_id, output_ceiling, hold })
}

/// The key's id, if the key is good and user and tenant are active.
pub(super) fn authorize(
    configuration: &Configuration,
    key: Option<&KeyHash>,
    now: Timestamp,
) -> Result<Option<String>, Refusal> {
    let key_id = match key {
        Some(hash) => Some(configuration.key(hash, now).ok_or(Refusal::InvalidKey)?.id.clone()),
        None => None,
    };
    if configuration.user_status != Status::Active {
        return Err(Refusal::UserInactive);
    }
    if configuration.tenant_status != Status::Active {
        return Err(Refusal::TenantInactive);
    }
    Ok(key_id)
}

fn check_rates(
    head: &Head,
    configuration: &Configuration,
    tokens: u64,
    now: Timestamp,
) -> Result<(), Refusal> {
    let limits = [
        (RateKind::Requests, &head.requests, 1, configuration.requests_per_minute),
        (RateKind::Tokens, &head.tokens, tokens, configuration.tokens_per_minute),
    ];
    for (kind, meter, units, limit) in limits {
        let Some(limit) = limit else { continue };
        if let Err(wait) = meter.check(units, limit, now) {
            return Err(Refusal::Rate(RateRefusal {
                kind,
                limit,
                retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                requests: configuration.requests_per_minute.map(|l| head.requests.status(l, now)),
                tokens: configuration.tokens_per_minute.map(|l| head.tokens.status(l, now)),
            }));
        }
    }
    Ok(())
}

/// The output ceiling and its price, if it fits what is free; a hold is never shrunk unless asked for.
fn fit(head: &Head, configuration: &Configuration, command: &Reserve) -> Result<(u64, NanoEur), Refusal> {
    let free = head.free(configuration.budget);
    let dearest = command.tariff.dearest();
    if dearest.eur_per_usd_millionths == 0 {
        // An unknown rate is an unknown price.
        return Err(Refusal::Unpriced);
    }
    let worst = dearest.price(&command.worst_case).map_err(|_| Refusal::Unpriced)?.cost;
    // Once something that is no call went beyond the limit, not even a free call passes.
    if worst <= free && !free.is_negative() {
        return Ok((command.worst_case.output, worst));
    }
    let affordable = affordable_output(&dearest, &command.worst_case, free, command.choices.max(1));
    if let Some(output) = affordable.filter(|_| command.clamp || configuration.clamp) {
        let clamped = Usage { output, ..command.worst_case };
        let cost = dearest.price(&clamped).map_err(|_| Refusal::Unpriced)?.cost;
        return Ok((output, cost));
    }
    Err(Refusal::Budget(Box::new(BudgetRefusal {
        source: LimitSource::User,
        balance: Balance::of(head, configuration),
        worst_case: worst,
        affordable_output: affordable,
    })))
}

/// The largest output ceiling, shared evenly by `choices`, that `free` pays. None when not even one
/// token for each fits.
pub(super) fn affordable_output(
    tariff: &Tariff,
    worst_case: &Usage,
    free: NanoEur,
    choices: u32,
) -> Option<u64> {
    let choices = u64::from(choices);
    let fits = |per_choice: u64| {
        let usage = Usage { output: per_choice * choices, ..*worst_case };
        tariff.price(&usage).is_ok_and(|price| price.cost <= free)
    };
    if free.is_negative() || !fits(1) {
        return None;
    }
    let (mut fitting, mut too_much) = (1, (worst_case.output / choices).saturating_add(1));
    while too_much - fitting > 1 {
        let middle = fitting + (too_much - fitting) / 2;
        if fits(middle) { fitting = middle } else { too_much = middle }
    }
    Some(fitting * choices)
}

fn open(
    state: &mut AccountState,
    configuration: &Configuration,
    command: Reserve,
    key_id: Option<String>,
    output_ceiling: u64,
    amount: NanoEur,
    now: Timestamp,
) -> Reply {
    let head = &mut state.head;
    if let Some(limit) = configuration.requests_per_minute {
        head.requests.take(1, limit, now);
    }
    let tokens = match configuration.tokens_per_minute {
        Some(limit) => {
            let tokens = command.worst_case.total();
            head.tokens.take(tokens, limit, now);
            tokens
        }
        None => 0,
    };
    let plan = amount.min(head.plan_free(configuration.budget).at_least_zero());
    let top_up = amount.saturating_sub(plan);
    head.open_holds += 1;
    head.top_up_reserved = head.top_up_reserved.saturating_add(top_up);
    let period = head.current_mut();
    period.plan_reserved = period.plan_reserved.saturating_add(plan);
    period.open_holds += 1;
    let hold = Hold {
        tenant_id: configuration.tenant_id.clone(),
        key_id,
        model: command.model,
        served: command.served,
        tariff: command.tariff,
        plan,
        top_up,
        period_opened_at: period.opened_at,
        opened_at: now,
        valid_until: command.valid_until,
        deadline: now.plus(HOLD_TTL),
        so_far: command.input_estimate,
        output_ceiling,
        tokens,
        tags: command.tags,
    };
    state.put(hold_key(command.request_id), Part::Hold(Box::new(hold)));
    Reply::Reserved(reserved(&state.head, configuration, amount, output_ceiling, now))
}

fn reserved(
    head: &Head,
    configuration: &Configuration,
    hold: NanoEur,
    output_ceiling: u64,
    now: Timestamp,
) -> Reserved {
    Reserved {
        hold,
        remaining: head.free(configuration.budget).at_least_zero(),
        output_ceiling,
        requests: configuration.requests_per_minute.map(|limit| head.requests.status(limit, now)),
        tokens: configuration.tokens_per_minute.map(|limit| head.tokens.status(limit, now)),
    }
}
