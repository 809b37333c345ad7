//! When a message that did not arrive is sent again, and when that is given up.

use crate::time::Timestamp;
use core::time::Duration;

/// How a notice reaches people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Mail,
    Webhook,
}

impl Channel {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Mail, Self::Webhook].into_iter().find(|channel| channel.as_str() == text)
    }
}

/// Of one message; with all pauses they take a day.
pub const TRIES_MAX: u64 = PAUSES_MINUTES.len() as u64 + 1;
/// After the first try, the second …: each some two and a half times the one before.
const PAUSES_MINUTES: [u64; 7] = [5, 12, 30, 75, 180, 420, 720];
/// A receiver's `Retry-After` counts up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// A pause is lengthened by up to this part of it, so that what failed together does not come back together.
const JITTER_DIVISOR: u64 = 5;
/// Tries whose ends nobody saw count as well, up to this many in all.
const UNSEEN_TRIES_MAX: u64 = 2 * TRIES_MAX;

/// A mail that there was no provider for waits so long for one: older news helps nobody.
pub const WITHOUT_PROVIDER_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What the receiver said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Status {
        code: u16,
        retry_after: Option<Duration>,
    },
    /// No connection, no answer in time, or it could not be sent.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Delivered,
    Again(Timestamp),
    Failed,
    /// The receiver wants no more: its endpoint is to be switched off.
    Gone,
}

/// Whether to send at all, `tries` being the number of this try: hosts that die while they send must not
/// do so for ever.
pub const fn may_try(tries: u64) -> bool {
    tries <= UNSEEN_TRIES_MAX
}

/// What becomes of a message after its `tries`-th try (from 1). `chance` is random.
pub fn judge(channel: Channel, answer: Answer, tries: u64, now: Timestamp, chance: u64) -> Verdict {
    let retry_after = match (channel, answer) {
        (_, Answer::Status { code: 200..=299, .. }) => return Verdict::Delivered,
        (Channel::Webhook, Answer::Status { code: 410, .. }) => return Verdict::Gone,
        // The provider has read the mail and will not take it: it would not another time either. Whatever
        // else it says (a wrong key, a limit) may be put right meanwhile.
        (Channel::Mail, Answer::Status { code: 400 | 413 | 422, .. }) => return Verdict::Failed,
        (_, Answer::Status { retry_after, .. }) => retry_after,
        (_, Answer::Nothing) => None,
    };
    let index = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(minutes) = PAUSES_MINUTES.get(index) else { return Verdict::Failed };
    let pause = Duration::from_secs(minutes * 60).max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
    let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    Verdict::Again(now.plus(pause).plus(Duration::from_millis(chance % (millis / JITTER_DIVISOR))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    const fn status(code: u16) -> Answer {
        Answer::Status { code, retry_after: None }
    }

    #[test]
    fn eight_tries_take_a_day_and_then_it_is_given_up() {
        let mut at = NOW;
        for tries in 1..TRIES_MAX {
            let Verdict::Again(next) = judge(Channel::Webhook, status(503), tries, at, 0) else {
                panic!("given up after {tries} tries")
            };
            assert!(next > at);
            at = next;
        }
        let hours = at.since(NOW).as_secs() / 3_600;
        assert!((23..26).contains(&hours), "{hours}");
        assert_eq!(judge(Channel::Webhook, status(503), TRIES_MAX, at, 0), Verdict::Failed);
        assert_eq!(judge(Channel::Mail, Answer::Nothing, TRIES_MAX, at, 0), Verdict::Failed);
        assert_eq!(TRIES_MAX, 8);
    }

    #[test]
    fn each_answer_has_its_consequence() {
        let verdict = |channel, code| judge(channel, status(code), 1, NOW, 0);
        let later = Verdict::Again(NOW.plus(Duration::from_secs(300)));
        for code in [200, 202, 204] {
            assert_eq!(verdict(Channel::Webhook, code), Verdict::Delivered);
        }
        // A redirect is not followed: the message has not arrived.
        for code in [301, 307, 400, 401, 404, 408, 429, 500, 503] {
            assert_eq!(verdict(Channel::Webhook, code), later, "{code}");
        }
        assert_eq!(verdict(Channel::Webhook, 410), Verdict::Gone);
        assert_eq!(verdict(Channel::Mail, 410), later);
        assert_eq!(verdict(Channel::Mail, 422), Verdict::Failed);
        assert_eq!(verdict(Channel::Mail, 403), later);
        assert_eq!(judge(Channel::Mail, Answer::Nothing, 1, NOW, 0), later);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_within_bounds() {
        let asked = |secs| {
            let retry_after = Some(Duration::from_secs(secs));
            judge(Channel::Webhook, Answer::Status { code: 429, retry_after }, 1, NOW, 0)
        };
        assert_eq!(asked(1), Verdict::Again(NOW.plus(Duration::from_secs(300))));
        assert_eq!(asked(3_600), Verdict::Again(NOW.plus(Duration::from_secs(3_600))));
        assert_eq!(asked(u64::MAX), Verdict::Again(NOW.plus(RETRY_AFTER_MAX)));
    }

    #[test]
    fn tries_that_nobody_saw_end_are_bounded() {
        assert!(may_try(1) && may_try(TRIES_MAX));
        assert!(!may_try(UNSEEN_TRIES_MAX + 1));
        assert_eq!(judge(Channel::Webhook, status(500), u64::MAX, NOW, 0), Verdict::Failed);
    }

    proptest! {
        #[test]
        fn jitter_only_lengthens_and_by_a_fifth_at_most(tries in 1..TRIES_MAX, chance: u64) {
            let base = judge(Channel::Mail, Answer::Nothing, tries, NOW, 0);
            let (Verdict::Again(base), Verdict::Again(at)) = (base, judge(Channel::Mail, Answer::Nothing, tries, NOW, chance))
            else { panic!("given up") };
            prop_assert!(at >= base && at.since(NOW) <= base.since(NOW).mul_f64(1.2));
        }
    }
}
