//! What an account is granted.

use super::state::{Lease, Part, lease_key};
use super::*;
use crate::account::RateRefusal;
use crate::lease::{CANDIDATES_MAX, LEASE_CALLS, LEASE_SHARE, PERMIT_VALIDITY, Permits, Short};
use core::cmp::Ordering;
use core::time::Duration;

/// All leases are looked through for those who have something to spare once in so long, and so many are remembered.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
const SPARERS_MAX: usize = 32;

pub(super) fn grant(
    state: &mut PoolState,
    configuration: &PoolConfiguration,
    account: AccountId,
    want: &Want,
    now: Timestamp,
) -> Grant {
    let before = current_lease(state, account, want.epoch);
    let mut lease = before.clone();
    // That is true for ever, however late it comes.
    lease.void_to = lease.void_to.max(want.void_to);
    let late = hear(&mut lease, want);
    let mut short = None;
    let mut permits = Ok(None);
    if !late {
        if has_no_more(&lease, want) {
            // It has just given back what it could. Else a grant may be on its way to it, and then it can give more.
            state.head.period.sparers.retain(|other| *other != account);
        }
        short = raise(state, configuration, &before, &mut lease, want, now);
        // A call that is not paid takes no permit.
        if short.is_none() || want.partial {
            permits = take_permits(&mut state.head, configuration, want, now);
        }
        if let Ok(Some(_)) = &permits {
            lease.note_permits(state.head.void_to, now);
        }
        lease.drained = is_drained(&before, &lease, want);
    }
    let grant = Grant {
        period_opened_at: state.head.period.opened_at,
        period_ends_at: state.head.period.ends_at,
        epoch: lease.epoch,
        granted: lease.granted,
        short,
        permits: permits.clone().ok().flatten(),
        rate: permits.err(),
        limits: configuration.rates,
    };
    if lease.granted > before.granted {
        remember_sparer(&mut state.head.period, account, now);
    }
    store(state, &before, lease);
    grant
}

/// Whether the account has no more than it needs until it is granted more. What it tells late is not believed once it
/// was granted more in the same epoch.
fn is_drained(before: &Lease, lease: &Lease, want: &Want) -> bool {
    let was = before.drained && lease.epoch == before.epoch && lease.granted <= before.granted;
    was || has_no_more(lease, want)
}

/// Whether the account gives back, and knew of all that it was granted when it said so.
fn has_no_more(lease: &Lease, want: &Want) -> bool {
    want.gives_back && want.period_opened_at == lease.period_opened_at && lease.granted <= want.base
}

/// Whoever is granted something between two looks may have it to spare before the next.
fn remember_sparer(period: &mut PoolPeriod, account: AccountId, now: Timestamp) {
    let recent = now < period.looked_at.plus(LOOK_PAUSE);
    if recent && period.sparers.len() < SPARERS_MAX && !period.sparers.contains(&account) {
        period.sparers.push(account);
    }
}

/// The account's lease in the present period; an empty one if it has none.
fn current_lease(state: &PoolState, account: AccountId, epoch: u64) -> Lease {
    let period = state.head.period.opened_at;
    match state.part(lease_key(account)) {
        Some(Part::Lease(lease)) if lease.period_opened_at == period => lease.clone(),
        Some(Part::Lease(lease)) => lease.in_period(period, epoch),
        _ => Lease::new(account, period, epoch),
    }
}

/// Takes over what the account says of itself; whether it is too late for that.
fn hear(lease: &mut Lease, want: &Want) -> bool {
    let same_period = want.period_opened_at == lease.period_opened_at;
    match want.epoch.cmp(&lease.epoch) {
        Ordering::Less => return true,
        Ordering::Equal if same_period => lease.used = lease.used.max(want.used),
        Ordering::Equal => {}
        // The account has lowered its figure. In a period that it does not know yet it has none.
        Ordering::Greater => {
            lease.epoch = want.epoch;
            lease.granted = if same_period { want.base.min(lease.granted) } else { NanoEur::ZERO };
            lease.used = if same_period { want.used } else { NanoEur::ZERO };
        }
    }
    false
}

