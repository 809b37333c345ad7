//! Admission: one step says who is calling, whether they may, and sets the worst case aside.

use super::care::with_care;
use super::state::{Hold, Part, hold_key};
use super::*;
use crate::api_key::KeyHash;
use crate::lease::{Short, Want};
use crate::price::Usage;
use crate::rate_limit::{RateExcess, RateStatuses};
use crate::state_machine::PartKey;

pub(super) fn reserve(
    state: &mut AccountState,
    configuration: &Configuration,
    mut command: Reserve,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Reply {
    let is_late = state.head.is_too_late(&command, now);
    if let Some(grant) = &mut command.grant {
        if is_late {
            // Permits are good for a while after they were given, and not for ever.
            grant.permits = None;
        }
        let head = &mut state.head;
        let (share, periods) = (&mut head.tenant, &head.periods);
        let known = share.opened_at;
        share.apply(grant, now, |since| state::charged_since(periods, since));
        if share.opened_at != known {
            // What was wanted was wanted of another period: that it is not there says nothing.
            grant.short = None;
        }
    }
    match admit(state, configuration, &command, now) {
        Ok(Admission::New(terms)) => open(state, configuration, command, terms, now),
        Ok(Admission::Repeated(reserved)) => Reply::Reserved(reserved),
        Ok(Admission::NeedsGrant(want)) => match &configuration.pool {
            Some(pool) => Reply::NeedsGrant(Box::new(NeedsGrant { pool: pool.name.clone(), want })),
            None => Reply::Refused(too_late(&state.head, now)),
        },
        Err(refusal) => {
            let key = command.key.as_ref().and_then(|hash| configuration.key(hash, now));
            notices::exhausted(state, configuration, key, &refusal, now, events);
            Reply::Refused(refusal)
        }
    }
}

enum Admission {
    New(Terms),
    Repeated(Reserved),
    NeedsGrant(Want),
}

/// What a hold is opened with.
struct Terms {
    key_id: Option<String>,
    key_meter: Option<PartKey>,
    output_ceiling: u64,
    amount: NanoEur,
}

fn admit(
    state: &AccountState,
    configuration: &Configuration,
    command: &Reserve,
    now: Timestamp,
) -> Result<Admission, Refusal> {
    let key = authorize(&state.head, configuration, command.key.as_ref(), now)?;
    // Whoever states an amount need not say for which model.
    let names_model = command.amount.is_none() || !command.model.is_empty();
    if names_model && !configuration.models.allows(&command.model) {
        return Err(Refusal::ModelNotAllowed);
    }
    match state.part(hold_key(command.request_id)) {
        Some(Part::Hold(hold)) => {
            return Ok(Admission::Repeated(reserved(state, configuration, key, hold, now)));
        }
        Some(_) => return Err(too_late(&state.head, now)),
        None if state.head.is_too_late(command, now) => return Err(too_late(&state.head, now)),
        None => {}
    }
    if command.routing_version < configuration.routing_version {
        return Err(Refusal::Stale(configuration.routing_version));
    }
    if state.head.open_holds >= configuration.open_holds_max() {
        return Err(Refusal::TooManyHolds(configuration.open_holds_max()));
    }
    if state.undelivered >= BACKLOG_MAX {
        return Err(Refusal::Backlogged);
    }
    let output = whole_limits::within(state, configuration, key, command, now)?;
    let fitting = fit(state, configuration, key, command, output);
    let ceiling = fitting.as_ref().map_or(output, |(ceiling, _)| *ceiling);
    check_rates(state, configuration, key, tokens_at(command, ceiling), now)?;
    let (output_ceiling, amount) = fitting?;
    match lease(&state.head, configuration, key, command, (output_ceiling, amount), now)? {
        Lease::Fits(output_ceiling, amount) => Ok(Admission::New(Terms {
            key_id: key.map(|key| key.id.clone()),
            key_meter: key.map(|key| key_meter::part_of(&key.hash)),
            output_ceiling,
            amount,
        })),
        Lease::Missing(want) => Ok(Admission::NeedsGrant(want)),
    }
}

fn too_late(head: &Head, now: Timestamp) -> Refusal {
    Refusal::TooLate(Moment { now, ends: head.ends })
}

/// The key, if one is named and good, and user and tenant are active.
pub(super) fn authorize<'a>(
    head: &Head,
    configuration: &'a Configuration,
    key: Option<&KeyHash>,
    now: Timestamp,
) -> Result<Option<&'a Key>, Refusal> {
    let key = match key {
        Some(hash) => Some(configuration.key(hash, now).ok_or(Refusal::InvalidKey)?),
        None => None,
    };
    if head.closed || configuration.user_status != Status::Active {
        return Err(Refusal::UserInactive);
    }
    if configuration.tenant_status != Status::Active {
        return Err(Refusal::TenantInactive);
    }
    Ok(key)
}

