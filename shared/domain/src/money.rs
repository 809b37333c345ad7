//! Money: an integer number of nano-euros, so that a million sums are exact.

use core::fmt;
use minicbor::{Decode, Encode};

/// Nano-euros per euro.
const NANO: i64 = 1_000_000_000;

/// The largest amount in either direction: 2^53 - 1, so that every amount survives a JavaScript number.
pub const MAX_NANO_EUR: i64 = (1 << 53) - 1;

/// An amount in nano-euros, always within ±[`MAX_NANO_EUR`] (about nine million euros).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct NanoEur(#[n(0)] i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("the amount is beyond ±9,007,199.254740991 euros")]
    OutOfRange,
    #[error("write the amount as decimal euros with at most nine decimals, like \"12.50\"")]
    NotDecimal,
}

impl NanoEur {
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self(MAX_NANO_EUR);

    pub const fn new(nano: i64) -> Result<Self, MoneyError> {
        if nano > MAX_NANO_EUR || nano < -MAX_NANO_EUR {
            return Err(MoneyError::OutOfRange);
        }
        Ok(Self(nano))
    }

    /// Whole euros; for constants and tests.
    pub const fn euros(euros: i32) -> Self {
        let nano = euros as i64 * NANO;
        if nano > MAX_NANO_EUR {
            return Self::MAX;
        }
        Self(nano)
    }

    /// For amounts that are known to be in range, such as constants in tests; clamps otherwise.
    pub fn saturating(nano: i64) -> Self {
        Self(nano.clamp(-MAX_NANO_EUR, MAX_NANO_EUR))
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        Self::new(self.0 + other.0)
    }

    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        Self::new(self.0 - other.0)
    }

    pub fn saturating_add(self, other: Self) -> Self {
        Self::saturating(self.0 + other.0)
    }

    pub fn saturating_sub(self, other: Self) -> Self {
        Self::saturating(self.0 - other.0)
    }

    /// Never below zero.
    pub fn at_least_zero(self) -> Self {
        Self(self.0.max(0))
    }

    /// For the compatibility endpoints, which answer numbers. Display only: never calculate with it.
    pub fn as_euros_f64(self) -> f64 {
        self.0 as f64 / NANO as f64
    }

    /// Reads decimal euros: `"25"`, `"0.000000001"`, `"-3.5"`. More than nine decimals are refused,
    /// never rounded.
    pub fn parse_euros(text: &str) -> Result<Self, MoneyError> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || fraction.len() > 9 {
            return Err(MoneyError::NotDecimal);
        }
        let whole: i64 = whole.parse().map_err(|_| MoneyError::OutOfRange)?;
        let fraction: i64 = format!("{fraction:0<9}").parse().map_err(|_| MoneyError::NotDecimal)?;
        let nano =
            whole.checked_mul(NANO).and_then(|n| n.checked_add(fraction)).ok_or(MoneyError::OutOfRange)?;
        Self::new(sign * nano)
    }
}

/// Decimal euros without trailing zeros but with at least two decimals: `12.50`, `0.000012`.
impl fmt::Display for NanoEur {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let abs = self.0.unsigned_abs();
        let fraction = format!("{:09}", abs % NANO as u64);
        let kept = fraction.trim_end_matches('0').len().max(2);
        write!(f, "{sign}{}.{}", abs / NANO as u64, &fraction[..kept])
    }
}

/// Sums without loss: integers in, integer out.
impl core::iter::Sum for NanoEur {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::saturating_add)
    }
}

/// What many amounts come to, one replaced by another at any time: exact to nine billion euros, so that what went
/// beyond [`NanoEur::MAX`] comes back from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Total(#[n(0)] i64);

impl Total {
    #[must_use]
    pub const fn plus(self, amount: NanoEur) -> Self {
        Self(self.0.saturating_add(amount.0))
    }

    #[must_use]
    pub const fn less(self, amount: NanoEur) -> Self {
        Self(self.0.saturating_sub(amount.0))
    }

    /// How much more it is than another, as far as an amount can say.
    pub fn beyond(self, other: Self) -> NanoEur {
        NanoEur::saturating(self.0.saturating_sub(other.0))
    }

    /// As far as an amount can say.
    pub fn amount(self) -> NanoEur {
        NanoEur::saturating(self.0)
    }
}

impl core::iter::Sum<NanoEur> for Total {
    fn sum<I: Iterator<Item = NanoEur>>(iter: I) -> Self {
        iter.fold(Self::default(), Self::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_total_comes_back_from_beyond_what_an_amount_can_say() {
        let many: Total = [NanoEur::MAX; 1_000].into_iter().sum();
        assert_eq!(many.amount(), NanoEur::MAX);
        let one = (0..999).fold(many, |total, _| total.less(NanoEur::MAX));
        assert_eq!(one.less(NanoEur::euros(1)).amount(), NanoEur::MAX.saturating_sub(NanoEur::euros(1)));
        assert_eq!((one.beyond(many), many.beyond(one)), (NanoEur::saturating(-MAX_NANO_EUR), NanoEur::MAX));
    }

    #[test]
    fn amounts_read_and_print_as_decimal_euros() {
        for (text, nano) in
            [("12.50", 12_500_000_000), ("0.000000001", 1), ("-3.50", -3_500_000_000), ("0.00", 0)]
        {
            assert_eq!(NanoEur::parse_euros(text), Ok(NanoEur(nano)));
            assert_eq!(NanoEur(nano).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_decimal_euros_is_refused_and_never_rounded() {
        for text in ["", "-", "1.", ".5", "1e3", "1,5", "+1", "1.0000000001", "NaN", " 1"] {
            assert_eq!(NanoEur::parse_euros(text), Err(MoneyError::NotDecimal), "{text}");
        }
        for text in ["9007199.254740992", "99999999999999999999"] {
            assert_eq!(NanoEur::parse_euros(text), Err(MoneyError::OutOfRange), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_reading_are_inverse(nano in -MAX_NANO_EUR..=MAX_NANO_EUR) {
            let money = NanoEur::new(nano).unwrap();
            prop_assert_eq!(NanoEur::parse_euros(&money.to_string()), Ok(money));
        }
    }
}
