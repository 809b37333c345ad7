//! What was spent with one key. Every key is metered, so that a limit set later counts from the period's start.

use super::state::{KEY_METER, Part};
use super::{AccountState, Key};
use crate::api_key::KeyHash;
use crate::money::NanoEur;
use crate::rate_limit::RateMeters;
use crate::state_machine::PartKey;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct KeyMeter {
    /// The account's period that the money belongs to; holds of earlier ones are not counted here.
    #[n(0)]
    pub period_opened_at: Timestamp,
    #[n(1)]
    pub used: NanoEur,
    #[n(2)]
    pub reserved: NanoEur,
    #[n(3)]
    pub rates: RateMeters,
    /// The highest notice that was raised in the period, in per cent.
    #[n(4)]
    pub notified: u8,
}

impl KeyMeter {
    pub fn free(&self, budget: NanoEur) -> NanoEur {
        budget.saturating_sub(self.used).saturating_sub(self.reserved)
    }

    fn entered(mut self, period_opened_at: Timestamp) -> Self {
        if self.period_opened_at != period_opened_at {
            self = Self { period_opened_at, rates: self.rates, ..Self::default() };
        }
        self
    }
}

pub(super) fn part_of(hash: &KeyHash) -> PartKey {
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    PartKey { kind: KEY_METER, id }
}

/// The key's meter in the current period.
pub(super) fn read(state: &AccountState, part: PartKey) -> KeyMeter {
    let meter = match state.part(part) {
        Some(Part::KeyMeter(meter)) => meter.clone(),
        _ => KeyMeter::default(),
    };
    meter.entered(state.head.current().opened_at)
}

/// Changes the meter of a key that the account still has.
pub(super) fn change(state: &mut AccountState, part: PartKey, change: impl FnOnce(&mut KeyMeter)) {
    if state.part(part).is_some() {
        let mut meter = read(state, part);
        change(&mut meter);
        state.put(part, Part::KeyMeter(meter));
    }
}

/// Drops the meters of keys that are gone: a revoked key never comes back.
pub(super) fn forget_others(state: &mut AccountState, keys: &[Key]) {
    let kept: Vec<PartKey> = keys.iter().map(|key| part_of(&key.hash)).collect();
    let gone: Vec<PartKey> =
        state.parts_of(KEY_METER).map(|(part, _)| part).filter(|part| !kept.contains(part)).collect();
    for part in gone {
        state.remove(part);
    }
}
