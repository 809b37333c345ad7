//! What the provider will do with one request.

use crate::actors::upstream::{input_tokens, plain};
use crate::dice::Dice;
use domain::price::Usage;
use std::collections::VecDeque;

/// Most events of one stream.
const DELTAS: (u64, u64) = (1, 9);
/// Between two events, usually and of a provider that thinks for long.
const GAP_MS: (u64, u64) = (1, 300);
const LONG_GAP_MS: (u64, u64) = (20_000, 130_000);
/// How far a provider that bills what it likes goes beyond the ceiling.
const TIMES_TOO_MUCH: (u64, u64) = (2, 5);

/// Bodies of a 200 that answer nothing.
const NONSENSE: [&str; 3] = ["not JSON", "{\"choices\":[]}", ""];

#[derive(Debug)]
pub enum Script {
    /// No connection.
    Refused,
    Status(u16),
    /// Never a status line.
    Hangs,
    /// 200, and nothing that can be used.
    Garbage(&'static str),
    /// 200, and half a body.
    BreaksOff,
    Whole {
        output: u64,
        report: Option<Usage>,
    },
    Stream {
        deltas: VecDeque<Delta>,
        ending: Ending,
    },
}

#[derive(Debug)]
pub struct Delta {
    pub after_ms: u64,
    pub tokens: u64,
}

#[derive(Debug)]
pub enum Ending {
    /// A finish reason, the usage if it is reported, `[DONE]`.
    Orderly(Option<Usage>),
    /// The connection closes without a finish.
    Cut,
    Broken,
    Hangs,
}

impl Script {
    pub fn roll(dice: &Dice, odd: bool, streams: bool, ceiling: u64) -> Self {
        if odd && dice.one_in(2) {
            return Self::failure(dice);
        }
        if streams { Self::stream(dice, odd, ceiling) } else { Self::whole(dice, odd, ceiling) }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refused | Self::Status(_) => "upstream refused",
            Self::Hangs => "upstream hung",
            Self::Garbage(_) | Self::BreaksOff => "upstream answered nonsense",
            Self::Whole { .. } => "upstream answered whole",
            Self::Stream { ending: Ending::Orderly(_), .. } => "upstream streamed",
            Self::Stream { .. } => "upstream broke a stream off",
        }
    }

    fn failure(dice: &Dice) -> Self {
        match dice.below(7) {
            0 => Self::Refused,
            1 => Self::Status(500),
            2 => Self::Status(429),
            3 => Self::Status(400),
            4 => Self::Hangs,
            5 => Self::Garbage(NONSENSE[dice.below(NONSENSE.len() as u64) as usize]),
            _ => Self::BreaksOff,
        }
    }

    fn whole(dice: &Dice, odd: bool, ceiling: u64) -> Self {
        let output = dice.between((1, ceiling.max(1)));
        Self::Whole { output, report: report(dice, odd, output, ceiling) }
    }

    fn stream(dice: &Dice, odd: bool, ceiling: u64) -> Self {
        let ignores_ceiling = odd && dice.one_in(4);
        let most = if ignores_ceiling { ceiling * dice.between(TIMES_TOO_MUCH) } else { ceiling };
        let count = dice.between(DELTAS);
        let gap = if dice.one_in(12) { LONG_GAP_MS } else { GAP_MS };
        let mut left = most;
        let mut deltas = VecDeque::new();
        for _ in 0..count {
            let tokens = dice.between((1, (most / count).max(1))).min(left);
            if tokens == 0 {
                break;
            }
            left -= tokens;
            deltas.push_back(Delta { after_ms: dice.between(gap), tokens });
        }
        let output = deltas.iter().map(|delta| delta.tokens).sum();
        let ending = match dice.below(5) {
            0 if odd => Ending::Cut,
            1 if odd => Ending::Broken,
            2 if odd => Ending::Hangs,
            _ => Ending::Orderly(report(dice, odd, output, ceiling)),
        };
        Self::Stream { deltas, ending }
    }
}

/// The provider's count, honest or not, if it gives one.
fn report(dice: &Dice, odd: bool, output: u64, ceiling: u64) -> Option<Usage> {
    let input = input_tokens(dice);
    match dice.below(5) {
        0 if odd => None,
        1 if odd => Some(plain(0, 0)),
        2 if odd => Some(plain(input * 20, ceiling * dice.between(TIMES_TOO_MUCH))),
        _ => Some(plain(input, output)),
    }
}
