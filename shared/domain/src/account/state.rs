//! What an account remembers: a small head, and parts that are stored one by one.

use super::key_meter::KeyMeter;
use super::tenant_share::TenantShare;
use super::{Care, Configuration, ENDED_MAX, RESERVE_VALIDITY, Reserve, Served, Settled};
use crate::host_clocks::{HostClocks, SKEW_MAX};
use crate::identity::RequestId;
use crate::money::NanoEur;
use crate::price::{Tariff, Usage};
use crate::rate_limit::RateMeters;
use crate::state_machine::{self, PartKey, State};
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// Periods that an account keeps open at once because of holds.
const PERIODS_MAX: usize = 16;

#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Head {
    #[n(0)]
    pub last_seen: Timestamp,
    /// The current period is the last; earlier ones stay as long as a hold may be settled or corrected in
    /// them.
    #[n(1)]
    pub periods: Vec<Period>,
    /// Money that carries over, including what open holds reserve of it.
    #[n(2)]
    pub top_up: NanoEur,
    #[n(3)]
    pub top_up_reserved: NanoEur,
    #[n(4)]
    pub open_holds: u32,
    #[n(5)]
    pub rates: RateMeters,
    /// Calls that ended while their `Reserve` may still arrive, at most [`ENDED_MAX`].
    #[n(7)]
    pub ended: Vec<EndedCall>,
    /// Ended calls that were valid until here are forgotten, so a `Reserve` of that time comes too late.
    #[n(8)]
    pub forgotten_until: Timestamp,
    /// Refunds that the top-up did not cover.
    #[n(9)]
    pub debt: NanoEur,
    #[n(10)]
    pub tenant: TenantShare,
    #[n(11)]
    pub care: Care,
    #[n(12)]
    pub closed: bool,
    /// What the top-up paid in the periods before the present one and did not get back.
    #[n(13)]
    pub paid_before: NanoEur,
    #[n(14)]
    #[cbor(default)]
    pub clocks: HostClocks,
    /// How many ends of calls were remembered.
    #[n(15)]
    #[cbor(default)]
    pub ends: u64,
    /// The ends up to this one may be forgotten.
    #[n(16)]
    #[cbor(default)]
    pub forgotten_ends: u64,
}

/// A call that ended, until its `Reserve` can no longer be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EndedCall {
    #[n(0)]
    pub request_id: RequestId,
    #[n(1)]
    pub valid_until: Timestamp,
    /// Its number among the ends.
    #[n(2)]
    #[cbor(default)]
    pub number: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Period {
    #[n(0)]
    pub opened_at: Timestamp,
    #[n(1)]
    pub ends_at: Timestamp,
    /// Everything charged in this period: the sum of its usage rows.
    #[n(2)]
    pub charged: NanoEur,
    /// The share of `charged` that the plan paid.
    #[n(3)]
    pub plan_used: NanoEur,
    #[n(4)]
    pub plan_reserved: NanoEur,
    #[n(5)]
    pub open_holds: u32,
    /// Expired holds that a late settlement may still correct.
    #[n(6)]
    pub correctable: u32,
    /// The highest notice that was raised, in per cent.
    #[n(8)]
    pub notified: u8,
    /// What the plan pays in this period at most: the budget, or what it had paid when the budget was lowered.
    /// Beyond it are charges that nobody covers yet; the next top-up does.
    #[n(9)]
    pub plan_ceiling: NanoEur,
    /// What was taken of this same budget under another name, because a clock was days ahead.
    #[n(10)]
    #[cbor(default)]
    pub taken_elsewhere: NanoEur,
}

impl Period {
    /// Whether a hold may still be settled or corrected in it.
    const fn is_needed(&self) -> bool {
        self.open_holds > 0 || self.correctable > 0
    }

    /// What is left of the plan. Below zero when something that is no call took more than there was.
    pub(super) fn plan_free(&self, budget: NanoEur) -> NanoEur {
        budget.saturating_sub(self.taken()).saturating_sub(self.taken_elsewhere)
    }

