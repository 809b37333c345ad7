//! A tenant's pool: the money and rates that all its accounts share.
//!
//! Accounts lease from it before they spend, so that not every call meets here. What the pool counts as
//! granted to an account is never less than what the account counts itself, whatever is lost, repeated or
//! late: so all accounts together never spend more than the budget, and a crash strands money at most.

mod configuration;
mod grant;
mod recall;
mod state;
#[cfg(test)]
mod tests;

pub use configuration::PoolConfiguration;
pub use state::{Head, Lease, Part, PoolPeriod};

use crate::account::LimitSource;
use crate::host_clocks::Tick;
use crate::identity::AccountId;
use crate::lease::{Grant, Want};
use crate::money::{NanoEur, Total};
use crate::notice::{NEARLY, Notice, THRESHOLDS, percent};
use crate::state_machine::{Outcome, PartKey, State, StateMachine};
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

pub struct TenantPool;
type PoolState = State<Head, Part>;

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Command {
    /// The directory's rows for this pool, as one versioned snapshot.
    #[n(0)]
    Configure(#[n(0)] Box<PoolConfiguration>),
    /// An account tells its figures, and may ask for more.
    #[n(1)]
    Want(#[n(0)] AccountId, #[n(1)] Box<Want>),
    #[n(2)]
    Inspect,
    /// Sent by the host when something is due.
    #[n(3)]
    Wake,
    /// Who may still use what was leased under higher limits? Names some of them, by id, from after this one.
    #[n(4)]
    Outstanding(#[n(0)] Option<AccountId>),
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Reply {
    #[n(0)]
    Done,
    #[n(1)]
    Grant(#[n(0)] Box<Grant>),
    #[n(2)]
    Balance(#[n(0)] Box<PoolBalance>),
    /// Nobody configured this pool: nothing is granted.
    #[n(3)]
    NotConfigured,
    #[n(4)]
    Outstanding(#[n(0)] Box<Outstanding>),
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    Notice(#[n(0)] Box<Notice>),
    /// The account shall lower its figure to what it needs, and use no permits of batches up to the named one.
    #[n(1)]
    Recall(
        #[n(0)] AccountId,
        #[n(1)]
        #[cbor(default)]
        u64,
    ),
}

/// A tenant's money at one instant. `limit = used + leased + remaining - over`, where there is a limit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PoolBalance {
    #[n(0)]
    pub limit: Option<NanoEur>,
    /// Charged, as far as accounts have told.
    #[n(1)]
    pub used: NanoEur,
    /// Granted beyond that.
    #[n(2)]
    pub leased: NanoEur,
    #[n(3)]
    pub remaining: NanoEur,
    #[n(4)]
    pub over: NanoEur,
    #[n(5)]
    pub period_opened_at: Timestamp,
    #[n(6)]
    pub resets_at: Timestamp,
    #[n(7)]
    pub configuration_version: u64,
    /// Whether accounts are being asked for what they do not need: some may be outstanding.
    #[n(8)]
    #[cbor(default)]
    pub recalling: bool,
}

/// What was leased under higher limits and may still be used. Nothing of it, once nobody is left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Outstanding {
    #[n(0)]
    pub accounts: u64,
    /// Money beyond the budget that they may spend.
    #[n(1)]
    pub leased: NanoEur,
    /// Some of them, to be asked to give back.
    #[n(2)]
    pub named: Vec<AccountId>,
    /// Permits up to this batch are void.
    #[n(3)]
    pub void_to: u64,
}

impl StateMachine for TenantPool {
    const KIND: &'static str = "tenant_pool";
    type Head = Head;
    type Part = Part;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;

    const STANDING: &'static [u8] = &[state::CONFIGURATION.kind, state::RECALL.kind];

    fn reads(command: &Command) -> Vec<PartKey> {
        match command {
            Command::Want(account, _) => vec![state::lease_key(*account)],
            Command::Configure(_) | Command::Inspect | Command::Wake | Command::Outstanding(_) => Vec::new(),
        }
    }

    /// Who recalls looks at all leases.
    fn reads_all(command: &Command) -> bool {
        matches!(command, Command::Configure(_) | Command::Wake | Command::Outstanding(_))
    }

    /// Who is short looks at all leases for those who may give back, but not each time.
    fn needed_all(reply: &Reply) -> bool {
        matches!(reply, Reply::Grant(grant) if grant.short.as_ref().is_some_and(|short| short.looked))
    }

    fn step(state: &mut PoolState, command: Command, now: Timestamp) -> Outcome<Reply, Event> {
        let tick = state.head.clocks.tick(state.head.last_seen, now);
        let before = state.head.clone();
        if tick.is_news {
            state.head.clocks = tick.clocks;
        }
        let mut events = Vec::new();
        let reply = decide(state, command, tick, &mut events);
        if state.head != before || state.has_changes() {
            state.head.last_seen = tick.now;
            state.head.clocks = tick.clocks;
        }
        Outcome { reply, events }
    }

    /// Where there is memory, everything is in it.
    fn resident(_: PartKey) -> bool {
        true
    }

    fn wake() -> Command {
        Command::Wake
    }
}

fn decide(state: &mut PoolState, command: Command, tick: Tick, events: &mut Vec<Event>) -> Reply {
    let now = tick.now;
    if let Some(configuration) = state.configuration().cloned().filter(|_| tick.turned_back) {
        state.head.turn_back(&configuration, now);
    }
    if let Command::Configure(new) = command {
        return configuration::configure(state, *new, now, events);
    }
    let Some(configuration) = state.configuration().cloned() else { return Reply::NotConfigured };
    state.head.enter_period(&configuration, now);
    match command {
        Command::Configure(_) => Reply::Done,
        Command::Want(account, want) => {
            let grant = grant::grant(state, &configuration, account, &want, now);
            raise_notices(&mut state.head, &configuration, grant.short.is_some(), now, events);
            Reply::Grant(Box::new(grant))
        }
        Command::Inspect => balance(state, &configuration),
        Command::Outstanding(after) => {
            Reply::Outstanding(Box::new(recall::outstanding(state, &configuration, after, now)))
        }
        Command::Wake => {
            recall::recall(state, &configuration, now, events);
            Reply::Done
        }
    }
}

fn balance(state: &PoolState, configuration: &PoolConfiguration) -> Reply {
    let recalling = state.part(state::RECALL).is_some();
    Reply::Balance(Box::new(PoolBalance { recalling, ..state.head.balance(configuration) }))
}

/// Each share of the budget once per period; the last also when somebody asked in vain for the rest.
fn raise_notices(
    head: &mut Head,
    configuration: &PoolConfiguration,
    short: bool,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    let Some(limit) = configuration.budget else { return };
    let PoolPeriod { opened_at, ends_at, used, notified, .. } = head.period;
    let used = used.amount();
    let reached = percent(used, limit);
    let reached = if short && reached >= NEARLY { 100 } else { reached };
    for percent in THRESHOLDS.into_iter().filter(|percent| notified < *percent && *percent <= reached) {
        head.period.notified = percent;
        events.push(Event::Notice(Box::new(Notice {
            tenant_id: configuration.tenant_id.clone(),
            source: LimitSource::Tenant,
            percent,
            used,
            limit,
            period_opened_at: opened_at,
            resets_at: ends_at,
            at: now,
            key: None,
        })));
    }
}