/// The key's limits and the account's; the tenant's are leased.
fn check_rates(
    state: &AccountState,
    configuration: &Configuration,
    key: Option<&Key>,
    tokens: u64,
    now: Timestamp,
) -> Result<(), Refusal> {
    let refused = |source| {
        move |excess: RateExcess| {
            let statuses = statuses(state, configuration, key, now);
            Refusal::Rate(RateRefusal::of(source, excess, statuses))
        }
    };
    if let Some(key) = key.filter(|key| !key.rates.is_none()) {
        let meter = key_meter::read(state, key_meter::part_of(&key.hash));
        meter.rates.check(1, tokens, key.rates, now).map_err(refused(LimitSource::Key))?;
    }
    state.head.rates.check(1, tokens, configuration.rates, now).map_err(refused(LimitSource::User))
}

/// What is left of the key's and the account's limits, whichever is less.
pub(super) fn statuses(
    state: &AccountState,
    configuration: &Configuration,
    key: Option<&Key>,
    now: Timestamp,
) -> RateStatuses {
    let own = state.head.rates.statuses(configuration.rates, now);
    match key.filter(|key| !key.rates.is_none()) {
        Some(key) => {
            let meter = key_meter::read(state, key_meter::part_of(&key.hash));
            own.tighter(meter.rates.statuses(key.rates, now))
        }
        None => own,
    }
}

/// The output ceiling and its price, if it fits the key's and the account's money; a hold is never shrunk
/// unless asked for.
fn fit(
    state: &AccountState,
    configuration: &Configuration,
    key: Option<&Key>,
    command: &Reserve,
    output: u64,
) -> Result<(u64, NanoEur), Refusal> {
    let care = state.head.care.permille();
    let worst = worst_case(command, output, care)?;
    let (source, free) = least_free(state, configuration, key);
    // Once something that is no call went beyond the limit, not even a free call passes.
    if worst <= free && !free.is_negative() {
        return Ok((output, worst));
    }
    let affordable = affordable_output(command, output, care, free);
    match affordable.filter(|_| clamps(configuration, key, command)) {
        Some(output) => Ok((output, worst_case(command, output, care)?)),
        None => Err(Refusal::Budget(Box::new(BudgetRefusal {
            figures: figures(state, configuration, key, source),
            worst_case: worst,
            affordable_output: affordable,
        }))),
    }
}

pub(super) fn clamps(configuration: &Configuration, key: Option<&Key>, command: &Reserve) -> bool {
    command.clamp || configuration.clamp || key.is_some_and(|key| key.clamp)
}

/// What a call with this output ceiling may cost.
fn worst_case(command: &Reserve, output: u64, care: u32) -> Result<NanoEur, Refusal> {
    if let Some(amount) = command.amount {
        return Ok(amount.at_least_zero());
    }
    let tariff = command.tariff.dearest();
    if tariff.eur_per_usd_millionths == 0 {
        // An unknown rate is an unknown price.
        return Err(Refusal::Unpriced);
    }
    let usage = Usage { output, ..command.worst_case };
    Ok(with_care(tariff.price(&usage).map_err(|_| Refusal::Unpriced)?.cost, care))
}

/// What a call with this output ceiling takes of limits of tokens.
pub(super) fn tokens_at(command: &Reserve, output: u64) -> u64 {
    Usage { output, ..command.worst_case }.total()
}

pub(super) fn least_free(
    state: &AccountState,
    configuration: &Configuration,
    key: Option<&Key>,
) -> (LimitSource, NanoEur) {
    let own = (LimitSource::User, state.head.free(configuration.budget));
    let of_key = key.map(|key| {
        let meter = key_meter::read(state, key_meter::part_of(&key.hash));
        (LimitSource::Key, meter.free(key.limit()))
    });
    of_key.filter(|(_, free)| *free < own.1).unwrap_or(own)
}

fn figures(
    state: &AccountState,
    configuration: &Configuration,
    key: Option<&Key>,
    source: LimitSource,
) -> LimitFigures {
    let balance = Balance::of(&state.head, configuration);
    match (source, key) {
        (LimitSource::Key, Some(key)) => {
            let meter = key_meter::read(state, key_meter::part_of(&key.hash));
            LimitFigures::new(source, key.limit(), meter.used, meter.reserved, balance.resets_at)
        }
        _ => LimitFigures::of_user(&balance),
    }
}

/// The largest output ceiling up to `most`, shared evenly by the choices, that `free` pays. None when not even one
/// token for each fits.
pub(super) fn affordable_output(command: &Reserve, most: u64, care: u32, free: NanoEur) -> Option<u64> {
    let choices = u64::from(command.choices.max(1));
    let fits =
        |per_choice: u64| worst_case(command, per_choice * choices, care).is_ok_and(|cost| cost <= free);
    if command.amount.is_some() || free.is_negative() || !fits(1) {
        return None;
    }
    let (mut fitting, mut too_much) = (1, (most / choices).saturating_add(1));
    while too_much - fitting > 1 {
        let middle = fitting + (too_much - fitting) / 2;
        if fits(middle) { fitting = middle } else { too_much = middle }
    }
    Some(fitting * choices)
}

enum Lease {
    Fits(u64, NanoEur),
    Missing(Want),
}

