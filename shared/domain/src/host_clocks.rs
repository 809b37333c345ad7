//! What a machine counts with as the time, whatever the clocks of its hosts say.
//!
//! A machine's time never goes back, so that nothing opens twice. A clock that was ahead therefore leaves it ahead of the
//! others: until they have caught up it goes on at half their speed, so that limits fill again and holds end. Callers
//! ask again under the machine's time.

use crate::time::Timestamp;
use core::time::Duration;
use minicbor::{Decode, Encode};

/// How far two hosts' clocks may be apart: within this nobody is locked out, and nothing is opened twice.
pub const SKEW_MAX: Duration = Duration::from_secs(10 * 60);
/// A time that was further ahead than this was never the time.
const ABSURD: Duration = Duration::from_secs(24 * 60 * 60);

/// How the clocks of a machine's hosts stand to its own time. The machine stores it beside the last time it saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct HostClocks {
    #[n(0)]
    behind: Option<Behind>,
    /// Where the last leap ahead began that was longer than a day: nobody had asked for so long, or a clock was wrong.
    #[n(1)]
    leapt_from: Option<Timestamp>,
}

/// Hosts' clocks are behind the time that was seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct Behind {
    /// What the first of them said.
    #[n(0)]
    since: Timestamp,
    /// The most that one of them has said.
    #[n(1)]
    latest: Timestamp,
}

/// One look at a host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The machine's time.
    pub now: Timestamp,
    /// What is to be stored with the step.
    pub clocks: HostClocks,
    /// It is to be stored even if the step changes nothing else: the time goes on from here.
    pub is_news: bool,
    /// The time seen last was never the time: the machine counts with the hosts' clocks again.
    pub turned_back: bool,
}

impl HostClocks {
    pub fn tick(self, last_seen: Timestamp, host: Timestamp) -> Tick {
        if host >= last_seen {
            let leapt = last_seen > Timestamp::EPOCH && host.since(last_seen) > ABSURD;
            let leapt_from = if leapt { Some(last_seen) } else { self.leapt_from };
            let clocks = Self { behind: None, leapt_from };
            // Whoever confirms an absurd time must not be forgotten, so that it is not turned back.
            let is_news = self.behind.is_some_and(|behind| last_seen.since(behind.latest) > ABSURD);
            return Tick { now: host, clocks, is_news, turned_back: false };
        }
        let Some(behind) = self.behind else {
            let clocks = Self { behind: Some(Behind { since: host, latest: host }), ..self };
            return Tick { now: last_seen, clocks, is_news: true, turned_back: false };
        };
        if self.is_absurd(behind, last_seen, host) {
            return Tick { now: host, clocks: Self::default(), is_news: true, turned_back: true };
        }
        let latest = behind.latest.max(host);
        let now = last_seen.plus(latest.since(behind.latest) / 2);
        let clocks = Self { behind: Some(Behind { latest, ..behind }), ..self };
        Tick { now, clocks, is_news: false, turned_back: false }
    }

    /// More than a day ahead of a clock that goes on from before the leap, and for ten minutes of it no other clock has
    /// said the same. So no clock that is itself far behind, and none that comes and goes, turns the time back.
    fn is_absurd(self, behind: Behind, last_seen: Timestamp, host: Timestamp) -> bool {
        last_seen.since(host) > ABSURD
            && host.since(behind.since) >= SKEW_MAX
            && self.leapt_from.is_some_and(|from| host >= from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_millis(1_773_576_000_000);
    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);

    /// A machine that stores every step.
    #[derive(Clone, Copy, Default)]
    struct Machine {
        seen: Timestamp,
        clocks: HostClocks,
    }

    impl Machine {
        fn at(&mut self, host: Timestamp) -> Timestamp {
            let tick = self.clocks.tick(self.seen, host);
            (self.seen, self.clocks) = (tick.now, tick.clocks);
            tick.now
        }
    }

    #[test]
    fn p31_after_a_clock_that_was_ahead_time_goes_on_until_the_others_have_caught_up() {
        let mut machine = Machine::default();
        assert_eq!(machine.at(START), START);
        assert_eq!(machine.at(START.plus(MINUTE * 2)), START.plus(MINUTE * 2));
        assert_eq!(machine.at(START), START.plus(MINUTE * 2));
        assert_eq!(machine.at(START.plus(MINUTE)), START.plus(MINUTE * 5 / 2));
        assert_eq!(machine.at(START.plus(MINUTE * 4)), START.plus(MINUTE * 4));
        assert_eq!(machine.at(START.plus(MINUTE * 5)), START.plus(MINUTE * 5));
    }

    #[test]
    fn a_time_years_ahead_is_given_up_once_the_other_clocks_have_gone_on_for_ten_minutes() {
        let mut machine = Machine::default();
        machine.at(START);
        let years = START.plus(DAY * 1_000);
        machine.at(years);
        assert_eq!(machine.at(START), years);
        assert!(machine.at(START.plus(MINUTE * 9)) >= years);
        assert_eq!(machine.at(START.plus(MINUTE * 10)), START.plus(MINUTE * 10));
        // A clock that says it again and again is believed: nobody knows better.
        for minute in 11..200 {
            machine.at(years.plus(MINUTE * minute));
            assert!(machine.at(START.plus(MINUTE * minute)) >= years);
        }
    }

    #[test]
    fn a_clock_that_is_years_behind_turns_no_time_back() {
        let mut machine = Machine::default();
        machine.at(START);
        machine.at(START.plus(DAY * 40));
        for minute in 0..60 {
            let now = machine.at(Timestamp::from_millis(1_000).plus(MINUTE * minute));
            assert!(now >= START.plus(DAY * 40));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Three hosts, each off by up to ten minutes, ask in any order at any pace.
        #[test]
        fn p31_a_machines_time_never_goes_back_never_stands_still_and_stays_within_the_hosts_clocks(
            offsets in prop::array::uniform3(-600_000i64..=600_000),
            asks in prop::collection::vec((0usize..3, 0i64..120_000, any::<bool>()), 1..200),
        ) {
            let mut machine = Machine::default();
            let (mut true_time, mut last) = (START.as_millis(), Timestamp::EPOCH);
            for (host, later, stores) in asks {
                true_time += later;
                let host_time = Timestamp::from_millis(true_time + offsets[host]);
                let tick = machine.clocks.tick(machine.seen, host_time);
                prop_assert!(!tick.turned_back && tick.now >= host_time && tick.now >= machine.seen);
                // It does not run away, however the clocks take turns.
                let (ahead, behind) = (offsets.into_iter().max().unwrap(), offsets.into_iter().min().unwrap());
                let latest = Timestamp::from_millis(true_time + ahead + (ahead - behind) / 2);
                prop_assert!(tick.now <= latest, "{tick:?}");
                if stores || tick.is_news {
                    prop_assert!(tick.now >= last);
                    last = tick.now;
                    (machine.seen, machine.clocks) = (tick.now, tick.clocks);
                }
            }
        }
    }
}