    pub(super) fn taken(&self) -> NanoEur {
        self.plan_used.saturating_add(self.plan_reserved)
    }
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Part {
    #[n(0)]
    Configuration(#[n(0)] Box<Configuration>),
    #[n(1)]
    Hold(#[n(0)] Box<Hold>),
    /// A late settlement corrected an expired hold.
    #[n(2)]
    Ended(#[n(0)] Ended),
    /// The hold ran out and was charged by the stated rule; a late settlement may correct it.
    #[n(3)]
    Expired(#[n(0)] Box<Expired>),
    /// A report, top-up or adjustment took effect.
    #[n(4)]
    Operation(#[n(0)] Ended),
    #[n(5)]
    KeyMeter(#[n(0)] KeyMeter),
}

/// Money set aside for a call, with all that its settlement needs: whatever changes meanwhile, it
/// settles at these prices, in this period.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Hold {
    #[n(0)]
    pub tenant_id: String,
    #[n(1)]
    pub key_id: Option<String>,
    #[n(2)]
    pub model: String,
    #[n(3)]
    pub served: Served,
    #[n(4)]
    pub tariff: Tariff,
    #[n(5)]
    pub plan: NanoEur,
    #[n(6)]
    pub top_up: NanoEur,
    #[n(7)]
    pub period_opened_at: Timestamp,
    #[n(8)]
    pub opened_at: Timestamp,
    #[n(9)]
    pub valid_until: Timestamp,
    #[n(10)]
    pub deadline: Timestamp,
    /// What is charged if nobody settles: the input estimate, then the last checkpoint.
    #[n(11)]
    pub so_far: Usage,
    #[n(12)]
    pub output_ceiling: u64,
    /// Tokens taken from the account's rate limit, the key's and the tenant's.
    #[n(13)]
    pub tokens: u64,
    #[n(19)]
    pub key_tokens: u64,
    #[n(20)]
    pub tenant_tokens: u64,
    #[n(14)]
    pub tags: Vec<String>,
    /// The meter of the key that the call was made with.
    #[n(15)]
    pub key_meter: Option<PartKey>,
    /// The tenant's period that the hold was leased in.
    #[n(16)]
    pub tenant_opened_at: Option<Timestamp>,
    /// By how much the worst case was raised, in thousandths.
    #[n(17)]
    pub care_permille: u32,
    /// A hold of a stated amount: charged by the report that ends it, and by nothing else.
    #[n(18)]
    pub of_amount: bool,
}

impl Hold {
    pub fn amount(&self) -> NanoEur {
        self.plan.saturating_add(self.top_up)
    }
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Ended {
    #[n(0)]
    pub until: Timestamp,
    #[n(1)]
    pub settled: Settled,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Expired {
    #[n(0)]
    pub until: Timestamp,
    #[n(1)]
    pub hold: Hold,
    #[n(2)]
    pub charged: NanoEur,
}

impl state_machine::Part for Part {
    fn due(&self) -> Timestamp {
        match self {
            Self::Configuration(_) | Self::KeyMeter(_) => Timestamp::FAR_FUTURE,
            Self::Hold(hold) => hold.deadline,
            Self::Ended(ended) | Self::Operation(ended) => ended.until,
            Self::Expired(expired) => expired.until,
        }
    }

    fn wakes(&self) -> bool {
        matches!(self, Self::Hold(_))
    }

    fn is_hot(&self) -> bool {
        matches!(self, Self::Hold(_) | Self::KeyMeter(_))
    }
}

/// The kinds of parts from here on are not kept in memory: only their own id asks for them.
pub(super) const NOT_RESIDENT: u8 = 128;

const OPERATION: u8 = NOT_RESIDENT;
/// The kind of [`Part::KeyMeter`].
pub(super) const KEY_METER: u8 = 2;

pub(super) const CONFIGURATION: PartKey = PartKey { kind: 0, id: [0; 16] };

pub(super) const fn hold_key(request: RequestId) -> PartKey {
    PartKey { kind: 1, id: request.0 }
}

pub(super) const fn operation_key(operation: RequestId) -> PartKey {
    PartKey { kind: OPERATION, id: operation.0 }
}

impl State<Head, Part> {
    pub(super) fn configuration(&self) -> Option<&Configuration> {
        match self.part(CONFIGURATION) {
            Some(Part::Configuration(configuration)) => Some(configuration),
            _ => None,
        }
    }
}

pub(super) fn charged_since(periods: &[Period], since: Timestamp) -> NanoEur {
    periods.iter().filter(|period| period.opened_at >= since).map(|period| period.charged).sum()
}

impl Head {
    /// Whether a `Reserve` is of another time, or comes after the end of its call, or after that end was forgotten.
    pub(super) fn is_too_late(&self, command: &Reserve, now: Timestamp) -> bool {
        let valid_until = command.valid_until;
        let in_time = now < valid_until && valid_until <= now.plus(RESERVE_VALIDITY * 2);
        let is_remembered = match command.after_ends {
            Some(ends) => ends >= self.forgotten_ends,
            None => valid_until > self.forgotten_until,
        };
        !in_time || !is_remembered || self.has_ended(command.request_id)
    }

    pub(super) fn has_ended(&self, request_id: RequestId) -> bool {
        self.ended.iter().any(|call| call.request_id == request_id)
    }

    /// Remembers an ended call as long as its `Reserve` may arrive. A busy account forgets the oldest
    /// before that, and then refuses everything as old: the caller repeats it under the account's own time.
    pub(super) fn remember_end(&mut self, request_id: RequestId, valid_until: Timestamp, now: Timestamp) {
        self.ended.retain(|call| call.valid_until > now);
        if valid_until <= now {
            return;
        }
        if self.ended.len() >= ENDED_MAX {
            let forgotten = self.ended.remove(0);
            self.forgotten_until = self.forgotten_until.max(forgotten.valid_until);
            self.forgotten_ends = forgotten.number;
        }
        self.ends = self.ends.saturating_add(1);
        self.ended.push(EndedCall { request_id, valid_until, number: self.ends });
    }

    /// The time seen last was never the time. The period that was opened in it goes on under another name, up to its
    /// real end, and what was taken of its budget before and since is taken: no budget is there twice.
    pub(super) fn turn_back(&mut self, configuration: &Configuration, now: Timestamp) {
        // Of a time that may be reached one day: what was valid in it is refused until then as of another time.
        self.ended.retain(|call| call.valid_until <= now.plus(SKEW_MAX));
        self.forgotten_until = self.forgotten_until.min(now);
        let Some(opened_ahead) = self.periods.last().filter(|last| last.opened_at > now) else { return };
        let going_on = |period: &&Period| period.opened_at <= now && now < period.ends_at;
        let before = self.periods.iter().rev().find(going_on).cloned().unwrap_or_default();
        let taken = |period: &Period| period.taken().saturating_add(period.taken_elsewhere);
        let period = Period {
            opened_at: now,
            ends_at: configuration.period.next_boundary(now),
            notified: before.notified.max(opened_ahead.notified),
            taken_elsewhere: taken(&before).saturating_add(taken(opened_ahead)),
            plan_ceiling: configuration.budget,
            ..Period::default()
        };
        self.close_last();
        self.periods.retain(Period::is_needed);
        self.periods.push(period);
    }

    pub(super) fn current(&self) -> &Period {
        self.periods.last().expect("an account enters a period before every command")
    }

    pub(super) fn current_mut(&mut self) -> &mut Period {
        self.periods.last_mut().expect("an account enters a period before every command")
    }

    /// The period that a hold was opened in; it stays as long as the hold, expired or not.
    pub(super) fn period_mut(&mut self, opened_at: Timestamp) -> Option<&mut Period> {
        self.periods.iter_mut().rev().find(|period| period.opened_at == opened_at)
    }

    /// Opens the period of `now` if the last one is over: on the first command after the boundary,
    /// so that a late scheduler never matters.
    pub(super) fn enter_period(&mut self, configuration: &Configuration, now: Timestamp) {
        if self.periods.last().is_none_or(|current| current.ends_at <= now) {
            self.open_period(configuration, now);
        }
    }

    /// Whether a manual reset may open one more, beside those that holds are still open in.
    pub(super) fn may_open_period(&self) -> bool {
        self.periods.iter().filter(|period| period.is_needed()).count() < PERIODS_MAX
    }

    pub(super) fn open_period(&mut self, configuration: &Configuration, now: Timestamp) {
        // Two resets within a millisecond are one.
        if self.periods.last().is_some_and(|current| current.opened_at >= now) {
            return;
        }
        let ends_at = configuration.period.next_boundary(now);
        self.close_last();
        // The last one stays as well: the clock that ends it may be wrong.
        let last = self.periods.last().map(|last| last.opened_at);
        self.periods.retain(|period| period.is_needed() || Some(period.opened_at) == last);
        let plan_ceiling = configuration.budget;
        self.periods.push(Period { opened_at: now, ends_at, plan_ceiling, ..Period::default() });
    }

    fn close_last(&mut self) {
        if let Some(ended) = self.periods.last() {
            self.paid_before = self.paid_before.saturating_add(ended.paid_by_top_up()).at_least_zero();
        }
    }

    /// What was charged in the periods that were opened since then, as far as they are remembered.
    pub(super) fn charged_since(&self, since: Timestamp) -> NanoEur {
        charged_since(&self.periods, since)
    }

    /// What a call can still take: the plan's rest and the top-up's rest. Below zero when something
    /// that is no call took more than there was.
    pub(super) fn free(&self, budget: NanoEur) -> NanoEur {
        self.plan_free(budget).saturating_add(self.top_up_free())
    }

    pub(super) fn plan_free(&self, budget: NanoEur) -> NanoEur {
        self.current().plan_free(budget)
    }
}
