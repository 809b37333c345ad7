//! What a pool remembers: the present period's sums, and a lease per account.

use super::{PoolBalance, PoolConfiguration};
use crate::host_clocks::HostClocks;
use crate::identity::AccountId;
use crate::lease::PERMIT_VALIDITY;
use crate::money::{NanoEur, Total};
use crate::rate_limit::RateMeters;
use crate::state_machine::{self, PartKey, State};
use crate::time::Timestamp;
use core::time::Duration;
use minicbor::{Decode, Encode};

#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Head {
    #[n(0)]
    pub last_seen: Timestamp,
    #[n(1)]
    pub period: PoolPeriod,
    #[n(2)]
    pub rates: RateMeters,
    /// Of the last batch of permits.
    #[n(3)]
    pub sequence: u64,
    /// Of the last batch that was given before the rates were last lowered.
    #[n(4)]
    #[cbor(default)]
    pub void_to: u64,
    #[n(5)]
    #[cbor(default)]
    pub clocks: HostClocks,
}

#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct PoolPeriod {
    /// Names the period, for accounts too.
    #[n(0)]
    pub opened_at: Timestamp,
    #[n(1)]
    pub ends_at: Timestamp,
    /// The sum of all leases' figures of this period.
    #[n(2)]
    pub committed: Total,
    /// Charged, as far as accounts have told.
    #[n(3)]
    pub used: Total,
    /// The highest notice that was raised, in per cent.
    #[n(4)]
    pub notified: u8,
    /// Accounts that had most to spare when all leases were last looked through, without those who have given back
    /// since.
    #[n(5)]
    pub sparers: Vec<AccountId>,
    #[n(6)]
    pub looked_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Part {
    #[n(0)]
    Configuration(#[n(0)] Box<PoolConfiguration>),
    #[n(1)]
    Lease(#[n(0)] Lease),
    /// More is granted than there is: go on asking accounts for what they do not need.
    #[n(2)]
    Recall(#[n(0)] Timestamp),
}

/// What one account was granted.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Lease {
    #[n(0)]
    pub account: AccountId,
    /// Figures of an earlier period count nothing.
    #[n(1)]
    pub period_opened_at: Timestamp,
    #[n(2)]
    pub epoch: u64,
    #[n(3)]
    pub granted: NanoEur,
    /// As the account told.
    #[n(4)]
    pub used: NanoEur,
    /// When the account was last asked for what it does not need, because more is granted than there is.
    #[n(5)]
    pub asked_at: Timestamp,
    /// It has told that it has no more than its open calls hold, and was granted nothing since: what they leave comes
    /// back.
    #[n(6)]
    #[cbor(default)]
    pub drained: bool,
    /// It may have permits until then, wherever its clock is. Noted far ahead, so that not every batch is.
    #[n(7)]
    #[cbor(default)]
    pub permits_until: Timestamp,
    /// It uses no permits of batches up to this one.
    #[n(8)]
    #[cbor(default)]
    pub void_to: u64,
}

/// Clocks of account and pool may be so far apart. An account uses a permit until its own clock says that it is old.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5 * 60);
/// How far ahead an account's permits are noted.
const PERMITS_NOTED: Duration = Duration::from_secs(10 * 60);

impl Lease {
    pub(super) const fn new(account: AccountId, period_opened_at: Timestamp, epoch: u64) -> Self {
        Self {
            account,
            period_opened_at,
            epoch,
            granted: NanoEur::ZERO,
            used: NanoEur::ZERO,
            asked_at: Timestamp::EPOCH,
            drained: false,
            permits_until: Timestamp::EPOCH,
            void_to: 0,
        }
    }

    /// The account's in the next period. Permits are of no period.
    pub(super) fn in_period(&self, opened_at: Timestamp, epoch: u64) -> Self {
        let Self { permits_until, void_to, .. } = *self;
        // Its epoch goes on: what comes from an earlier one is late in this period, too.
        Self { permits_until, void_to, ..Self::new(self.account, opened_at, epoch.max(self.epoch)) }
    }

    /// What counts against the budget: reports may have used more than was granted.
    pub fn figure(&self) -> NanoEur {
        self.granted.max(self.used)
    }

    /// What the account may not need; what its open calls hold is part of it.
    pub(super) fn slack(&self) -> NanoEur {
        // Credits may have made `used` negative: that is nothing to give back.
        self.figure().saturating_sub(self.used.at_least_zero())
    }

    /// Whether its account may spend of it without asking.
    pub(super) fn is_loose(&self) -> bool {
        !self.drained && self.slack() > NanoEur::ZERO
    }

    /// A batch of permits was given. `void_to`: the last that is void by now.
    pub(super) fn note_permits(&mut self, void_to: u64, now: Timestamp) {
        if now >= self.permits_until {
            // Whatever it had is too old.
            self.void_to = self.void_to.max(void_to);
        }
        if now.plus(PERMIT_VALIDITY).plus(CLOCKS_DIFFER) > self.permits_until {
            self.permits_until = now.plus(PERMITS_NOTED);
        }
    }

    /// Whether its account may still use permits that are void.
    fn has_void_permits(&self, void_to: u64, now: Timestamp) -> bool {
        self.void_to < void_to && now < self.permits_until
    }
}

impl state_machine::Part for Part {
    fn due(&self) -> Timestamp {
        match self {
            Self::Configuration(_) | Self::Lease(_) => Timestamp::FAR_FUTURE,
            Self::Recall(at) => *at,
        }
    }

    fn wakes(&self) -> bool {
        matches!(self, Self::Recall(_))
    }

    fn is_hot(&self) -> bool {
        false
    }
}

pub(super) const CONFIGURATION: PartKey = PartKey { kind: 0, id: [0; 16] };
/// The kind of [`Part::Lease`].
pub(super) const LEASE: u8 = 1;
pub(super) const RECALL: PartKey = PartKey { kind: 2, id: [0; 16] };

pub(super) const fn lease_key(account: AccountId) -> PartKey {
    PartKey { kind: LEASE, id: account.id }
}

impl State<Head, Part> {
    pub(super) fn configuration(&self) -> Option<&PoolConfiguration> {
        match self.part(CONFIGURATION) {
            Some(Part::Configuration(configuration)) => Some(configuration),
            _ => None,
        }
    }

    /// Accounts that may still use what they leased, though less is there now: more money is leased than the budget
    /// pays, or rates were lowered.
    pub(super) fn outstanding(
        &self,
        configuration: &PoolConfiguration,
        now: Timestamp,
    ) -> impl Iterator<Item = &Lease> {
        let (period, void_to) = (&self.head.period, self.head.void_to);
        let over = configuration.budget.is_some_and(|budget| period.committed.amount() > budget);
        let opened_at = period.opened_at;
        let leases = self.parts_of(LEASE).filter_map(|(_, part)| match part {
            Part::Lease(lease) => Some(lease),
            _ => None,
        });
        leases.filter(move |lease| {
            (over && lease.period_opened_at == opened_at && lease.is_loose())
                || lease.has_void_permits(void_to, now)
        })
    }

    /// All leases of the present period.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        let period = self.head.period.opened_at;
        self.parts_of(LEASE).filter_map(move |(_, part)| match part {
            Part::Lease(lease) if lease.period_opened_at == period => Some(lease),
            _ => None,
        })
    }
}

impl Head {
    /// Opens the period of `now` if the last one is over. What was granted in it is void.
    pub(super) fn enter_period(&mut self, configuration: &PoolConfiguration, now: Timestamp) {
        let last = &self.period;
        if now < last.ends_at {
            return;
        }
        // Names only rise: one that a clock gave which was days ahead is not given again.
        let next_name = last.opened_at.plus(Duration::from_millis(1));
        let opened_at = configuration.period.last_boundary(now).max(last.ends_at).max(next_name);
        let ends_at = configuration.period.next_boundary(now);
        self.period = PoolPeriod { opened_at, ends_at, ..PoolPeriod::default() };
    }

    /// The time seen last was never the time: the period that was opened in it ends when it should.
    pub(super) fn turn_back(&mut self, configuration: &PoolConfiguration, now: Timestamp) {
        let period = &mut self.period;
        if period.opened_at > now {
            period.ends_at = period.ends_at.min(configuration.period.next_boundary(now));
        }
        period.looked_at = period.looked_at.min(now);
    }

    pub(super) fn balance(&self, configuration: &PoolConfiguration) -> PoolBalance {
        let PoolPeriod { opened_at, ends_at, committed, used, .. } = self.period;
        let (used, leased) = (used.amount(), committed.beyond(used).at_least_zero());
        let taken = used.saturating_add(leased);
        let free = configuration.budget.map_or(NanoEur::ZERO, |budget| budget.saturating_sub(taken));
        PoolBalance {
            limit: configuration.budget,
            used,
            leased,
            remaining: free.at_least_zero(),
            over: NanoEur::ZERO.saturating_sub(free).at_least_zero(),
            period_opened_at: opened_at,
            resets_at: ends_at,
            configuration_version: configuration.version,
            recalling: false,
        }
    }
}
