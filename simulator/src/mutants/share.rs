//! Accounts that are wrong about their tenant's money, their keys' or their notices. They exist to be caught.

use crate::mutants::account::{AccountState, Answer, Flaw, hold, operation_key};
use domain::account::{Account, Command, Event, KeyMeter, Part, Reply};
use domain::lease::Want;
use domain::money::NanoEur;
use domain::state_machine::{PartKey, StateMachine};
use domain::time::Timestamp;
use std::collections::BTreeMap;

const HOLD: u8 = 1;
const KEY_METER: u8 = 2;

fn meter(state: &AccountState, part: PartKey) -> Option<KeyMeter> {
    match state.part(part) {
        Some(Part::KeyMeter(meter)) => Some(meter.clone()),
        _ => None,
    }
}

/// What the account tells its pool, in the reply and in the outbox.
fn change_wants(outcome: &mut Answer, change: impl Fn(&mut Want)) {
    if let Reply::GivesBack(want) = &mut outcome.reply {
        change(want);
    }
    for event in &mut outcome.events {
        if let Event::Pool(_, want) = event {
            change(want);
        }
    }
}

/// An answer of the pool that comes again adds once more.
pub struct RelativeGrant;
impl Flaw for RelativeGrant {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let again = match &command {
            Command::Reserve(reserve) => reserve.grant.as_ref().map(|grant| grant.granted),
            _ => None,
        };
        let share = &state.head.tenant;
        let again = again.filter(|granted| share.confirmed && *granted == share.granted);
        let outcome = Account::step(state, command, now);
        if let Some(more) = again {
            let share = &mut state.head.tenant;
            share.granted = share.granted.saturating_add(more);
        }
        outcome
    }
}

/// Gives back under the old epoch, so that the pool does not tell old from new.
pub struct GivesBackWithoutNewEpoch;
impl Flaw for GivesBackWithoutNewEpoch {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let (epoch, gives_back) = (state.head.tenant.epoch, matches!(command, Command::GiveBack(_)));
        let mut outcome = Account::step(state, command, now);
        if gives_back {
            state.head.tenant.epoch = epoch;
            change_wants(&mut outcome, |want| want.epoch = epoch);
        }
        outcome
    }
}

/// Gives back what its open calls hold.
pub struct RecallsBelowWhatIsNeeded;
impl Flaw for RecallsBelowWhatIsNeeded {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let gives_back = matches!(command, Command::GiveBack(_));
        let mut outcome = Account::step(state, command, now);
        if gives_back {
            let share = &mut state.head.tenant;
            share.granted = share.granted.min(share.used.at_least_zero());
            let base = share.granted;
            change_wants(&mut outcome, |want| (want.base, want.least, want.target) = (base, base, base));
        }
        outcome
    }
}

/// A repeated batch of permits counts again.
pub struct PermitsCountTwice;
impl Flaw for PermitsCountTwice {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        if let Command::Reserve(reserve) = &command
            && let Some(new) = reserve.grant.as_ref().and_then(|grant| grant.permits)
            && state.head.tenant.taken.contains(&new.sequence)
        {
            let held = &mut state.head.tenant.permits;
            held.requests += new.requests;
            held.tokens += new.tokens;
        }
        Account::step(state, command, now)
    }
}

/// A hold of the tenant's last period is charged to the present one.
pub struct ChargesTheTenantsNewPeriod;
impl Flaw for ChargesTheTenantsNewPeriod {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let leased: BTreeMap<[u8; 16], Option<Timestamp>> = state
            .parts_of(HOLD)
            .filter_map(|(part, hold)| match hold {
                Part::Hold(hold) => Some((part.id, hold.tenant_opened_at)),
                _ => None,
            })
            .collect();
        let outcome = Account::step(state, command, now);
        let share = &mut state.head.tenant;
        for event in &outcome.events {
            let Event::Usage(row) = event else { continue };
            let period = leased.get(&row.request_id.0).copied().flatten();
            if period.is_some_and(|period| period != share.opened_at) {
                share.used = share.used.saturating_add(row.cost);
            }
        }
        outcome
    }
}

