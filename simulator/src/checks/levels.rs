//! What must be true of an account's keys and of what it has leased of its tenant's money, after every step.

use crate::checks::books::{Step, cost};
use crate::checks::pace::Pace;
use crate::checks::receipts::Receipts;
use crate::checks::token_paces::{TokenPaces, given_back};
use crate::checks::view::{View, equal};
use core::time::Duration;
use domain::account::{
    Account, BudgetRefusal, Command, Configuration, Event, Hold, Key, LimitSource, Refusal, Reply, Reserve,
    RowKind, TenantShare,
};
use domain::api_key::KeyHash;
use domain::identity::RequestId;
use domain::price::Usage;
use domain::state_machine::PartKey;
use domain::time::Timestamp;
use std::collections::BTreeMap;

const KEY_METER: u8 = 2;

/// What an account took of permits, and what it may have given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permitted {
    pub requests: u64,
    pub tokens: u64,
    pub tokens_given_back: u64,
}

/// The limits that calls meet beside the account's own money.
#[derive(Default)]
pub struct Levels {
    pub permitted: Permitted,
    /// Calls that the last step admitted under the tenant's limit of requests.
    pub just_permitted: u64,
    /// Tokens of the tenant that the last step took, and then what it may have given back.
    pub just_tokens: (u64, u64),
    /// Keys whose revocation the account has acknowledged.
    pub revoked: Vec<KeyHash>,
    tokens: TokenPaces,
    paces: BTreeMap<Option<PartKey>, Pace>,
}

impl Levels {
    pub fn check(
        &mut self,
        step: &Step<'_>,
        after: &View<Account>,
        receipts: &Receipts,
        events: &[Event],
    ) -> Result<(), String> {
        let Some(configuration) = step.before.configuration() else { return Ok(()) };
        check_keys(after, receipts)?;
        check_share(step, configuration, after, receipts, events)?;
        if step.before.head.closed && !after.head.closed {
            return Err("a closed account is open again".into());
        }
        if let (Command::Reserve(reserve), Reply::Refused(Refusal::Budget(refusal))) =
            (step.command, step.reply)
        {
            check_tenants_refusal(step, reserve, refusal, after)?;
        }
        for (_, hold) in step.before.holds().filter(|(id, _)| after.hold(*id).is_none()) {
            let back = given_back(step, hold, hold.tenant_tokens);
            self.permitted.tokens_given_back += back;
            self.just_tokens.1 += back;
            self.tokens.ended(step, configuration, hold);
        }
        Ok(())
    }

    /// A hold was opened.
    pub fn admitted(
        &mut self,
        step: &Step<'_>,
        reserve: &Reserve,
        hold: &Hold,
        after: &View<Account>,
    ) -> Result<(), String> {
        let Some(configuration) = after.configuration() else {
            return Err("an account that nobody configured opened a hold".into());
        };
        if after.head.closed {
            return Err("a closed account opened a hold".into());
        }
        let max = configuration.concurrency.unwrap_or(u32::MAX);
        if after.head.open_holds > max {
            return Err(format!("{} calls are open, of {max} that may be", after.head.open_holds));
        }
        let key =
            reserve.key.as_ref().and_then(|hash| configuration.keys.iter().find(|key| key.hash == *hash));
        if reserve.key.as_ref().is_some_and(|hash| self.revoked.contains(hash)) {
            return Err("a key whose revocation was acknowledged opened a hold".into());
        }
        if reserve.key.is_some() && key.is_none() {
            return Err("a key that the account does not know opened a hold".into());
        }
        if let Some(key) = key {
            let free = key_free(after, key).unwrap_or(0);
            if free < 0 {
                return Err(format!("admitted with {} more than the key {} had free", -free, key.id));
            }
        }
        self.pace(step.now, configuration, key)?;
        let tokens = Usage { output: hold.output_ceiling, ..reserve.worst_case }.total();
        self.tokens.admitted(step, configuration, key, tokens)?;
        self.check_lease(configuration, hold, after)
    }

    fn pace(
        &mut self,
        now: Timestamp,
        configuration: &Configuration,
        key: Option<&Key>,
    ) -> Result<(), String> {
        let of_key = key.map(|key| (Some(meter_of(key)), key.rates.requests_per_minute));
        let levels = [Some((None, configuration.rates.requests_per_minute)), of_key];
        for (level, limit) in levels.into_iter().flatten() {
            let Some(limit) = limit else { continue };
            if !self.paces.entry(level).or_default().admit(1, limit, now, Duration::ZERO) {
                return Err(format!("more than {limit} requests a minute were admitted ({level:?})"));
            }
        }
        Ok(())
    }

    fn check_lease(
        &mut self,
        configuration: &Configuration,
        hold: &Hold,
        after: &View<Account>,
    ) -> Result<(), String> {
        let Some(pool) = &configuration.pool else { return Ok(()) };
        self.permitted.requests += u64::from(pool.requests);
        self.just_permitted += u64::from(pool.requests);
        self.permitted.tokens += hold.tenant_tokens;
        self.just_tokens.0 += hold.tenant_tokens;
        let share = &after.head.tenant;
        if !pool.money {
            return Ok(());
        }
        if hold.tenant_opened_at != Some(share.opened_at) || !share.confirmed {
            return Err("a hold is leased in a period that the pool did not tell of".into());
        }
        if needed(share) > share.granted.get() {
            return Err(format!(
                "admitted with {} of the tenant's money needed and {} granted",
                needed(share),
                share.granted
            ));
        }
        Ok(())
    }
}

