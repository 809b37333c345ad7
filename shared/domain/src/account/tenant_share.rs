//! What this account has leased from its tenant's pool, and used of it.

use super::state::{Head, Hold};
use super::{Configuration, Event, PoolTerms};
use crate::lease::{Grant, LEASE_CALLS, PERMIT_VALIDITY, Permits, Want};
use crate::money::NanoEur;
use crate::time::Timestamp;
use core::time::Duration;
use minicbor::{Decode, Encode};

/// Who has given back all it could is not asked in earnest again before this.
const GAVE_BACK_PAUSE: Duration = Duration::from_secs(1);
/// Batches of permits that are remembered.
const BATCHES_MAX: usize = 32;

#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct TenantShare {
    /// The tenant's period, as the pool told; until it has, as the tenant's rule says.
    #[n(0)]
    pub opened_at: Timestamp,
    #[n(1)]
    pub ends_at: Timestamp,
    /// Whether the pool told.
    #[n(2)]
    pub confirmed: bool,
    /// Charged in this period.
    #[n(3)]
    pub used: NanoEur,
    #[n(4)]
    pub reserved: NanoEur,
    /// Rises whenever this account lowers its figure.
    #[n(5)]
    pub epoch: u64,
    /// What this account may use in this period. The pool never counts less.
    #[n(6)]
    pub granted: NanoEur,
    #[n(7)]
    pub permits: Permits,
    /// Batches of permits that were taken, the last [`BATCHES_MAX`]; those up to `forgotten` are too late.
    #[n(8)]
    pub taken: Vec<u64>,
    #[n(9)]
    pub forgotten: u64,
    /// When it last told the pool that it has no more than it needs.
    #[n(10)]
    pub gave_back_at: Timestamp,
    /// It gave back what it did not need, and was granted nothing since: what its calls leave goes back, too.
    #[n(11)]
    #[cbor(default)]
    pub draining: bool,
    /// Batches up to this one are void, since the tenant's rates were lowered after it.
    #[n(12)]
    #[cbor(default)]
    pub void_to: u64,
    /// What calls took until then gives no permits back.
    #[n(13)]
    #[cbor(default)]
    pub voided_at: Timestamp,
}

impl TenantShare {
    pub fn free(&self) -> NanoEur {
        self.granted.saturating_sub(self.needed())
    }

    fn needed(&self) -> NanoEur {
        self.used.saturating_add(self.reserved)
    }

    /// Raises to what the pool granted. Late, repeated and foreign answers change nothing.
    pub(super) fn apply(
        &mut self,
        grant: &Grant,
        now: Timestamp,
        charged_since: impl FnOnce(Timestamp) -> NanoEur,
    ) {
        let period = grant.period_opened_at;
        if period > self.opened_at || (!self.confirmed && period != self.opened_at) {
            // Reports may have been charged in it before it was known here.
            let used = charged_since(period);
            *self = Self { used, ..self.in_period(period) };
        }
        if period == self.opened_at {
            self.confirmed = true;
            self.ends_at = grant.period_ends_at;
            if grant.epoch == self.epoch && grant.granted > self.granted {
                self.granted = grant.granted;
                self.draining = false;
            }
        }
        if let Some(new) = grant.permits.filter(|new| self.is_new(new.sequence)) {
            let (requests, tokens) = self.valid_permits(now);
            self.permits = Permits {
                sequence: new.sequence,
                // By our own clock: the pool's may be another.
                until: now.plus(PERMIT_VALIDITY),
                requests: new.requests.saturating_add(requests),
                tokens: new.tokens.saturating_add(tokens),
            };
        }
    }

    /// As at the start of a period. Permits are of no period.
    fn in_period(&mut self, opened_at: Timestamp) -> Self {
        Self {
            opened_at,
            epoch: self.epoch,
            permits: self.permits,
            taken: core::mem::take(&mut self.taken),
            forgotten: self.forgotten,
            void_to: self.void_to,
            voided_at: self.voided_at,
            ..Self::default()
        }
    }

