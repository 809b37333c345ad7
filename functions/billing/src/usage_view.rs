//! Sums of usage as answers show them.

use domain::money::NanoEur;
use serde_json::{Map, Value, json as object};
use store::usage_measures::Measures;

/// Counts that may exceed a JavaScript number are texts.
pub fn measures(measures: &Measures) -> Map<String, Value> {
    let Measures {
        row_count,
        tokens_input,
        tokens_cached,
        tokens_output,
        tokens_reasoning,
        cost_nano_eur,
        overrun_nano_eur,
        provider_cost_nano_usd,
        errors,
        estimated,
    } = *measures;
    let count = |count: i128| i64::try_from(count).unwrap_or(i64::MAX);
    let view = object!({
        "rows": count(row_count),
        "cost_total": euros(cost_nano_eur),
        "cost_nano_eur": cost_nano_eur.to_string(),
        "overrun": euros(overrun_nano_eur),
        "provider_cost_nano_usd": provider_cost_nano_usd.to_string(),
        "tokens_input": tokens_input.to_string(),
        "tokens_cached": tokens_cached.to_string(),
        "tokens_output": tokens_output.to_string(),
        "tokens_reasoning": tokens_reasoning.to_string(),
        "errors": count(errors),
        "estimated": count(estimated),
    });
    match view {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Sums may exceed what one account can hold, so they are written without going through its type.
fn euros(nano: i128) -> String {
    i64::try_from(nano).ok().and_then(|nano| NanoEur::new(nano).ok()).map_or_else(
        || {
            let sign = if nano < 0 { "-" } else { "" };
            let nano = nano.unsigned_abs();
            format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
        },
        |amount| amount.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_beyond_one_accounts_money_are_still_exact() {
        assert_eq!(euros(12_500_000_000), "12.50");
        assert_eq!(euros(-1), "-0.000000001");
        assert_eq!(euros(123_456_789_012_345_678_901_234), "123456789012345.678901234");
    }
}
