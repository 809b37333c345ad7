//! Accounts that are wrong in one way each. They exist to be caught.

use core::marker::PhantomData;
use domain::account::{Account, Command, Event, Head, Hold, Part, RESERVE_VALIDITY, Refusal, Reply};
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::state_machine::{Outcome, PartKey, State, StateMachine};
use domain::time::Timestamp;

pub type AccountState = State<Head, Part>;
pub type Answer = Outcome<Reply, Event>;

/// One way of being wrong.
pub trait Flaw: 'static {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer;
}

/// The account in everything but its step.
pub struct Broken<F>(PhantomData<F>);

impl<F: Flaw> StateMachine for Broken<F> {
    const KIND: &'static str = Account::KIND;
    type Head = Head;
    type Part = Part;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;

    const STANDING: &'static [u8] = Account::STANDING;

    fn reads(command: &Command) -> Vec<PartKey> {
        Account::reads(command)
    }

    fn reads_all(command: &Command) -> bool {
        Account::reads_all(command)
    }

    fn needed_all(reply: &Reply) -> bool {
        Account::needed_all(reply)
    }

    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        F::step(state, command, now)
    }

    fn resident(key: PartKey) -> bool {
        Account::resident(key)
    }

    fn wake() -> Command {
        Account::wake()
    }
}

/// The parts' kinds, as they are stored.
const fn hold_key(id: RequestId) -> PartKey {
    PartKey { kind: 1, id: id.0 }
}

pub const fn operation_key(id: RequestId) -> PartKey {
    PartKey { kind: 128, id: id.0 }
}

pub fn hold(state: &AccountState, id: RequestId) -> Option<Hold> {
    match state.part(hold_key(id)) {
        Some(Part::Hold(hold)) => Some((**hold).clone()),
        _ => None,
    }
}

/// Counts a hold's money as reserved (again).
fn count_in(head: &mut Head, hold: &Hold) {
    head.open_holds += 1;
    head.top_up_reserved = head.top_up_reserved.saturating_add(hold.top_up);
    if let Some(period) = head.periods.iter_mut().find(|period| period.opened_at == hold.period_opened_at) {
        period.open_holds += 1;
        period.plan_reserved = period.plan_reserved.saturating_add(hold.plan);
    }
}

/// A settlement leaves the hold, so that a second one charges again.
pub struct SettlesTwice;
impl Flaw for SettlesTwice {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let kept = match &command {
            Command::Settle(settle) => hold(state, settle.request_id).map(|hold| (settle.request_id, hold)),
            _ => None,
        };
        let outcome = Account::step(state, command, now);
        if let Some((id, hold)) = kept.filter(|(id, _)| state.part(hold_key(*id)).is_none()) {
            count_in(&mut state.head, &hold);
            state.put(hold_key(id), Part::Hold(Box::new(hold)));
        }
        outcome
    }
}

/// A new period forgets the ones before, and what their holds reserve.
pub struct ResetForgetsHolds;
impl Flaw for ResetForgetsHolds {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let outcome = Account::step(state, command, now);
        let forget = state.head.periods.len().saturating_sub(1);
        state.head.periods.drain(..forget);
        outcome
    }
}

/// The last checkpoint to arrive counts, also if it tells less.
pub struct LateCheckpointOverrides;
impl Flaw for LateCheckpointOverrides {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let told = match &command {
            Command::Checkpoint(checkpoint) => Some((checkpoint.request_id, checkpoint.usage)),
            _ => None,
        };
        let outcome = Account::step(state, command, now);
        if let Some((id, usage)) = told
            && let Some(mut hold) = hold(state, id)
        {
            hold.so_far = usage;
            state.put(hold_key(id), Part::Hold(Box::new(hold)));
        }
        outcome
    }
}

/// A checkpoint after the deadline opens the hold again.
pub struct LateCheckpointRevives;
impl Flaw for LateCheckpointRevives {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        if let Command::Checkpoint(checkpoint) = &command {
            let key = hold_key(checkpoint.request_id);
            if let Some(Part::Expired(expired)) = state.part(key) {
                let mut hold = expired.hold.clone();
                hold.deadline = now.plus(domain::account::HOLD_TTL);
                count_in(&mut state.head, &hold);
                state.put(key, Part::Hold(Box::new(hold)));
            }
        }
        Account::step(state, command, now)
    }
}