    /// Whether a batch of permits was not taken yet. Batches of calls that wait together come in any order.
    fn is_new(&mut self, sequence: u64) -> bool {
        if sequence <= self.forgotten || self.taken.contains(&sequence) {
            return false;
        }
        self.taken.push(sequence);
        if self.taken.len() > BATCHES_MAX
            && let Some(oldest) = self.taken.iter().copied().min()
        {
            self.taken.retain(|taken| *taken != oldest);
            self.forgotten = oldest;
        }
        true
    }

    /// What to ask the pool for, so that `amount` fits, and calls like it for a while. `over`: as far as is
    /// known here a new period has begun, in which nothing of this one is needed.
    pub(super) fn want(&self, amount: NanoEur, asked: u8, partial: bool, over: bool) -> Want {
        let times = |factor: i64| NanoEur::saturating(amount.get().saturating_mul(factor));
        // As many calls as are waiting with this one, guessed by how often it came back.
        let together = 1 << (2 * u32::from(asked.min(10)));
        // Base and used stay true: by the pool's clock the period may go on.
        let want = Want {
            period_opened_at: self.opened_at,
            epoch: self.epoch,
            base: self.granted,
            used: self.used,
            spare: times(LEASE_CALLS as i64 - 1),
            partial,
            gives_back: self.draining,
            void_to: self.void_to,
            ..Want::default()
        };
        if over {
            return Want { least: amount, target: times(together), ..want };
        }
        let needed = self.needed();
        let (least, target) = (needed.saturating_add(amount), needed.saturating_add(times(together)));
        Want { least, target, ..want }
    }

    /// The period has ended by our clock; the pool knows what follows.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.ends_at
    }

    /// Takes what a call needs, and says in which period.
    pub(super) fn take(
        &mut self,
        pool: Option<&PoolTerms>,
        amount: NanoEur,
        tokens: u64,
    ) -> Option<Timestamp> {
        let pool = pool?;
        if pool.requests {
            self.permits.requests = self.permits.requests.saturating_sub(1);
        }
        if pool.tokens {
            self.permits.tokens = self.permits.tokens.saturating_sub(tokens);
        }
        if !pool.money {
            return None;
        }
        self.reserved = self.reserved.saturating_add(amount);
        Some(self.opened_at)
    }

    /// Gives back permits that a call did not use, as long as their batch is valid.
    pub(super) fn give_back_tokens(&mut self, hold: &Hold, used: u64, now: Timestamp) {
        let until = self.permits.until;
        let is_of_batch = hold.opened_at >= until.minus(PERMIT_VALIDITY) && hold.opened_at > self.voided_at;
        if now < until && is_of_batch {
            self.permits.tokens = self.permits.tokens.saturating_add(hold.tenant_tokens.saturating_sub(used));
        }
    }

    /// A hold of this period ended. Those of earlier periods end there.
    pub(super) fn charge(&mut self, hold: &Hold, cost: NanoEur) {
        if hold.tenant_opened_at == Some(self.opened_at) {
            self.reserved = self.reserved.saturating_sub(hold.amount());
            self.used = self.used.saturating_add(cost);
        }
    }

    /// Lowers the figure to what is needed. The pool learns of it under a new epoch, also if nothing is lowered here: it
    /// may have granted more than ever arrived. Answers to what was asked before then raise nothing any more. Whoever
    /// comes again at once, since many wait for the same money, changes nothing.
    pub(super) fn give_back(&mut self, void_to: u64, now: Timestamp) -> Want {
        self.void_permits(void_to, now);
        let needed = self.needed().at_least_zero();
        if !self.draining || needed < self.granted || now >= self.gave_back_at.plus(GAVE_BACK_PAUSE) {
            self.granted = self.granted.min(needed);
            self.epoch = self.epoch.saturating_add(1);
            self.gave_back_at = now;
            self.draining = true;
        }
        let over = self.is_over(now);
        Want { spare: NanoEur::ZERO, ..self.want(NanoEur::ZERO, 0, false, over) }
    }

    /// What is held of later batches is lost with them: they are not told apart.
    fn void_permits(&mut self, void_to: u64, now: Timestamp) {
        if void_to <= self.void_to {
            return;
        }
        (self.void_to, self.voided_at) = (void_to, now);
        (self.permits.requests, self.permits.tokens) = (0, 0);
        self.forgotten = self.forgotten.max(void_to);
        self.taken.retain(|taken| *taken > void_to);
    }

    /// What calls have left since it was asked to give back goes back, so that nobody spends it here.
    pub(super) fn drain(&mut self) {
        let needed = self.needed().at_least_zero();
        if self.draining && needed < self.granted {
            self.granted = needed;
            self.epoch = self.epoch.saturating_add(1);
        }
    }

    /// Something other than a call's end changed what is used. What that frees is the pool's, not this account's; and
    /// the pool believes a lower figure only under a new epoch.
    pub(super) fn correct(&mut self, difference: NanoEur) {
        self.used = self.used.saturating_add(difference);
        if difference.is_negative() {
            let lower = self.granted.saturating_add(difference).max(self.needed().at_least_zero());
            self.granted = self.granted.min(lower);
            self.epoch = self.epoch.saturating_add(1);
        }
    }

    /// Permits that can be used now.
    pub(crate) fn valid_permits(&self, now: Timestamp) -> (u64, u64) {
        if now < self.permits.until { (self.permits.requests, self.permits.tokens) } else { (0, 0) }
    }
}