/// A released call stays reserved at its key.
pub struct KeyMeterIsNotReleased;
impl Flaw for KeyMeterIsNotReleased {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let released = match &command {
            Command::Release(release) => hold(state, release.request_id),
            _ => None,
        };
        let outcome = Account::step(state, command, now);
        if let Some(hold) = released
            && let Some(part) = hold.key_meter
            && let Some(mut meter) = meter(state, part)
        {
            meter.reserved = meter.reserved.saturating_add(hold.amount());
            state.put(part, Part::KeyMeter(meter));
        }
        outcome
    }
}

/// After a reset the end of an old call takes what a new one has reserved at the key.
pub struct ResetMixesAKeysHolds;
impl Flaw for ResetMixesAKeysHolds {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let ended = match &command {
            Command::Settle(settle) => hold(state, settle.request_id),
            Command::Release(release) => hold(state, release.request_id),
            _ => None,
        };
        let outcome = Account::step(state, command, now);
        let current = state.head.periods.last().map(|period| period.opened_at);
        if let Some(hold) = ended.filter(|hold| Some(hold.period_opened_at) != current)
            && let Some(part) = hold.key_meter
            && let Some(mut meter) = meter(state, part)
        {
            meter.reserved = meter.reserved.saturating_sub(hold.amount()).at_least_zero();
            state.put(part, Part::KeyMeter(meter));
        }
        outcome
    }
}

/// A reset begins the keys anew, too, but not what they have open.
pub struct ResetKeepsAKeysHolds;
impl Flaw for ResetKeepsAKeysHolds {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let resets = matches!(command, Command::Reset(_));
        let before = state.head.periods.last().map(|period| period.opened_at);
        let outcome = Account::step(state, command, now);
        let current = state.head.periods.last().map(|period| period.opened_at);
        let Some(current) = current.filter(|_| resets && current != before) else { return outcome };
        let keys = state.parts_of(KEY_METER).filter_map(|(part, meter)| match meter {
            Part::KeyMeter(meter) => Some((part, meter.clone())),
            _ => None,
        });
        let kept: Vec<_> = keys.filter(|(_, meter)| meter.reserved > NanoEur::ZERO).collect();
        for (part, meter) in kept {
            state.put(
                part,
                Part::KeyMeter(KeyMeter { period_opened_at: current, used: NanoEur::ZERO, ..meter }),
            );
        }
        outcome
    }
}

/// Refunds are not remembered by their ids.
pub struct RefundIsTakenTwice;
impl Flaw for RefundIsTakenTwice {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        if let Command::Refund(refund) = &command {
            state.forget(operation_key(refund.operation_id));
        }
        Account::step(state, command, now)
    }
}

/// Which notices were raised is forgotten.
pub struct NoticeIsRaisedTwice;
impl Flaw for NoticeIsRaisedTwice {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        if let Some(period) = state.head.periods.last_mut() {
            period.notified = 0;
        }
        Account::step(state, command, now)
    }
}

/// Keys spend what the account has.
pub struct KeysHaveNoBudget;
impl Flaw for KeysHaveNoBudget {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let Command::Reserve(reserve) = &command else { return Account::step(state, command, now) };
        let Some(Part::Configuration(known)) = state.part(CONFIGURATION) else {
            return Account::step(state, command, now);
        };
        let mut lenient = known.clone();
        let used = lenient.keys.iter_mut().find(|key| reserve.key.as_ref() == Some(&key.hash));
        used.into_iter().for_each(|key| key.budget = None);
        let known = known.clone();
        state.load(CONFIGURATION, Part::Configuration(lenient));
        let outcome = Account::step(state, command, now);
        state.load(CONFIGURATION, Part::Configuration(known));
        outcome
    }
}

const CONFIGURATION: PartKey = PartKey { kind: 0, id: [0; 16] };
