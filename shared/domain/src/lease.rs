//! What an account and its tenant's pool say to each other.
//!
//! An account leases from its tenant's money before it spends it, so that not every call meets at the pool.
//! Figures are absolute: whatever is lost, repeated or late, the pool counts at least what the account has.

use crate::account::RateRefusal;
use crate::identity::AccountId;
use crate::money::NanoEur;
use crate::rate_limit::RateLimits;
use crate::time::Timestamp;
use core::time::Duration;
use minicbor::{Decode, Encode};

/// Calls like the present one that an account asks money and rates for at once, the present one included.
pub const LEASE_CALLS: u64 = 16;
/// A pool gives no more than this share of what it has left beyond what is needed.
pub const LEASE_SHARE: i64 = 32;
/// How long a permit of a tenant's rate limits may be used.
pub const PERMIT_VALIDITY: Duration = Duration::from_secs(10);
/// Accounts that one refusal names to be asked for money that they do not need.
pub const CANDIDATES_MAX: usize = 4;

/// What an account asks of its tenant's pool.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Want {
    /// The tenant's period that the figures belong to, as far as the account knows.
    #[n(0)]
    pub period_opened_at: Timestamp,
    /// Rises when the account lowers its figure; what comes from an earlier epoch is late.
    #[n(1)]
    pub epoch: u64,
    /// What the account counts as granted to it.
    #[n(2)]
    pub base: NanoEur,
    /// What it asks to be granted in all.
    #[n(3)]
    pub target: NanoEur,
    /// What it would like beyond that.
    #[n(4)]
    pub spare: NanoEur,
    /// Charged so far in this period.
    #[n(5)]
    pub used: NanoEur,
    /// Whether less than the least helps.
    #[n(6)]
    pub partial: bool,
    /// Whether the account's figure is what it needs and no more, and stays so until it is granted more.
    #[n(7)]
    pub gives_back: bool,
    /// Permits of the rate limits that it needs now.
    #[n(8)]
    pub requests: u64,
    #[n(9)]
    pub tokens: u64,
    /// What it must be granted in all for the present call.
    #[n(10)]
    pub least: NanoEur,
    /// Permits of batches up to this one it uses no more.
    #[n(11)]
    #[cbor(default)]
    pub void_to: u64,
}

/// What the pool answers.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Grant {
    #[n(0)]
    pub period_opened_at: Timestamp,
    #[n(1)]
    pub period_ends_at: Timestamp,
    #[n(2)]
    pub epoch: u64,
    /// All that the account may use in this period.
    #[n(3)]
    pub granted: NanoEur,
    /// Set when not even the least was reached.
    #[n(4)]
    pub short: Option<Short>,
    #[n(5)]
    pub permits: Option<Permits>,
    /// Set when the tenant's rate limits have no permit left.
    #[n(6)]
    pub rate: Option<RateRefusal>,
    /// The tenant's limits per minute, so that the account knows what never passes.
    #[n(7)]
    #[cbor(default)]
    pub limits: RateLimits,
}

/// Why a pool does not give what is wanted.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Short {
    #[n(0)]
    pub limit: NanoEur,
    /// Charged in this period, as far as accounts have told.
    #[n(1)]
    pub used: NanoEur,
    /// Granted beyond that: reserved, or kept for coming calls.
    #[n(2)]
    pub leased: NanoEur,
    #[n(3)]
    pub over: NanoEur,
    /// What this account's grant could rise to.
    #[n(4)]
    pub available: NanoEur,
    #[n(5)]
    pub resets_at: Timestamp,
    /// Accounts that seem to have more than they need: asked to give back, they may help.
    #[n(6)]
    pub candidates: Vec<AccountId>,
    /// Whether all leases were looked through for them just now.
    #[n(7)]
    pub looked: bool,
}

/// Calls that a tenant's rate limits let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Permits {
    /// Rises with every batch, so that a repeated one counts once.
    #[n(0)]
    pub sequence: u64,
    #[n(1)]
    pub until: Timestamp,
    #[n(2)]
    pub requests: u64,
    #[n(3)]
    pub tokens: u64,
}