/// The account has a pool from now on. What it charged in the tenant's period so far counts, and the pool is
/// told.
pub(super) fn begin(head: &mut Head, configuration: &Configuration, now: Timestamp, events: &mut Vec<Event>) {
    let Some(pool) = &configuration.pool else { return };
    let opened_at = pool.period.last_boundary(now);
    // Calls that are open in the pool's period keep it: by the pool's clock it may go on, and then they count in it.
    if head.tenant.opened_at < opened_at && head.tenant.reserved.is_zero() {
        let ends_at = pool.period.next_boundary(now);
        head.tenant = TenantShare { ends_at, ..head.tenant.in_period(opened_at) };
    }
    let charged = head.charged_since(head.tenant.opened_at);
    head.tenant.used = head.tenant.used.max(charged);
    if pool.money && !head.tenant.used.is_zero() {
        tell(head, pool, now, events);
    }
}

/// What was lowered in a step must reach the pool, whoever asked for it and whether they hear of it or not.
pub(super) fn tell_of_new_epoch(
    head: &Head,
    configuration: &Configuration,
    epoch_before: u64,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    if let Some(pool) = configuration.pool.as_ref().filter(|_| head.tenant.epoch != epoch_before) {
        tell(head, pool, now, events);
    }
}

/// A closed account keeps nothing once its last call has ended.
pub(super) fn give_all_back(head: &mut Head, now: Timestamp) {
    let share = &mut head.tenant;
    if head.open_holds == 0 && share.granted > share.used.at_least_zero() {
        share.give_back(0, now);
    }
}

/// Something that is no call was charged: no lease was asked for it, so the pool hears of it now.
pub(super) fn spend(
    head: &mut Head,
    configuration: &Configuration,
    cost: NanoEur,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    let Some(pool) = configuration.pool.as_ref().filter(|pool| pool.money) else { return };
    if head.tenant.is_over(now) {
        return;
    }
    head.tenant.correct(cost);
    if !cost.is_negative() && head.tenant.free().is_negative() {
        tell(head, pool, now, events);
    }
}

fn tell(head: &Head, pool: &PoolTerms, now: Timestamp, events: &mut Vec<Event>) {
    let share = &head.tenant;
    // Who gives back asks for nothing.
    let want = share.want(NanoEur::ZERO, 0, !share.draining, share.is_over(now));
    let want = Want { spare: NanoEur::ZERO, ..want };
    events.push(Event::Pool(pool.name.clone(), Box::new(want)));
}
