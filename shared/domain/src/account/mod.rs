//! The account: the live authority for one user's money, keys and limits.
//!
//! A call first reserves its worst case, which may refuse it; then it settles what was really used,
//! never above the hold. Both are single steps of one state machine, so no interleaving, repetition
//! or crash can admit more than the budget or charge a call twice.

mod balance;
mod care;
mod command;
mod configuration;
mod event;
mod expire;
mod key_meter;
mod notices;
mod pockets;
mod range;
mod report;
mod reserve;
mod settle;
mod state;
mod tenant_share;
#[cfg(test)]
mod tests;
mod whole_limits;

pub use balance::Balance;
pub use care::Care;
pub use command::{
    Adjust, Checkpoint, Command, Configure, Refund, Release, Report, Reserve, Reset, Settle, TopUp,
};
pub use configuration::{Configuration, Key, ModelAccess, PoolTerms, Status};
pub use event::{Event, RowKind, Served, UsageRow};
pub use key_meter::KeyMeter;
pub use range::BUDGET_MAX;
pub use state::{Head, Hold, Part, Period};
pub use tenant_share::TenantShare;

use crate::host_clocks::{SKEW_MAX, Tick};
use crate::lease::Want;
use crate::money::NanoEur;
use crate::rate_limit::{RateExcess, RateKind, RateStatuses};
use crate::state_machine::{Outcome, PartKey, State, StateMachine};
use crate::time::Timestamp;
use core::time::Duration;
use minicbor::{Decode, Encode};

pub const KEYS_MAX: usize = 32;
pub const OPEN_HOLDS_MAX: u32 = 1_024;
/// Undelivered rows past which nothing more is admitted.
pub const BACKLOG_MAX: u64 = 10_000;
/// Ended calls that are remembered by name; see [`Head::ended`].
pub const ENDED_MAX: usize = 32;
/// How long after its issue a `Reserve` is still taken.
pub const RESERVE_VALIDITY: Duration = Duration::from_secs(10);
/// A hold without a checkpoint ends after this.
pub const HOLD_TTL: Duration = Duration::from_secs(10 * 60);
/// A hold ends after this, whatever its checkpoints.
pub const HOLD_TTL_MAX: Duration = Duration::from_secs(60 * 60);
/// How long an expired hold can still be corrected by a late settlement.
pub const LATE_SETTLE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the id of a report, a top-up or an adjustment is remembered here: two periods.
pub const OPERATION_MEMORY: Duration = Duration::from_secs(62 * 24 * 60 * 60);

