//! What happened, as a hash that two runs of a seed must share, and as lines for a person to read.

use std::cell::{Cell, RefCell};

/// Lines that a failure shows.
const SHOWN_MAX: usize = 40;
/// Lines that a run keeps; a world has fewer.
const KEPT_MAX: usize = 200_000;

pub struct Trace {
    hash: Cell<u64>,
    events: Cell<u64>,
    /// Off in sweeps: text costs more than the world itself. A failing seed runs again with it.
    recording: bool,
    lines: RefCell<Vec<Line>>,
}

struct Line {
    at_ms: u64,
    account: Option<usize>,
    text: String,
}

impl Trace {
    pub fn new(recording: bool) -> Self {
        Self { hash: Cell::new(0), events: Cell::new(0), recording, lines: RefCell::default() }
    }

    /// `what` and `detail` count for the hash, `text` is for reading. Without an account it concerns all.
    pub fn note(
        &self,
        at_ms: u64,
        account: Option<usize>,
        what: &'static str,
        detail: u64,
        text: impl FnOnce() -> String,
    ) {
        let place = account.map_or(u64::MAX, |account| account as u64);
        let hash = fnv(self.hash.get(), what.as_bytes());
        self.hash.set([at_ms, place, detail].iter().fold(hash, |hash, word| fnv(hash, &word.to_le_bytes())));
        self.events.set(self.events.get() + 1);
        if self.recording && self.lines.borrow().len() < KEPT_MAX {
            self.lines.borrow_mut().push(Line { at_ms, account, text: format!("{what} {}", text()) });
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash.get()
    }

    pub fn events(&self) -> u64 {
        self.events.get()
    }

    /// The last lines that touch the account, oldest first; or, where a word is given, those that contain it.
    pub fn last_of(&self, account: Option<usize>, word: Option<&str>) -> Vec<String> {
        let lines = self.lines.borrow();
        let touches = |line: &&Line| match word {
            Some(word) => line.account.is_none() || line.text.contains(word),
            None => account.is_none() || line.account.is_none() || line.account == account,
        };
        let mut shown: Vec<String> = lines.iter().rev().filter(touches).take(SHOWN_MAX).map(shown).collect();
        shown.reverse();
        shown
    }
}

fn shown(line: &Line) -> String {
    let (seconds, millis) = (line.at_ms / 1_000, line.at_ms % 1_000);
    let place = line.account.map_or("world".into(), |account| format!("A{account}"));
    format!("{:>9}.{millis:03}s  {place:<5}  {}", seconds, line.text)
}

/// FNV-1a, continued from `hash`.
pub fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    let start = hash ^ 0xcbf2_9ce4_8422_2325;
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