pub fn meter_of(key: &Key) -> PartKey {
    let mut id = [0; 16];
    id.copy_from_slice(&key.hash.as_bytes()[..16]);
    PartKey { kind: KEY_METER, id }
}

/// What a key's budget has left; none: it has no budget.
pub fn key_free(view: &View<Account>, key: &Key) -> Option<i64> {
    let meter = view.key_meter(meter_of(key));
    let spent = meter.map_or(0, |meter| meter.used.get() + meter.reserved.get());
    key.budget.map(|budget| budget.get() - spent)
}

fn needed(share: &TenantShare) -> i64 {
    share.used.get() + share.reserved.get()
}

/// Each key's meter is the sum of its rows and holds in the current period.
fn check_keys(after: &View<Account>, receipts: &Receipts) -> Result<(), String> {
    let (Some(configuration), Some(period)) = (after.configuration(), after.head.periods.last()) else {
        return Ok(());
    };
    for key in &configuration.keys {
        let part = meter_of(key);
        let holds = after.holds().map(|(_, hold)| hold);
        let of_key =
            holds.filter(|hold| hold.key_meter == Some(part) && hold.period_opened_at == period.opened_at);
        let reserved: i64 = of_key.map(|hold| hold.amount().get()).sum();
        let meter = after.key_meter(part);
        equal("a key's reserved", meter.map_or(0, |meter| meter.reserved.get()), reserved)?;
        let used = receipts.of_key(&key.id, period.opened_at);
        equal("a key's used", meter.map_or(0, |meter| meter.used.get()), used)?;
    }
    Ok(())
}

/// What is leased falls only under a new epoch and never below what is needed, and is used by what was leased
/// in its period alone.
fn check_share(
    step: &Step<'_>,
    configuration: &Configuration,
    after: &View<Account>,
    receipts: &Receipts,
    events: &[Event],
) -> Result<(), String> {
    let (old, new) = (&step.before.head.tenant, &after.head.tenant);
    if new.epoch < old.epoch || (old.confirmed && new.opened_at < old.opened_at) {
        return Err("what is leased went back in time".into());
    }
    if new.opened_at != old.opened_at || matches!(step.command, Command::Configure(_)) {
        return Ok(());
    }
    if new.granted < old.granted && new.epoch == old.epoch {
        return Err("an account lowered its figure without a new epoch".into());
    }
    if new.granted.get() < old.granted.get().min(needed(new)) {
        return Err(format!("{} are granted, less than the {} that are needed", new.granted, needed(new)));
    }
    let counts = configuration.pool.as_ref().is_some_and(|pool| pool.money) && step.now < old.ends_at;
    let covered = step.reported_hold().map_or(0, |hold| {
        let Reply::Settled(settled) = step.reply else { return 0 };
        let covered = settled.charged.get().min(hold.amount().get());
        let leased_now = hold.tenant_opened_at == Some(new.opened_at);
        // The rows count it as if no hold had been there.
        (if leased_now { covered } else { 0 }) - (if counts { covered } else { 0 })
    });
    let mut charged = covered;
    for event in events {
        let Event::Usage(row) = event else { continue };
        charged += match row.kind {
            RowKind::Call | RowKind::Correction
                if receipts.leased_in(row.request_id) == Some(new.opened_at) =>
            {
                row.cost.get()
            }
            RowKind::Report | RowKind::Adjustment if counts => row.cost.get(),
            RowKind::Correction if counts && matches!(step.command, Command::Report(_)) => row.cost.get(),
            _ => 0,
        };
    }
    equal("what was used of the tenant's money", new.used.get(), old.used.get() + charged)
}

/// P15: the tenant refuses only by its pool's own answer, and not by the figures of a period that is over.
fn check_tenants_refusal(
    step: &Step<'_>,
    reserve: &Reserve,
    refusal: &BudgetRefusal,
    after: &View<Account>,
) -> Result<(), String> {
    if refusal.figures.source != LimitSource::Tenant {
        return Ok(());
    }
    let Some((grant, short)) = reserve.grant.as_ref().and_then(|grant| Some((grant, grant.short.as_ref()?)))
    else {
        return Err("refused in the tenant's name, though its pool did not say so".into());
    };
    let (old, new) = (&step.before.head.tenant, &after.head.tenant);
    let began = old.opened_at != new.opened_at && grant.period_opened_at == new.opened_at;
    let wanted = needed(new) + refusal.worst_case.get();
    if began && short.over.get() == 0 && wanted <= short.available.get() {
        return Err(format!(
            "refused in the tenant's name by figures of a period that is over: {wanted} are needed, {} are there",
            short.available
        ));
    }
    Ok(())
}

/// The worst case of a call at this ceiling, with care.
pub fn worst_case(reserve: &Reserve, output: u64, care_permille: u32) -> i64 {
    if let Some(amount) = reserve.amount {
        return amount.get().max(0);
    }
    let usage = Usage { output, ..reserve.worst_case };
    let Some(plain) = cost(&reserve.tariff.dearest(), &usage) else { return i64::MAX };
    i64::try_from((i128::from(plain) * i128::from(care_permille) + 999) / 1_000).unwrap_or(i64::MAX)
}

/// Whose end a step is, if it ends a hold.
pub fn ended_by(command: &Command) -> Option<RequestId> {
    match command {
        Command::Settle(settle) => Some(settle.request_id),
        Command::Release(release) => Some(release.request_id),
        Command::Report(report) => report.hold,
        _ => None,
    }
}
