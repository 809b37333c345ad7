//! Rate limits per minute by the generic cell rate algorithm (ITU-T I.371): one instant per limit,
//! exact at any burst, no windows to keep.

use crate::time::Timestamp;
use core::time::Duration;
use minicbor::{Decode, Encode};

const MINUTE_MICROS: i128 = 60_000_000;

/// How full a limit is, as the instant (in microseconds) at which it will be empty again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RateMeter {
    #[n(0)]
    empty_at_micros: i64,
}

/// The two limits per minute that a key, a user or a tenant may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RateLimits {
    #[n(0)]
    pub requests_per_minute: Option<u64>,
    #[n(1)]
    pub tokens_per_minute: Option<u64>,
}

impl RateLimits {
    pub const fn is_none(&self) -> bool {
        self.requests_per_minute.is_none() && self.tokens_per_minute.is_none()
    }

    /// Whether one of them lets less pass than before.
    pub fn is_below(&self, before: &Self) -> bool {
        let below =
            |new: Option<u64>, old: Option<u64>| new.is_some_and(|new| old.is_none_or(|old| new < old));
        below(self.requests_per_minute, before.requests_per_minute)
            || below(self.tokens_per_minute, before.tokens_per_minute)
    }
}

/// How full both limits are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RateMeters {
    #[n(0)]
    pub requests: RateMeter,
    #[n(1)]
    pub tokens: RateMeter,
}

/// What both limits have left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RateStatuses {
    #[n(0)]
    pub requests: Option<RateStatus>,
    #[n(1)]
    pub tokens: Option<RateStatus>,
}

impl RateStatuses {
    /// Of each limit the one that has less left.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        let tighter = |a: Option<RateStatus>, b: Option<RateStatus>| match (a, b) {
            (Some(a), Some(b)) => Some(if b.remaining < a.remaining { b } else { a }),
            (a, b) => a.or(b),
        };
        Self { requests: tighter(self.requests, other.requests), tokens: tighter(self.tokens, other.tokens) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RateKind {
    #[n(0)]
    Requests,
    #[n(1)]
    Tokens,
}

/// The limit that a call does not fit, and how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateExcess {
    pub kind: RateKind,
    pub limit: u64,
    pub wait: Duration,
}

impl RateMeters {
    /// Whether one request of `tokens` fits now. Takes nothing.
    pub fn check(
        &self,
        requests: u64,
        tokens: u64,
        limits: RateLimits,
        now: Timestamp,
    ) -> Result<(), RateExcess> {
        let meters = [
            (RateKind::Requests, &self.requests, requests, limits.requests_per_minute),
            (RateKind::Tokens, &self.tokens, tokens, limits.tokens_per_minute),
        ];
        for (kind, meter, units, limit) in meters {
            let Some(limit) = limit else { continue };
            meter.check(units, limit, now).map_err(|wait| RateExcess { kind, limit, wait })?;
        }
        Ok(())
    }

    pub fn take(&mut self, requests: u64, tokens: u64, limits: RateLimits, now: Timestamp) {
        if let Some(limit) = limits.requests_per_minute {
            self.requests.take(requests, limit, now);
        }
        if let Some(limit) = limits.tokens_per_minute {
            self.tokens.take(tokens, limit, now);
        }
    }

    /// Gives back tokens that were taken at `taken_at` and not used, except what time has given back already.
    pub fn give_back_tokens(
        &mut self,
        taken: u64,
        used: u64,
        limits: RateLimits,
        taken_at: Timestamp,
        now: Timestamp,
    ) {
        let Some(limit) = limits.tokens_per_minute else { return };
        let drained = u128::from(limit) * now.since(taken_at).as_millis() / 60_000;
        let left = taken.saturating_sub(u64::try_from(drained).unwrap_or(u64::MAX));
        self.tokens.give_back(taken.saturating_sub(used).min(left), limit, now);
    }

    pub fn statuses(&self, limits: RateLimits, now: Timestamp) -> RateStatuses {
        RateStatuses {
            requests: limits.requests_per_minute.map(|limit| self.requests.status(limit, now)),
            tokens: limits.tokens_per_minute.map(|limit| self.tokens.status(limit, now)),
        }
    }
}

/// What a limit has left, for the `x-ratelimit-*` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RateStatus {
    #[n(0)]
    pub limit: u64,
    #[n(1)]
    pub remaining: u64,
    /// Milliseconds until the whole limit is free again.
    #[n(2)]
    pub reset_ms: u64,
}

impl RateMeter {
    /// Whether `units` fit now under `per_minute`; otherwise how long to wait. Takes nothing.
    pub fn check(&self, units: u64, per_minute: u64, now: Timestamp) -> Result<(), Duration> {
        let after = self.fill_micros(now) + cost_micros(units, per_minute);
        if after <= MINUTE_MICROS {
            return Ok(());
        }
        Err(Duration::from_micros(u64::try_from(after - MINUTE_MICROS).unwrap_or(u64::MAX)))
    }

    /// Takes `units`, whether they fit or not.
    pub fn take(&mut self, units: u64, per_minute: u64, now: Timestamp) {
        self.set_fill(self.fill_micros(now) + cost_micros(units, per_minute), now);
    }

    /// Gives `units` back that were taken and not used.
    pub fn give_back(&mut self, units: u64, per_minute: u64, now: Timestamp) {
        self.set_fill(self.fill_micros(now) - cost_micros(units, per_minute), now);
    }

    pub fn status(&self, per_minute: u64, now: Timestamp) -> RateStatus {
        let free = (MINUTE_MICROS - self.fill_micros(now)).max(0);
        RateStatus {
            limit: per_minute,
            remaining: (free * i128::from(per_minute) / MINUTE_MICROS) as u64,
            reset_ms: (self.fill_micros(now) / 1000) as u64,
        }
    }

    fn fill_micros(&self, now: Timestamp) -> i128 {
        (i128::from(self.empty_at_micros) - micros(now)).max(0)
    }

    fn set_fill(&mut self, fill: i128, now: Timestamp) {
        self.empty_at_micros = i64::try_from(micros(now) + fill.max(0)).unwrap_or(i64::MAX);
    }
}

fn micros(at: Timestamp) -> i128 {
    i128::from(at.as_millis()) * 1000
}

/// A limit of nothing is never free.
fn cost_micros(units: u64, per_minute: u64) -> i128 {
    match per_minute {
        0 => i128::from(u64::MAX),
        _ => (i128::from(units) * MINUTE_MICROS).div_euclid(i128::from(per_minute)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn p16_a_burst_takes_exactly_the_limit() {
        let mut meter = RateMeter::default();
        let mut admitted = 0;
        for _ in 0..100 {
            if meter.check(1, 10, NOW).is_ok() {
                meter.take(1, 10, NOW);
                admitted += 1;
            }
        }
        assert_eq!(admitted, 10);
        assert_eq!(meter.check(1, 10, NOW), Err(Duration::from_secs(6)));
        assert!(meter.check(1, 10, NOW.plus(Duration::from_secs(6))).is_ok());
    }

    #[test]
    fn what_was_not_used_is_free_again() {
        let mut meter = RateMeter::default();
        meter.take(900, 1_000, NOW);
        meter.give_back(850, 1_000, NOW);
        assert_eq!(meter.status(1_000, NOW).remaining, 950);
    }

    #[test]
    fn a_limit_of_zero_admits_nothing() {
        assert!(RateMeter::default().check(1, 0, NOW).is_err());
    }
}
