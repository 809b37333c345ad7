//! What the directory says of an account. Versioned: an older snapshot never replaces a newer one.

use super::{
    AccountState, Event, KEYS_MAX, OPEN_HOLDS_MAX, Part, Reply, key_meter, range, state, tenant_share,
};
use crate::api_key::KeyHash;
use crate::civil_time::PeriodRule;
use crate::money::NanoEur;
use crate::rate_limit::RateLimits;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Configuration {
    /// The directory's version of this snapshot; it only rises.
    #[n(0)]
    pub version: u64,
    #[n(1)]
    pub tenant_id: String,
    #[n(2)]
    pub user_status: Status,
    #[n(3)]
    pub tenant_status: Status,
    /// The plan's money per period.
    #[n(4)]
    pub budget: NanoEur,
    #[n(5)]
    pub period: PeriodRule,
    #[n(6)]
    pub rates: RateLimits,
    /// Calls that may be open at once, at most [`OPEN_HOLDS_MAX`], which holds without it.
    #[n(7)]
    pub concurrency: Option<u32>,
    #[n(8)]
    pub models: ModelAccess,
    /// At most [`KEYS_MAX`]; more are cut, the newest kept.
    #[n(9)]
    pub keys: Vec<Key>,
    /// The oldest routing snapshot that may still be used.
    #[n(10)]
    pub routing_version: u64,
    /// Whether an output ceiling that is too dear is lowered rather than refused.
    #[n(11)]
    pub clamp: bool,
    /// Where the tenant's own limits are leased from, if it has any.
    #[n(12)]
    pub pool: Option<PoolTerms>,
    /// Whether the account is to refuse everything new, for good.
    #[n(13)]
    pub closed: bool,
}

/// Which limits of the tenant an account leases.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PoolTerms {
    /// The pool's name, as its state machine is called.
    #[n(0)]
    pub name: String,
    /// Whether the tenant has a budget.
    #[n(1)]
    pub money: bool,
    #[n(2)]
    pub requests: bool,
    #[n(3)]
    pub tokens: bool,
    /// When the tenant's budget starts anew. Only for the first lease: later the pool tells.
    #[n(4)]
    pub period: PeriodRule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    #[n(0)]
    Pending,
    #[n(1)]
    Active,
    #[n(2)]
    Suspended,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// Reads the directory's words; what it does not know is not active.
    pub fn parse(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "pending" => Self::Pending,
            _ => Self::Suspended,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ModelAccess {
    #[n(0)]
    All,
    #[n(1)]
    Only(#[n(0)] Vec<String>),
}

impl ModelAccess {
    pub fn allows(&self, model: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name == model),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Key {
    #[n(0)]
    pub id: String,
    #[n(1)]
    pub hash: KeyHash,
    #[n(2)]
    pub expires: Option<Timestamp>,
    #[n(3)]
    pub revoked: bool,
    /// What calls with this key may cost in a period of the account; none: only the account's limit counts.
    #[n(4)]
    pub budget: Option<NanoEur>,
    #[n(5)]
    pub rates: RateLimits,
    #[n(6)]
    pub clamp: bool,
    /// As people call it; may be empty.
    #[n(7)]
    pub name: String,
}

impl Key {
    /// What calls with it may cost in a period: its budget, or as far as its meter counts.
    pub(super) fn limit(&self) -> NanoEur {
        self.budget.unwrap_or(NanoEur::MAX)
    }

    pub(super) fn is_usable(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires.is_none_or(|at| now < at)
    }

    /// Good for ever, and limited by nothing of its own.
    pub fn new(id: impl Into<String>, hash: KeyHash) -> Self {
        Self {
            id: id.into(),
            hash,
            expires: None,
            revoked: false,
            budget: None,
            rates: RateLimits::default(),
            clamp: false,
            name: String::new(),
        }
    }
}

impl Configuration {
    /// An active account whose only limit is a monthly budget.
    pub fn new(tenant_id: impl Into<String>, budget: NanoEur) -> Self {
        Self {
            version: 1,
            tenant_id: tenant_id.into(),
            user_status: Status::Active,
            tenant_status: Status::Active,
            budget,
            period: PeriodRule::DEFAULT,
            rates: RateLimits::default(),
            concurrency: None,
            models: ModelAccess::All,
            keys: Vec::new(),
            routing_version: 0,
            clamp: false,
            pool: None,
            closed: false,
        }
    }

    /// The usable key of this hash. Every key is compared, so that time tells nothing.
    pub(super) fn key(&self, hash: &KeyHash, now: Timestamp) -> Option<&Key> {
        let matching =
            self.keys.iter().fold(None, |found, key| if key.hash == *hash { Some(key) } else { found });
        matching.filter(|key| key.is_usable(now))
    }
}

impl Configuration {
    pub(super) fn open_holds_max(&self) -> u32 {
        self.concurrency.map_or(OPEN_HOLDS_MAX, |limit| limit.min(OPEN_HOLDS_MAX))
    }
}

pub(super) fn configure(
    state: &mut AccountState,
    command: super::Configure,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Reply {
    let mut new = command.configuration;
    let current = state.configuration();
    if current.is_none_or(|current| new.version > current.version) {
        let leased = |current: &Configuration| current.pool.as_ref().is_some_and(|pool| pool.money);
        let had_budget = current.is_some_and(leased);
        let surplus = new.keys.len().saturating_sub(KEYS_MAX);
        new.keys.drain(..surplus);
        new.budget = range::within(new.budget);
        new.keys.iter_mut().for_each(|key| key.budget = key.budget.map(range::within));
        state.head.enter_period(&new, now);
        state.head.current_mut().limit_plan(new.budget);
        state.head.share_out();
        // There is no way back.
        state.head.closed |= new.closed;
        if state.head.closed {
            new.keys.clear();
        }
        key_meter::forget_others(state, &new.keys);
        if !had_budget {
            tenant_share::begin(&mut state.head, &new, now, events);
        }
        state.put(state::CONFIGURATION, Part::Configuration(Box::new(new)));
    }
    match state.configuration() {
        Some(configuration) => super::balance(state, configuration),
        None => Reply::NotConfigured,
    }
}
