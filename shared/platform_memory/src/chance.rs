//! Bytes that look random and follow from a seed.

use crate::MemoryPlatform;
use core::cell::Cell;
use platform::Randomness;

/// SplitMix64 (Steele, Lea, Flood, 2014): any seed will do, and it never repeats within a test.
pub(crate) struct Seeded(Cell<u64>);

impl Seeded {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }

    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Randomness for MemoryPlatform {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.chance.fill(bytes);
    }
}
