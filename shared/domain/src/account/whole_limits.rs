//! Calls that are larger than a whole limit per minute: no waiting helps them, so they are refused for good, or get
//! the output ceiling that fits where that is allowed.

use super::reserve::{affordable_output, clamps, least_free, statuses, tokens_at};
use super::*;
use crate::rate_limit::{Excess, RateExcess, RateLimits};

/// The output ceiling within the whole limits of key, user and tenant: as asked, or lowered. What merely has to wait
/// is not lowered: a short answer now is worth less than a whole one within a minute.
pub(super) fn within(
    state: &AccountState,
    configuration: &Configuration,
    key: Option<&Key>,
    command: &Reserve,
    now: Timestamp,
) -> Result<u64, Refusal> {
    let levels = levels(configuration, key, command);
    let never = |source, kind, limit, needed, affordable_output| {
        let excess = RateExcess { kind, limit, needed, excess: Excess::Never };
        let statuses = statuses(state, configuration, key, now);
        Refusal::Rate(RateRefusal { affordable_output, ..RateRefusal::of(source, excess, statuses) })
    };
    if let Some((source, _)) = levels.iter().find(|(_, limits)| limits.requests_per_minute == Some(0)) {
        return Err(never(*source, RateKind::Requests, 0, 1, None));
    }
    let asked = command.worst_case.output;
    let needed = tokens_at(command, asked);
    let tightest = levels.iter().filter_map(|(source, limits)| Some((limits.tokens_per_minute?, *source)));
    let Some((limit, source)) = tightest.min_by_key(|(limit, _)| *limit) else { return Ok(asked) };
    if needed <= limit && limit > 0 {
        return Ok(asked);
    }
    let fitting = fitting_output(command, limit);
    match fitting.filter(|_| clamps(configuration, key, command)) {
        Some(output) => Ok(output),
        None => {
            let (_, free) = least_free(state, configuration, key);
            let care = state.head.care.permille();
            let affordable = fitting.and_then(|most| affordable_output(command, most, care, free));
            Err(never(source, RateKind::Tokens, limit, needed, affordable))
        }
    }
}

/// Whose limits count, as far as they are known here: the tenant's by its pool's answer.
fn levels(
    configuration: &Configuration,
    key: Option<&Key>,
    command: &Reserve,
) -> [(LimitSource, RateLimits); 3] {
    let of_tenant = |terms: &PoolTerms| {
        let told = command.grant.as_ref()?.limits;
        Some(RateLimits {
            requests_per_minute: told.requests_per_minute.filter(|_| terms.requests),
            tokens_per_minute: told.tokens_per_minute.filter(|_| terms.tokens),
        })
    };
    [
        (LimitSource::Key, key.map(|key| key.rates).unwrap_or_default()),
        (LimitSource::User, configuration.rates),
        (LimitSource::Tenant, configuration.pool.as_ref().and_then(of_tenant).unwrap_or_default()),
    ]
}

/// The largest output ceiling, shared evenly by the choices, with which the call takes no more than `limit` tokens.
fn fitting_output(command: &Reserve, limit: u64) -> Option<u64> {
    let choices = u64::from(command.choices.max(1));
    let left = limit.checked_sub(tokens_at(command, 0))?;
    let per_choice = left.min(command.worst_case.output) / choices;
    (per_choice > 0 && command.amount.is_none()).then_some(per_choice * choices)
}
