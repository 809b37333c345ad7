//! Limits per minute, kept from what was admitted alone.

use core::time::Duration;
use domain::rate_limit::RateLimits;
use domain::time::Timestamp;

const MINUTE_MICROS: i64 = 60_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    empty_at_micros: i64,
}

impl Pace {
    /// So many units more now; false if the limit and `more` of its time do not allow it.
    pub fn admit(&mut self, units: u64, per_minute: u64, now: Timestamp, more: Duration) -> bool {
        if per_minute == 0 {
            return false;
        }
        let now = now.as_millis() * 1_000;
        let more = i64::try_from(more.as_micros()).unwrap_or(i64::MAX / 4);
        self.empty_at_micros = self.empty_at_micros.max(now) + cost(units, per_minute);
        self.empty_at_micros - now <= MINUTE_MICROS + more
    }

    /// Units that were admitted and not used.
    pub fn give_back(&mut self, units: u64, per_minute: u64) {
        if per_minute > 0 {
            self.empty_at_micros -= cost(units, per_minute);
        }
    }
}

fn cost(units: u64, per_minute: u64) -> i64 {
    let micros = i128::from(units) * i128::from(MINUTE_MICROS) / i128::from(per_minute);
    i64::try_from(micros).unwrap_or(i64::MAX / 4)
}

/// The limits that a pool had, by its own clock.
#[derive(Debug, Default)]
pub struct History(Vec<(Timestamp, RateLimits)>);

impl History {
    pub fn note(&mut self, now: Timestamp, limits: RateLimits) {
        if self.0.last().is_none_or(|(_, last)| *last != limits) {
            self.0.push((now, limits));
        }
    }

    /// The highest limit that held at some time since `since`; none: there was none for a while.
    pub fn highest(&self, since: Timestamp, of: impl Fn(&RateLimits) -> Option<u64>) -> Option<u64> {
        let ended_before = |at: usize| self.0.get(at + 1).is_some_and(|(next, _)| *next < since);
        let limits =
            self.0.iter().enumerate().filter(|(at, _)| !ended_before(*at)).map(|(_, (_, limits))| of(limits));
        limits.collect::<Option<Vec<u64>>>()?.into_iter().max()
    }
}
