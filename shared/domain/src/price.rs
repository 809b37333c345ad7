//! What a call costs: provider price × (1 + margin) × exchange rate, rounded up once.

use crate::money::{MoneyError, NanoEur};
use minicbor::{Decode, Encode};

/// Nano-dollars per million units (tokens, characters, images …). `2_500_000_000` is $2.50 per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct NanoUsdPerMillion(#[n(0)] pub u64);

/// What a provider counted, each unit in exactly one field: `input` excludes cached, cache-write and
/// audio tokens, `output` excludes reasoning and audio tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Usage {
    #[n(0)]
    pub input: u64,
    #[n(1)]
    pub cached_input: u64,
    #[n(2)]
    pub cache_write: u64,
    #[n(3)]
    pub output: u64,
    #[n(4)]
    pub reasoning: u64,
    #[n(5)]
    pub audio_input: u64,
    #[n(6)]
    pub audio_output: u64,
}

impl Usage {
    /// No count a provider can mean; larger ones are cut here so that no product overflows.
    pub const UNITS_MAX: u64 = 1 << 40;

    pub fn total_input(&self) -> u64 {
        [self.input, self.cached_input, self.cache_write, self.audio_input]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    pub fn total_output(&self) -> u64 {
        [self.output, self.reasoning, self.audio_output].into_iter().fold(0, u64::saturating_add)
    }

    /// At least the input and output of `floor`, each in total.
    #[must_use]
    pub fn at_least(mut self, floor: &Self) -> Self {
        self.input += floor.total_input().saturating_sub(self.total_input());
        self.output += floor.total_output().saturating_sub(self.total_output());
        self
    }

    pub fn total(&self) -> u64 {
        self.total_input().saturating_add(self.total_output())
    }
}

/// A model's prices at one provider. `None` is unknown: such a unit refuses the call, it is never
/// free. A price of zero is stated as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Prices {
    #[n(0)]
    pub input: Option<NanoUsdPerMillion>,
    #[n(1)]
    pub cached_input: Option<NanoUsdPerMillion>,
    #[n(2)]
    pub cache_write: Option<NanoUsdPerMillion>,
    #[n(3)]
    pub output: Option<NanoUsdPerMillion>,
    #[n(4)]
    pub reasoning: Option<NanoUsdPerMillion>,
    #[n(5)]
    pub audio_input: Option<NanoUsdPerMillion>,
    #[n(6)]
    pub audio_output: Option<NanoUsdPerMillion>,
}

/// Everything that turns usage into euros, fixed when a call is reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Tariff {
    #[n(0)]
    pub prices: Prices,
    /// Basis points on top of the provider's price: 2,000 is 20 %.
    #[n(1)]
    pub margin_basis_points: u32,
    /// Euros per dollar in millionths: 920,000 is €0.92.
    #[n(2)]
    pub eur_per_usd_millionths: u32,
    /// The version of the price list that these prices come from.
    #[n(3)]
    pub price_version: u32,
}