/// Holds that are due are looked over.
pub struct HoldsNeverExpire;
impl Flaw for HoldsNeverExpire {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let mut hidden = Vec::new();
        let steady = state.head.clocks.tick(state.head.last_seen, now).now;
        while let Some(key) = state.first_due(steady) {
            let Some(part) = state.forget(key) else { break };
            hidden.push((key, part));
        }
        let (kept, others): (Vec<_>, Vec<_>) =
            hidden.into_iter().partition(|(_, part)| matches!(part, Part::Hold(_)));
        others.into_iter().for_each(|(key, part)| state.load(key, part));
        let outcome = Account::step(state, command, now);
        kept.into_iter().for_each(|(key, part)| state.load(key, part));
        outcome
    }
}

/// A release gives the hold's money back, and then once more.
pub struct ReleaseRefundsTwice;
impl Flaw for ReleaseRefundsTwice {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let released = match &command {
            Command::Release(release) => hold(state, release.request_id),
            _ => None,
        };
        let outcome = Account::step(state, command, now);
        if let (Some(hold), Some(period)) = (released, state.head.periods.last_mut()) {
            period.plan_used = period.plan_used.saturating_sub(hold.plan);
        }
        outcome
    }
}

/// Ended calls are forgotten at once, so that a `Reserve` that comes late opens a hold that nobody ends.
pub struct ReplayedReserveOpensAgain;
impl Flaw for ReplayedReserveOpensAgain {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        state.head.ended.clear();
        state.head.forgotten_until = Timestamp::EPOCH;
        Account::step(state, command, now)
    }
}

/// A `Reserve` that is repeated while its hold is open reserves once more.
pub struct RepeatedReserveReservesAgain;
impl Flaw for RepeatedReserveReservesAgain {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        if let Command::Reserve(reserve) = &command
            && let Some(hold) = hold(state, reserve.request_id)
        {
            count_in(&mut state.head, &hold);
        }
        Account::step(state, command, now)
    }
}

/// A settlement charges what the provider says, whatever was reserved.
pub struct SettlesAboveItsHold;
impl Flaw for SettlesAboveItsHold {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        if let Command::Settle(settle) = &command
            && let Some(mut hold) = hold(state, settle.request_id)
            && let Ok(price) = hold.tariff.price(&settle.usage)
        {
            let more = price.cost.saturating_sub(hold.amount()).at_least_zero();
            hold.plan = hold.plan.saturating_add(more);
            let of = hold.period_opened_at;
            if let Some(period) = state.head.periods.iter_mut().find(|period| period.opened_at == of) {
                period.plan_reserved = period.plan_reserved.saturating_add(more);
            }
            state.load(hold_key(settle.request_id), Part::Hold(Box::new(hold)));
        }
        Account::step(state, command, now)
    }
}

/// Operations' ids are not remembered.
pub struct RepeatedTopUpCounts;
impl Flaw for RepeatedTopUpCounts {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        match &command {
            Command::TopUp(top_up) => drop(state.forget(operation_key(top_up.operation_id))),
            Command::Report(report) => drop(state.forget(operation_key(report.operation_id))),
            Command::Adjust(adjust) => drop(state.forget(operation_key(adjust.operation_id))),
            _ => {}
        }
        Account::step(state, command, now)
    }
}

/// What other calls hold is not looked at: used alone decides.
pub struct AdmitsWithoutOpenHolds;
impl Flaw for AdmitsWithoutOpenHolds {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        if !matches!(command, Command::Reserve(_)) {
            return Account::step(state, command, now);
        }
        // What is due ends first, since it counts.
        let mut events = Account::step(state, Command::Wake, now).events;
        let Some(period) = state.head.periods.last_mut() else { return Account::step(state, command, now) };
        let (of, reserved) = (period.opened_at, core::mem::take(&mut period.plan_reserved));
        let mut outcome = Account::step(state, command, now);
        if let Some(period) = state.head.periods.iter_mut().find(|period| period.opened_at == of) {
            period.plan_reserved = period.plan_reserved.saturating_add(reserved);
        }
        events.append(&mut outcome.events);
        Outcome { events, ..outcome }
    }
}

/// An expired hold's row gets lost.
pub struct ExpiryTellsNobody;
impl Flaw for ExpiryTellsNobody {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let mut outcome = Account::step(state, command, now);
        outcome.events.retain(|event| !matches!(event, Event::Usage(row) if row.outcome == "expired"));
        outcome
    }
}

