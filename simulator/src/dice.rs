//! Chance that follows from a seed.

use std::cell::Cell;

/// SplitMix64 (Steele, Lea, Flood, 2014). Every part of a world rolls its own, so that a change in one
/// does not reshuffle the others.
pub struct Dice(Cell<u64>);

impl Dice {
    pub fn new(seed: u64, purpose: &str) -> Self {
        let dice = Self(Cell::new(seed ^ crate::trace::fnv(0, purpose.as_bytes())));
        dice.next();
        dice
    }

    pub fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to one below `limit`; 0 where there is nothing to choose.
    pub fn below(&self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// Both ends included.
    pub fn between(&self, (low, high): (u64, u64)) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Never, if `count` is 0.
    pub fn one_in(&self, count: u64) -> bool {
        count > 0 && self.below(count) == 0
    }

    pub fn pick<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}
