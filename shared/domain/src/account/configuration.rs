//! What the directory says of an account. Versioned: an older snapshot never replaces a newer one.

use super::{AccountState, KEYS_MAX, Part, Reply, state};
use crate::api_key::KeyHash;
use crate::civil_time::PeriodRule;
use crate::money::NanoEur;
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
    pub requests_per_minute: Option<u64>,
    #[n(7)]
    pub tokens_per_minute: Option<u64>,
    #[n(8)]
    pub models: ModelAccess,
    /// At most [`KEYS_MAX`]; more are cut, the newest kept.
    #[n(9)]
    pub keys: Vec<Key>,
    /// The oldest routing snapshot that may still be used.
    #[n(10)]
    pub routing_version: u64,
    #[n(11)]
    pub clamp: bool,
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
}

impl Configuration {
    /// The usable key of this hash. Every key is compared, so that time tells nothing.
    pub(super) fn key(&self, hash: &KeyHash, now: Timestamp) -> Option<&Key> {
        let matching =
            self.keys.iter().fold(None, |found, key| if key.hash == *hash { Some(key) } else { found });
        matching.filter(|key| !key.revoked && key.expires.is_none_or(|at| now < at))
    }
}

pub(super) fn configure(state: &mut AccountState, command: super::Configure, now: Timestamp) -> Reply {
    let mut new = command.configuration;
    let current = state.configuration().map(|c| c.version);
    if current.is_none_or(|version| new.version > version) {
        let surplus = new.keys.len().saturating_sub(KEYS_MAX);
        new.keys.drain(..surplus);
        state.head.enter_period(&new, now);
        state.put(state::CONFIGURATION, Part::Configuration(Box::new(new)));
    }
    match state.configuration() {
        Some(configuration) => super::balance(state, configuration),
        None => Reply::NotConfigured,
    }
}