/// A late settlement charges in full and not the difference.
pub struct LateSettleChargesAgain;
impl Flaw for LateSettleChargesAgain {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        if let Command::Settle(settle) = &command {
            let key = hold_key(settle.request_id);
            if matches!(state.part(key), Some(Part::Expired(_)))
                && let Some(Part::Expired(mut expired)) = state.forget(key)
            {
                expired.charged = NanoEur::ZERO;
                state.load(key, Part::Expired(expired));
            }
        }
        Account::step(state, command, now)
    }
}

/// Half of the worst case is set aside.
pub struct ShrinksHolds;
impl Flaw for ShrinksHolds {
    fn step(state: &mut AccountState, mut command: Command, now: Timestamp) -> Answer {
        if let Command::Reserve(reserve) = &mut command {
            reserve.worst_case.output /= 2;
        }
        Account::step(state, command, now)
    }
}

/// A call that spans a boundary is charged to the period in which it ends.
pub struct ChargesTheNewPeriod;
impl Flaw for ChargesTheNewPeriod {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let mut outcome = Account::step(state, command, now);
        let Some(current) = state.head.periods.last().map(|period| period.opened_at) else { return outcome };
        for event in &mut outcome.events {
            let Event::Usage(row) = event else { continue };
            let (of, cost) = (row.period_opened_at, row.cost);
            row.period_opened_at = current;
            for period in &mut state.head.periods {
                if period.opened_at == of {
                    period.charged = period.charged.saturating_sub(cost);
                }
                if period.opened_at == current {
                    period.charged = period.charged.saturating_add(cost);
                }
            }
        }
        outcome
    }
}

/// A reserve in money: a part of the budget is never given out.
pub struct RefusesWhatFits;
impl Flaw for RefusesWhatFits {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let refusing = matches!(&command, Command::Reserve(_));
        let kept = NanoEur::saturating(40_000);
        if refusing && let Some(period) = state.head.periods.last_mut() {
            period.plan_used = period.plan_used.saturating_add(kept);
        }
        let of = state.head.periods.last().map(|period| period.opened_at);
        let outcome = Account::step(state, command, now);
        if refusing && let Some(period) = state.head.periods.iter_mut().find(|p| Some(p.opened_at) == of) {
            period.plan_used = period.plan_used.saturating_sub(kept);
        }
        outcome
    }
}

/// What was reached of a key's budget is forgotten.
pub struct KeysNoticeIsLost;
impl Flaw for KeysNoticeIsLost {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let outcome = Account::step(state, command, now);
        let meters = state.parts_of(2).filter_map(|(key, part)| match part {
            Part::KeyMeter(meter) if meter.notified > 0 => Some((key, meter.clone())),
            _ => None,
        });
        for (key, mut meter) in meters.collect::<Vec<_>>() {
            meter.notified = 0;
            state.put(key, Part::KeyMeter(meter));
        }
        outcome
    }
}

/// A credit lapses with the period, though the top-up had paid.
pub struct CreditsGoToThePlan;
impl Flaw for CreditsGoToThePlan {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let credits = matches!(&command, Command::Adjust(adjust) if adjust.amount.is_negative());
        let before = state.head.top_up;
        let outcome = Account::step(state, command, now);
        let back = state.head.top_up.saturating_sub(before);
        if credits
            && back > NanoEur::ZERO
            && let Some(period) = state.head.periods.last_mut()
        {
            state.head.top_up = before;
            period.plan_used = period.plan_used.saturating_sub(back);
        }
        outcome
    }
}

/// Whoever counts with another time is told that he is wrong, and not which time it is.
pub struct KeepsItsTimeToItself;
impl Flaw for KeepsItsTimeToItself {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let callers = match &command {
            Command::Reserve(reserve) => reserve.valid_until.minus(RESERVE_VALIDITY),
            _ => now,
        };
        let mut outcome = Account::step(state, command, now);
        if let Reply::Refused(Refusal::TooLate(moment)) = &mut outcome.reply {
            moment.now = callers;
        }
        outcome
    }
}

/// The time goes back with the clock, and what ended is forgotten by it.
pub struct TimeGoesBack;
impl Flaw for TimeGoesBack {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        state.head.last_seen = state.head.last_seen.min(now);
        Account::step(state, command, now)
    }
}