/// Raises the lease to what is wanted, and a share of what is left beyond; or says why not.
fn raise(
    state: &mut PoolState,
    configuration: &PoolConfiguration,
    before: &Lease,
    lease: &mut Lease,
    want: &Want,
    now: Timestamp,
) -> Option<Short> {
    let Some(budget) = configuration.budget else {
        // Not limited here, or not any more: the account must not ask again for want of it.
        lease.granted = lease.granted.max(want.target);
        return None;
    };
    let committed = state.head.period.committed.less(before.figure()).plus(lease.figure());
    let free = budget.saturating_sub(committed.amount());
    let enough = want.target.max(want.least);
    let rest = free.at_least_zero();
    if !free.is_negative() && want.least.saturating_sub(lease.figure()) <= free {
        let left = free.saturating_sub(enough.saturating_sub(lease.figure()).at_least_zero());
        let spare = want.spare.at_least_zero().min(NanoEur::saturating(left.get() / LEASE_SHARE));
        let wanted = if enough <= lease.figure() || left.is_negative() {
            enough.min(lease.figure().saturating_add(rest))
        } else {
            enough.saturating_add(spare)
        };
        lease.granted = lease.granted.max(wanted);
        return None;
    }
    let available = lease.figure().saturating_add(rest);
    if want.partial && !rest.is_zero() {
        lease.granted = available;
    }
    let period = &state.head.period;
    let used = period.used.less(before.used).plus(lease.used);
    // Of what was granted just now, too.
    let committed = state.head.period.committed.less(before.figure()).plus(lease.figure());
    let leased = committed.beyond(used).at_least_zero();
    let looked = !leased.is_zero() && now >= period.looked_at.plus(LOOK_PAUSE);
    if looked {
        state.head.period.sparers = sparers(state);
        state.head.period.looked_at = now;
    }
    let asked = state.head.period.sparers.iter().filter(|other| **other != before.account);
    Some(Short {
        limit: budget,
        used: used.amount(),
        leased,
        over: committed.amount().saturating_sub(budget).at_least_zero(),
        available,
        resets_at: state.head.period.ends_at,
        candidates: asked.take(CANDIDATES_MAX).copied().collect(),
        looked,
    })
}

/// Those who seem to have most to give back, the first of them most.
fn sparers(state: &PoolState) -> Vec<AccountId> {
    let mut most: Vec<(NanoEur, AccountId)> = Vec::with_capacity(SPARERS_MAX + 1);
    for lease in state.leases() {
        let slack = lease.slack();
        if slack <= NanoEur::ZERO {
            continue;
        }
        let place = most.partition_point(|(more, _)| *more >= slack);
        most.insert(place, (slack, lease.account));
        most.truncate(SPARERS_MAX);
    }
    most.into_iter().map(|(_, account)| account).collect()
}

/// Permits of the tenant's rate limits: those needed, and a share of what is left.
fn take_permits(
    head: &mut Head,
    configuration: &PoolConfiguration,
    want: &Want,
    now: Timestamp,
) -> Result<Option<Permits>, RateRefusal> {
    let limits = configuration.rates;
    if want.requests == 0 && want.tokens == 0 {
        return Ok(None);
    }
    head.rates
        .check(want.requests, want.tokens, limits, now)
        .map_err(|excess| RateRefusal::of(LimitSource::Tenant, excess, head.rates.statuses(limits, now)))?;
    let statuses = head.rates.statuses(limits, now);
    let with_spare = |needed: u64, left: Option<u64>| match left {
        Some(left) => {
            let share = left.saturating_sub(needed) / LEASE_SHARE.unsigned_abs();
            needed.saturating_add(needed.saturating_mul(LEASE_CALLS - 1).min(share))
        }
        // Not limited here: the account must not ask again for want of it.
        None => needed,
    };
    let requests = with_spare(want.requests, statuses.requests.map(|status| status.remaining));
    let tokens = with_spare(want.tokens, statuses.tokens.map(|status| status.remaining));
    head.rates.take(requests, tokens, limits, now);
    head.sequence += 1;
    Ok(Some(Permits { sequence: head.sequence, until: now.plus(PERMIT_VALIDITY), requests, tokens }))
}

fn store(state: &mut PoolState, before: &Lease, lease: Lease) {
    let key = lease_key(lease.account);
    let known = state.part(key).is_some();
    if *before == lease && (known || lease.figure().is_zero()) {
        return;
    }
    let period = &mut state.head.period;
    period.committed = period.committed.less(before.figure()).plus(lease.figure());
    period.used = period.used.less(before.used).plus(lease.used);
    state.put(key, Part::Lease(lease));
}
