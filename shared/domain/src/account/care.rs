//! How carefully worst cases are reserved: an account whose providers bill beyond their holds again and again
//! reserves more, so that the platform does not pay for ever.

use crate::money::NanoEur;
use minicbor::{Decode, Encode};

const ONE: u32 = 1_000;
/// A worst case is raised to four times itself at most.
const CARE_MAX: u32 = 4 * ONE;
/// The first overrun may be chance.
const OVERRUNS_TOLERATED: u32 = 1;

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Care {
    #[n(0)]
    overruns: u32,
    /// In thousandths beyond the worst case itself.
    #[n(1)]
    extra_permille: u32,
}

impl Care {
    /// What worst cases are multiplied by, in thousandths.
    pub const fn permille(&self) -> u32 {
        ONE + self.extra_permille
    }

    /// A call whose hold was raised to `care_permille` of its worst case ended at `price`.
    pub fn learn(&mut self, price: NanoEur, hold: NanoEur, care_permille: u32) {
        let needed = needed_permille(price, hold, care_permille);
        if price > hold {
            self.overruns = self.overruns.saturating_add(1);
        }
        if needed <= ONE {
            self.extra_permille -= self.extra_permille.div_ceil(16);
            if self.extra_permille == 0 {
                self.overruns = 0;
            }
        } else if self.overruns > OVERRUNS_TOLERATED {
            self.extra_permille = self.extra_permille.max(needed.min(CARE_MAX) - ONE);
        }
    }
}

/// `amount` with care, rounded up.
pub(super) fn with_care(amount: NanoEur, care_permille: u32) -> NanoEur {
    if care_permille <= ONE {
        return amount;
    }
    let raised = (i128::from(amount.get()) * i128::from(care_permille) + 999) / 1_000;
    NanoEur::saturating(i64::try_from(raised).unwrap_or(i64::MAX))
}

/// The price in thousandths of the worst case.
fn needed_permille(price: NanoEur, hold: NanoEur, care_permille: u32) -> u32 {
    let worst = i128::from(hold.get()) * i128::from(ONE) / i128::from(care_permille.max(ONE));
    if worst <= 0 {
        return ONE;
    }
    let needed = (i128::from(price.get()) * i128::from(ONE) + worst - 1) / worst;
    u32::try_from(needed.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euros(euros: i32) -> NanoEur {
        NanoEur::euros(euros)
    }

    #[test]
    fn one_overrun_is_chance_and_two_are_a_habit() {
        let mut care = Care::default();
        care.learn(euros(30), euros(10), 1_000);
        assert_eq!(care.permille(), 1_000);
        care.learn(euros(30), euros(10), 1_000);
        assert_eq!(care.permille(), 3_000);
        assert_eq!(with_care(euros(10), care.permille()), euros(30));
        // Within the raised hold, and still three times the worst case.
        care.learn(euros(30), euros(30), 3_000);
        assert_eq!(care.permille(), 3_000);
    }

    #[test]
    fn care_wears_off_and_has_a_limit() {
        let mut care = Care::default();
        for _ in 0..2 {
            care.learn(NanoEur::MAX, NanoEur::saturating(1), 1_000);
        }
        assert_eq!(care.permille(), CARE_MAX);
        for _ in 0..150 {
            care.learn(euros(1), euros(4), CARE_MAX);
        }
        assert_eq!(care, Care::default());
    }
}