/// A price with its parts. `cost` is what the user pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Price {
    #[n(0)]
    pub cost: NanoEur,
    /// The provider's own price in nano-dollars, rounded up.
    #[n(1)]
    pub provider_cost_nano_usd: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("no price is set for {0} tokens of this model")]
    Unknown(&'static str),
    #[error(transparent)]
    Money(#[from] MoneyError),
}

impl Tariff {
    /// The exact price of `usage`, rounded up once to a nano-euro.
    ///
    /// A unit without its own price takes the price of the unit that it is a kind of, which is never
    /// cheaper at any provider we know: cached input and cache writes cost as input, reasoning as output.
    pub fn price(&self, usage: &Usage) -> Result<Price, PriceError> {
        let p = &self.prices;
        let parts = [
            ("input", usage.input, p.input),
            ("cached input", usage.cached_input, p.cached_input.or(p.input)),
            ("cache write", usage.cache_write, p.cache_write.or(p.input)),
            ("output", usage.output, p.output),
            ("reasoning", usage.reasoning, p.reasoning.or(p.output)),
            ("audio input", usage.audio_input, p.audio_input),
            ("audio output", usage.audio_output, p.audio_output),
        ];
        let mut nano_usd_millionths: i128 = 0;
        for (unit, count, price) in parts {
            if count > 0 {
                let price = price.ok_or(PriceError::Unknown(unit))?;
                nano_usd_millionths += i128::from(count.min(Usage::UNITS_MAX)) * i128::from(price.0);
            }
        }
        let with_margin = nano_usd_millionths
            .checked_mul(i128::from(10_000 + u64::from(self.margin_basis_points)))
            .and_then(|n| n.checked_mul(i128::from(self.eur_per_usd_millionths)))
            .ok_or(MoneyError::OutOfRange)?;
        // Per million units, basis points, millionths of a rate.
        let cost = divide_up(with_margin, 1_000_000 * 10_000 * 1_000_000);
        Ok(Price {
            cost: NanoEur::new(i64::try_from(cost).map_err(|_| MoneyError::OutOfRange)?)?,
            provider_cost_nano_usd: u64::try_from(divide_up(nano_usd_millionths, 1_000_000))
                .map_err(|_| MoneyError::OutOfRange)?,
        })
    }

    /// For worst cases: input at the dearest price that a text input token may turn out to have (plain,
    /// cached, written to a cache), output likewise (plain, reasoning).
    #[must_use]
    pub fn dearest(&self) -> Self {
        let p = self.prices;
        // `None` is the smallest: only a known base price makes a unit known.
        let input =
            p.input.map(|base| base.max(p.cached_input.unwrap_or(base)).max(p.cache_write.unwrap_or(base)));
        let output = p.output.map(|base| base.max(p.reasoning.unwrap_or(base)));
        Self { prices: Prices { input, output, ..p }, ..*self }
    }

    /// Whether a plain text call can be priced at all.
    pub fn prices_text(&self) -> bool {
        self.prices.input.is_some() && self.prices.output.is_some() && self.eur_per_usd_millionths > 0
    }
}

fn divide_up(dividend: i128, divisor: i128) -> i128 {
    dividend / divisor + i128::from(dividend % divisor > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tariff() -> Tariff {
        Tariff {
            prices: Prices {
                input: Some(NanoUsdPerMillion(150_000_000)),
                cached_input: Some(NanoUsdPerMillion(75_000_000)),
                output: Some(NanoUsdPerMillion(600_000_000)),
                ..Prices::default()
            },
            margin_basis_points: 2_000,
            eur_per_usd_millionths: 920_000,
            price_version: 1,
        }
    }

    #[test]
    fn p11_a_price_is_exact_to_the_nano_euro() {
        // 1,000 × $0.15/M + 200 × $0.075/M + 500 × $0.60/M = 465,000 nano-dollars; × 1.2 × 0.92 = 513,360.
        let usage = Usage { input: 1_000, cached_input: 200, output: 500, ..Usage::default() };
        let price = tariff().price(&usage).unwrap();
        assert_eq!(price.cost.get(), 513_360);
        assert_eq!(price.provider_cost_nano_usd, 465_000);
    }

    #[test]
    fn p11_a_price_is_rounded_up_once() {
        // One input token: 150 nano-dollars × 1.2 × 0.92 = 165.6.
        let usage = Usage { input: 1, ..Usage::default() };
        assert_eq!(tariff().price(&usage).unwrap().cost.get(), 166);
        // Reasoning takes the output price: 600 × 1.2 × 0.92 = 662.4.
        let usage = Usage { reasoning: 1, ..Usage::default() };
        assert_eq!(tariff().price(&usage).unwrap().cost.get(), 663);
    }

    #[test]
    fn p08_an_unknown_price_refuses_and_is_never_zero() {
        let usage = Usage { audio_input: 1, ..Usage::default() };
        assert_eq!(tariff().price(&usage), Err(PriceError::Unknown("audio input")));
        let mut unpriced = tariff();
        unpriced.prices.output = None;
        let usage = Usage { input: 5, output: 1, ..Usage::default() };
        assert_eq!(unpriced.price(&usage), Err(PriceError::Unknown("output")));
        assert!(!unpriced.prices_text());
    }

    #[test]
    fn a_floor_raises_only_what_is_below_it() {
        let reported = Usage { input: 3, cached_input: 4, output: 0, ..Usage::default() };
        let counted = Usage { input: 5, output: 9, ..Usage::default() };
        assert_eq!(reported.at_least(&counted), Usage { output: 9, ..reported });
        assert_eq!(Usage::default().at_least(&counted), counted);
    }

    #[test]
    fn a_stated_zero_price_is_free() {
        let mut free = tariff();
        free.prices.input = Some(NanoUsdPerMillion(0));
        let usage = Usage { input: 1_000_000, ..Usage::default() };
        assert_eq!(free.price(&usage).unwrap().cost, NanoEur::ZERO);
    }

    #[test]
    fn absurd_counts_are_an_error_and_do_not_overflow() {
        let mut dear = tariff();
        dear.prices.input = Some(NanoUsdPerMillion(u64::MAX));
        dear.margin_basis_points = u32::MAX;
        dear.eur_per_usd_millionths = u32::MAX;
        let usage = Usage { input: u64::MAX, ..Usage::default() };
        assert_eq!(dear.price(&usage), Err(PriceError::Money(MoneyError::OutOfRange)));
    }

    proptest! {
        #[test]
        fn more_usage_never_costs_less(input in 0u64..1_000_000, output in 0u64..1_000_000, more in 0u64..1_000) {
            let less = tariff().price(&Usage { input, output, ..Usage::default() }).unwrap().cost;
            let dearer = tariff().price(&Usage { input, output: output + more, ..Usage::default() }).unwrap().cost;
            prop_assert!(less <= dearer);
        }
    }
}
