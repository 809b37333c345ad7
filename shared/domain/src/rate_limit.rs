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
