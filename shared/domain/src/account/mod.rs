//! The account: the live authority for one user's money, keys and limits.
//!
//! A call first reserves its worst case, which may refuse it; then it settles what was really used,
//! never above the hold. Both are single steps of one state machine, so no interleaving, repetition
//! or crash can admit more than the budget or charge a call twice.

mod balance;
mod command;
mod configuration;
mod event;
mod expire;
mod report;
mod reserve;
mod settle;
mod state;
#[cfg(test)]
mod tests;

pub use balance::Balance;
pub use command::{Adjust, Checkpoint, Command, Configure, Release, Report, Reserve, Settle, TopUp};
pub use configuration::{Configuration, Key, ModelAccess, Status};
pub use event::{Event, RowKind, Served, UsageRow};
pub use state::{Head, Hold, Part, Period};

use crate::money::NanoEur;
use crate::rate_limit::RateStatus;
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

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
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
    pub requests: Option<RateStatus>,
    #[n(4)]
    pub tokens: Option<RateStatus>,
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
    #[n(7)]
    TooManyHolds,
    /// Too many rows wait for delivery.
    #[n(8)]
    Backlogged,
    /// This `Reserve` is too old, or its request has ended.
    #[n(9)]
    TooLate,
    /// The usage has a unit without a price.
    #[n(10)]
    Unpriced,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BudgetRefusal {
    #[n(0)]
    pub source: LimitSource,
    #[n(1)]
    pub balance: Balance,
    #[n(2)]
    pub worst_case: NanoEur,
    /// The largest output ceiling that would fit, in tokens for all choices together.
    #[n(3)]
    pub affordable_output: Option<u64>,
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
    pub kind: RateKind,
    #[n(1)]
    pub limit: u64,
    #[n(2)]
    pub retry_after_ms: u64,
    #[n(3)]
    pub requests: Option<RateStatus>,
    #[n(4)]
    pub tokens: Option<RateStatus>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RateKind {
    #[n(0)]
    Requests,
    #[n(1)]
    Tokens,
}

impl StateMachine for Account {
    const KIND: &'static str = "account";
    type Head = Head;
    type Part = Part;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;

    fn reads(command: &Command) -> Vec<PartKey> {
        let own = match command {
            Command::Configure(_)
            | Command::Inspect
            | Command::Reset
            | Command::Wake
            | Command::Authorize(_) => None,
            Command::Reserve(c) => Some(state::hold_key(c.request_id)),
            Command::Checkpoint(c) => Some(state::hold_key(c.request_id)),
            Command::Settle(c) => Some(state::hold_key(c.request_id)),
            Command::Release(c) => Some(state::hold_key(c.request_id)),
            Command::Report(c) => Some(state::operation_key(c.operation_id)),
            Command::TopUp(c) => Some(state::operation_key(c.operation_id)),
            Command::Adjust(c) => Some(state::operation_key(c.operation_id)),
        };
        own.into_iter().chain([state::CONFIGURATION]).collect()
    }

    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Outcome<Reply, Event> {
        let now = now.max(state.head.last_seen);
        let before = state.head.clone();
        let mut events = Vec::new();
        let reply = decide(state, command, now, &mut events);
        // What changes nothing is not stored, not even the time: refusals and questions write no row.
        if state.head != before || state.has_changes() {
            state.head.last_seen = now;
        }
        Outcome { reply, events }
    }

    fn resident(key: PartKey) -> bool {
        key.kind != state::OPERATION
    }

    fn wake() -> Command {
        Command::Wake
    }
}

fn decide(state: &mut AccountState, command: Command, now: Timestamp, events: &mut Vec<Event>) -> Reply {
    let Some(configuration) = state.configuration().cloned() else {
        // A name that was never configured stores nothing.
        return match command {
            Command::Configure(c) => configuration::configure(state, *c, now),
            Command::Reserve(_) | Command::Authorize(_) => Reply::Refused(Refusal::InvalidKey),
            _ => Reply::NotConfigured,
        };
    };
    expire::end_what_is_due(state, now, events);
    state.head.enter_period(&configuration, now);
    match command {
        Command::Configure(c) => configuration::configure(state, *c, now),
        Command::Reserve(c) => reserve::reserve(state, &configuration, *c, now),
        Command::Checkpoint(c) => settle::checkpoint(state, c, now),
        Command::Settle(c) => settle::settle(state, &configuration, &c, now, events),
        Command::Release(c) => settle::release(state, &configuration, c, now, events),
        Command::Report(c) => report::report(state, &configuration, *c, now, events),
        Command::TopUp(c) => report::top_up(state, &configuration, c, now),
        Command::Adjust(c) => report::adjust(state, &configuration, c, now, events),
        Command::Reset => {
            state.head.open_period(&configuration, now);
            balance(state, &configuration)
        }
        Command::Inspect => balance(state, &configuration),
        Command::Wake => Reply::Done,
        Command::Authorize(key) => match reserve::authorize(&configuration, Some(&key), now) {
            Ok(_) => balance(state, &configuration),
            Err(refusal) => Reply::Refused(refusal),
        },
    }
}

fn balance(state: &AccountState, configuration: &Configuration) -> Reply {
    Reply::Balance(Box::new(Balance::of(&state.head, configuration)))
}