/// Whether what is leased from the tenant's pool covers the call. Only the pool's own answer refuses.
fn lease(
    head: &Head,
    configuration: &Configuration,
    key: Option<&Key>,
    command: &Reserve,
    (output, amount): (u64, NanoEur),
    now: Timestamp,
) -> Result<Lease, Refusal> {
    let (Some(pool), share) = (&configuration.pool, &head.tenant) else {
        return Ok(Lease::Fits(output, amount));
    };
    let answer = command.grant.as_deref();
    let (requests, tokens) = missing_permits(share, pool, tokens_at(command, output), now);
    let permitted = requests == 0 && tokens == 0;
    // What can never pass was refused or lowered before: of that the answer is not the last word.
    let waits = answer.and_then(|grant| grant.rate.clone()).filter(|rate| rate.retry_after_ms.is_some());
    if let Some(refusal) = waits.filter(|_| !permitted) {
        return Err(Refusal::Rate(refusal));
    }
    // By our clock the period may be over before the pool's has ended: then its answer counts.
    let current = share.confirmed && (!share.is_over(now) || answer.is_some());
    let covered = !pool.money || (current && amount <= share.free());
    if covered && permitted {
        return Ok(Lease::Fits(output, amount));
    }
    let clamps = clamps(configuration, key, command);
    if let Some(short) = answer.and_then(|grant| grant.short.as_ref()).filter(|_| !covered) {
        let care = head.care.permille();
        match affordable_output(command, output, care, share.free()).filter(|_| clamps) {
            Some(output) if permitted => return Ok(Lease::Fits(output, worst_case(command, output, care)?)),
            // Others of this account were quicker to take the permits.
            Some(_) => {}
            None => return Err(short_refusal(share, command, short, (output, amount), care)),
        }
    }
    let amount = if pool.money { amount } else { NanoEur::ZERO };
    Ok(Lease::Missing(Want { requests, tokens, ..share.want(amount, command.asked, clamps, !current) }))
}

fn short_refusal(
    share: &TenantShare,
    command: &Reserve,
    short: &Short,
    (output, worst_case): (u64, NanoEur),
    care: u32,
) -> Refusal {
    let spendable = short.available.saturating_sub(share.granted).saturating_add(share.free());
    let Short { limit, used, leased, resets_at, .. } = *short;
    Refusal::Budget(Box::new(BudgetRefusal {
        figures: LimitFigures::new(LimitSource::Tenant, limit, used, leased, resets_at),
        worst_case,
        affordable_output: affordable_output(command, output, care, spendable),
    }))
}

fn missing_permits(share: &TenantShare, pool: &PoolTerms, needed: u64, now: Timestamp) -> (u64, u64) {
    let (requests, tokens) = share.valid_permits(now);
    let missing = |limited, needed: u64, held| if limited { needed.saturating_sub(held) } else { 0 };
    (missing(pool.requests, 1, requests), missing(pool.tokens, needed, tokens))
}

fn open(
    state: &mut AccountState,
    configuration: &Configuration,
    command: Reserve,
    terms: Terms,
    now: Timestamp,
) -> Reply {
    let Terms { key_id, key_meter, output_ceiling, amount } = terms;
    let key = command.key.as_ref().and_then(|hash| configuration.key(hash, now));
    let tokens = tokens_at(&command, output_ceiling);
    let head = &mut state.head;
    head.rates.take(1, tokens, configuration.rates, now);
    let plan = amount.min(head.plan_free(configuration.budget).at_least_zero());
    let top_up = amount.saturating_sub(plan);
    head.open_holds += 1;
    head.top_up_reserved = head.top_up_reserved.saturating_add(top_up);
    let tenant_opened_at = head.tenant.take(configuration.pool.as_ref(), amount, tokens);
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
        tokens: if configuration.rates.tokens_per_minute.is_some() { tokens } else { 0 },
        key_tokens: if key.is_some_and(|key| key.rates.tokens_per_minute.is_some()) { tokens } else { 0 },
        tenant_tokens: if configuration.pool.as_ref().is_some_and(|pool| pool.tokens) { tokens } else { 0 },
        tags: command.tags,
        key_meter,
        tenant_opened_at,
        care_permille: state.head.care.permille(),
        of_amount: command.amount.is_some(),
    };
    if let (Some(part), Some(key)) = (key_meter, key) {
        let mut meter = key_meter::read(state, part);
        meter.reserved = meter.reserved.saturating_add(amount);
        meter.rates.take(1, tokens, key.rates, now);
        state.put(part, Part::KeyMeter(meter));
    }
    let reserved = reserved(state, configuration, key, &hold, now);
    state.put(hold_key(command.request_id), Part::Hold(Box::new(hold)));
    Reply::Reserved(reserved)
}

fn reserved(
    state: &AccountState,
    configuration: &Configuration,
    key: Option<&Key>,
    hold: &Hold,
    now: Timestamp,
) -> Reserved {
    Reserved {
        hold: hold.amount(),
        remaining: state.head.free(configuration.budget).at_least_zero(),
        output_ceiling: hold.output_ceiling,
        statuses: statuses(state, configuration, key, now),
        expires_at: hold.deadline,
    }
}