pub struct Account;
type AccountState = State<Head, Part>;

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Reply {
    #[n(0)]
    Done,
    #[n(1)]
    Reserved(#[n(0)] Reserved),
    #[n(2)]
    Refused(#[n(0)] Refusal),
    #[n(3)]
    Settled(#[n(0)] Settled),
    /// The hold, report or operation is not known here; nothing changed.
    #[n(4)]
    Unknown,
    #[n(5)]
    Balance(#[n(0)] Box<Balance>),
    /// Nobody configured this account.
    #[n(6)]
    NotConfigured,
    /// An operation of this id took effect before; nothing changed.
    #[n(7)]
    Repeated(#[n(0)] Settled),
    /// Ask the tenant's pool, and reserve again with its answer.
    #[n(8)]
    NeedsGrant(#[n(0)] Box<NeedsGrant>),
    /// What the account has told its tenant's pool; tell it, too, if you are in a hurry.
    #[n(9)]
    GivesBack(#[n(0)] Box<Want>),
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct NeedsGrant {
    /// The pool's name, as its state machine is called.
    #[n(0)]
    pub pool: String,
    #[n(1)]
    pub want: Want,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reserved {
    #[n(0)]
    pub hold: NanoEur,
    /// What is free after this hold.
    #[n(1)]
    pub remaining: NanoEur,
    /// The output ceiling that the hold covers, in tokens for all choices together; lower than asked
    /// only where the caller allowed a clamp.
    #[n(2)]
    pub output_ceiling: u64,
    #[n(3)]
    pub statuses: RateStatuses,
    /// When the hold ends by itself, unless a checkpoint comes.
    #[n(4)]
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Settled {
    #[n(0)]
    pub charged: NanoEur,
    /// What the provider billed beyond the hold; the platform pays it.
    #[n(1)]
    pub overrun: NanoEur,
    /// What is free now.
    #[n(2)]
    pub remaining: NanoEur,
}

/// Why a call was not admitted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Refusal {
    /// Forged, unknown, expired or revoked: one and the same answer.
    #[n(0)]
    InvalidKey,
    #[n(1)]
    UserInactive,
    #[n(2)]
    TenantInactive,
    #[n(3)]
    ModelNotAllowed,
    /// The directory has a newer routing snapshot than the caller used.
    #[n(4)]
    Stale(#[n(0)] u64),
    #[n(5)]
    Budget(#[n(0)] Box<BudgetRefusal>),
    #[n(6)]
    Rate(#[n(0)] RateRefusal),
    /// So many calls are open, which is the limit.
    #[n(7)]
    TooManyHolds(#[n(0)] u32),
    /// Too many rows wait for delivery.
    #[n(8)]
    Backlogged,
    /// This `Reserve` is of another time than the account's, or its request has ended. Ask again once, under the
    /// account's time.
    #[n(9)]
    TooLate(#[n(0)] Moment),
    /// The usage has a unit without a price.
    #[n(10)]
    Unpriced,
    /// Holds of too many manual resets are still open.
    #[n(11)]
    TooManyResets,
    /// The account is closed.
    #[n(12)]
    Closed,
    /// The ledger could not hold the sum exactly; so much is the most that fits. Nothing changed.
    #[n(13)]
    DoesNotFit(#[n(0)] NanoEur),
}

/// The account's own time, for callers whose clocks differ from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Moment {
    #[n(0)]
    pub now: Timestamp,
    /// How many ends of calls the account has remembered until now.
    #[n(1)]
    pub ends: u64,
}

impl Moment {
    /// Of a `Reserve` that is issued now.
    pub fn valid_until(self) -> Timestamp {
        self.now.plus(RESERVE_VALIDITY)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BudgetRefusal {
    #[n(0)]
    pub figures: LimitFigures,
    #[n(1)]
    pub worst_case: NanoEur,
    /// The largest output ceiling that would fit, in tokens for all choices together.
    #[n(2)]
    pub affordable_output: Option<u64>,
}

/// The limit that stopped a call. `limit = used + reserved + remaining - over`, always.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LimitFigures {
    #[n(0)]
    pub source: LimitSource,
    #[n(1)]
    pub limit: NanoEur,
    #[n(2)]
    pub used: NanoEur,
    #[n(3)]
    pub reserved: NanoEur,
    #[n(4)]
    pub remaining: NanoEur,
    #[n(5)]
    pub over: NanoEur,
    #[n(6)]
    pub resets_at: Timestamp,
}

impl LimitFigures {
    pub fn new(
        source: LimitSource,
        limit: NanoEur,
        used: NanoEur,
        reserved: NanoEur,
        resets_at: Timestamp,
    ) -> Self {
        let free = limit.saturating_sub(used).saturating_sub(reserved);
        let over = NanoEur::ZERO.saturating_sub(free).at_least_zero();
        Self { source, limit, used, reserved, remaining: free.at_least_zero(), over, resets_at }
    }

    pub fn of_user(balance: &Balance) -> Self {
        let Balance { limit, used, reserved, remaining, over, resets_at, .. } = *balance;
        Self { source: LimitSource::User, limit, used, reserved, remaining, over, resets_at }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LimitSource {
    #[n(0)]
    User,
    #[n(1)]
    Key,
    #[n(2)]
    Tenant,
}

impl LimitSource {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Tenant => "tenant",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RateRefusal {
    #[n(0)]
    pub source: LimitSource,
    #[n(1)]
    pub kind: RateKind,
    /// Per minute.
    #[n(2)]
    pub limit: u64,
    /// A minute at most. None: what is needed is more than the whole limit, and never passes.
    #[n(3)]
    pub retry_after_ms: Option<u64>,
    #[n(4)]
    pub statuses: RateStatuses,
    #[n(5)]
    pub needed: u64,
    /// Where it never passes: the largest output ceiling that would, in tokens for all choices together.
    #[n(6)]
    pub affordable_output: Option<u64>,
}

impl RateRefusal {
    pub(crate) fn of(source: LimitSource, excess: RateExcess, statuses: RateStatuses) -> Self {
        let RateExcess { kind, limit, needed, .. } = excess;
        let retry_after_ms = excess.retry_after_ms();
        Self { source, kind, limit, retry_after_ms, statuses, needed, affordable_output: None }
    }
}

impl StateMachine for Account {
    const KIND: &'static str = "account";
    type Head = Head;
    type Part = Part;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    const STANDING: &'static [u8] = &[state::CONFIGURATION.kind, state::KEY_METER];

    fn reads(command: &Command) -> Vec<PartKey> {
        let own = match command {
            Command::Configure(_)
            | Command::Inspect
            | Command::GiveBack(_)
            | Command::Wake
            | Command::Authorize(_) => None,
            Command::Reserve(c) => Some(state::hold_key(c.request_id)),
            Command::Checkpoint(c) => Some(state::hold_key(c.request_id)),
            Command::Settle(c) => Some(state::hold_key(c.request_id)),
            Command::Release(c) => Some(state::hold_key(c.request_id)),
            Command::Report(c) => {
                let hold = c.hold.map(state::hold_key);
                return hold.into_iter().chain([state::operation_key(c.operation_id)]).collect();
            }
            Command::TopUp(c) => Some(state::operation_key(c.operation_id)),
            Command::Adjust(c) => Some(state::operation_key(c.operation_id)),
            Command::Refund(c) => Some(state::operation_key(c.operation_id)),
            Command::Reset(c) => Some(state::operation_key(c.operation_id)),
        };
        own.into_iter().collect()
    }

    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Outcome<Reply, Event> {
        let tick = state.head.clocks.tick(state.head.last_seen, now);
        let before = state.head.clone();
        if tick.is_news {
            state.head.clocks = tick.clocks;
        }
        let mut events = Vec::new();
        let reply = decide(state, command, tick, &mut events);
        // What changes nothing is not stored, not even the time: refusals and questions write no row.
        if state.head != before || state.has_changes() {
            state.head.last_seen = tick.now;
            state.head.clocks = tick.clocks;
        }
        Outcome { reply, events }
    }

    fn resident(key: PartKey) -> bool {
        key.kind < state::NOT_RESIDENT
    }

    fn wake() -> Command {
        Command::Wake
    }
}

fn decide(state: &mut AccountState, command: Command, tick: Tick, events: &mut Vec<Event>) -> Reply {
    let now = tick.now;
    let Some(configuration) = state.configuration().cloned() else {
        // A name that was never configured stores nothing.
        return match command {
            Command::Configure(c) => configuration::configure(state, *c, now, events),
            Command::Reserve(_) | Command::Authorize(_) => Reply::Refused(Refusal::InvalidKey),
            _ => Reply::NotConfigured,
        };
    };
    if tick.turned_back {
        state.head.turn_back(&configuration, now);
    }
    let epoch = state.head.tenant.epoch;
    expire::end_what_is_due(state, now, events);
    state.head.enter_period(&configuration, now);
    state.head.tenant.drain();
    let configured = matches!(command, Command::Configure(_));
    let reply = obey(state, &configuration, command, now, events);
    let new = if configured { state.configuration().cloned() } else { None };
    notices::raise(state, new.as_ref().unwrap_or(&configuration), now, events);
    if state.head.closed {
        tenant_share::give_all_back(&mut state.head, now);
    }
    state.head.tenant.drain();
    tenant_share::tell_of_new_epoch(&state.head, &configuration, epoch, now, events);
    reply
}

fn obey(
    state: &mut AccountState,
    configuration: &Configuration,
    command: Command,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Reply {
    match command {
        Command::Configure(c) => configuration::configure(state, *c, now, events),
        Command::Reserve(c) => reserve::reserve(state, configuration, *c, now, events),
        Command::Checkpoint(c) => settle::checkpoint(state, c, now),
        Command::Settle(c) => settle::settle(state, configuration, &c, now, events),
        Command::Release(c) => settle::release(state, configuration, c, now, events),
        Command::Report(c) => report::report(state, configuration, *c, now, events),
        Command::TopUp(c) => report::top_up(state, configuration, c, now),
        Command::Adjust(c) => report::adjust(state, configuration, c, now, events),
        Command::Refund(c) => report::refund(state, configuration, c, now),
        Command::Reset(c) => report::reset(state, configuration, c, now),
        Command::Inspect => balance(state, configuration),
        Command::Wake => Reply::Done,
        Command::GiveBack(void_to) => Reply::GivesBack(Box::new(state.head.tenant.give_back(void_to, now))),
        Command::Authorize(key) => match reserve::authorize(&state.head, configuration, Some(&key), now) {
            Ok(_) => balance(state, configuration),
            Err(refusal) => Reply::Refused(refusal),
        },
    }
}

fn balance(state: &AccountState, configuration: &Configuration) -> Reply {
    Reply::Balance(Box::new(Balance::of(&state.head, configuration)))
}
