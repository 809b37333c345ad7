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

/// The limit that a call does not fit, what of it the call needs, and how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateExcess {
    pub kind: RateKind,
    pub limit: u64,
    pub needed: u64,
    pub excess: Excess,
}

/// Why something does not fit a limit now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It fits after this, a minute at most.
    Wait(Duration),
    /// It is more than the whole limit: no waiting helps.
    Never,
}

impl RateExcess {
    /// None: it never fits.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self.excess {
            Excess::Wait(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            Excess::Never => None,
        }
    }
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
        // What never fits is told before what only has to wait.
        for (kind, _, needed, limit) in meters {
            if let Some(limit) = limit.filter(|limit| exceeds_all(needed, *limit)) {
                return Err(RateExcess { kind, limit, needed, excess: Excess::Never });
            }
        }
        for (kind, meter, needed, limit) in meters {
            let Some(limit) = limit else { continue };
            meter.check(needed, limit, now).map_err(|excess| RateExcess { kind, limit, needed, excess })?;
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
        let drained = u128::from(limit).saturating_mul(now.since(taken_at).as_millis()) / 60_000;
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
    /// Whether `units` fit now under `per_minute`; otherwise how long to wait, if that helps. Takes nothing.
    pub fn check(&self, units: u64, per_minute: u64, now: Timestamp) -> Result<(), Excess> {
        if exceeds_all(units, per_minute) {
            return Err(Excess::Never);
        }
        let after = self.fill_micros(now) + cost_micros(units, per_minute);
        match after - MINUTE_MICROS {
            ..=0 => Ok(()),
            // Neither summand is more than a minute, so the wait is not, either.
            wait => Err(Excess::Wait(Duration::from_micros(wait.unsigned_abs() as u64))),
        }
    }

    /// Takes `units`, whether they fit or not. Nothing is fuller than full.
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

    /// Between nothing and a minute. What would be more was filled under a clock that nobody believes any more.
    fn fill_micros(&self, now: Timestamp) -> i128 {
        match i128::from(self.empty_at_micros) - micros(now) {
            fill @ 0..=MINUTE_MICROS => fill,
            _ => 0,
        }
    }

    fn set_fill(&mut self, fill: i128, now: Timestamp) {
        let fill = fill.clamp(0, MINUTE_MICROS);
        self.empty_at_micros = i64::try_from(micros(now) + fill).unwrap_or(i64::MAX);
    }
}

fn micros(at: Timestamp) -> i128 {
    i128::from(at.as_millis()) * 1000
}

/// More than the whole limit; under a limit of nothing everything is.
const fn exceeds_all(units: u64, per_minute: u64) -> bool {
    units > per_minute || per_minute == 0
}

/// At most a minute for what is not more than the limit.
fn cost_micros(units: u64, per_minute: u64) -> i128 {
    match per_minute {
        0 => MINUTE_MICROS,
        _ => (i128::from(units) * MINUTE_MICROS).div_euclid(i128::from(per_minute)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(meter.check(1, 10, NOW), Err(Excess::Wait(Duration::from_secs(6))));
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
    fn a_limit_of_zero_admits_nothing_ever() {
        for units in [0, 1, u64::MAX] {
            assert_eq!(RateMeter::default().check(units, 0, NOW), Err(Excess::Never));
        }
    }

    #[test]
    fn what_is_more_than_the_whole_limit_never_fits_whatever_else_has_to_wait() {
        let limits = RateLimits { requests_per_minute: Some(1), tokens_per_minute: Some(1_000) };
        let mut meters = RateMeters::default();
        meters.take(1, 1_000, limits, NOW);
        let excess = meters.check(1, 1_001, limits, NOW).unwrap_err();
        assert_eq!((excess.kind, excess.needed, excess.retry_after_ms()), (RateKind::Tokens, 1_001, None));
        let excess = meters.check(1, 1_000, limits, NOW).unwrap_err();
        assert_eq!((excess.kind, excess.retry_after_ms()), (RateKind::Requests, Some(60_000)));
    }

    #[test]
    fn a_meter_that_was_filled_in_a_future_that_nobody_believes_any_more_locks_nobody_out() {
        let mut meter = RateMeter::default();
        meter.take(10, 10, NOW.plus(Duration::from_secs(86_400)));
        assert_eq!(meter.check(10, 10, NOW), Ok(()));
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![0u64..100, Just(u64::MAX), Just(60_000_001), any::<u64>()]
    }

    fn instant() -> impl Strategy<Value = Timestamp> {
        let near = 0i64..200_000;
        prop_oneof![8 => near, 1 => Just(i64::MAX), 1 => Just(i64::MIN), 1 => any::<i64>()]
            .prop_map(Timestamp::from_millis)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever was taken and given back, under whatever limits and clocks.
        #[test]
        fn nobody_is_told_to_wait_for_more_than_a_minute_and_whoever_waits_gets_it(
            acts in prop::collection::vec((any::<bool>(), number(), number(), instant()), 0..12),
            (units, limit, now) in (number(), number(), instant()),
        ) {
            let mut meter = RateMeter::default();
            for (takes, units, limit, at) in acts {
                if takes { meter.take(units, limit, at) } else { meter.give_back(units, limit, at) }
            }
            let status = meter.status(limit, now);
            prop_assert!(status.reset_ms <= 60_000 && status.remaining <= limit, "{status:?}");
            match meter.check(units, limit, now) {
                Ok(()) => prop_assert!(units <= limit),
                Err(Excess::Never) => prop_assert!(units > limit || limit == 0),
                Err(Excess::Wait(wait)) => {
                    prop_assert!(wait <= Duration::from_secs(60) && units <= limit, "{wait:?}");
                    let later = now.plus(wait + Duration::from_millis(1));
                    prop_assert_eq!(meter.check(units, limit, later), Ok(()));
                }
            }
        }

        /// What is less than a microsecond of a limit is not counted; nothing else is lost by rounding.
        #[test]
        fn p16_a_burst_of_any_sizes_admits_no_more_than_the_limit(
            limit in number(), calls in prop::collection::vec(number(), 0..60),
        ) {
            let (mut meter, mut admitted) = (RateMeter::default(), 0u128);
            for units in &calls {
                if meter.check(*units, limit, NOW).is_ok() {
                    meter.take(*units, limit, NOW);
                    admitted += u128::from(*units);
                }
            }
            let not_counted = calls.len() as u128 * u128::from(limit.div_ceil(60_000_000));
            prop_assert!(admitted <= u128::from(limit) + not_counted, "{admitted} of {limit}");
        }
    }
}
