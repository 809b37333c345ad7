//! Decimal euros as the API writes them, in exact nano-euros. The suite does its own sums, without the
//! product's code.

use serde_json::Value;

const NANO: i64 = 1_000_000_000;

/// `"12.5"` or `12.5` in nano-euros; panics when it has more than nine decimals or is no amount.
#[track_caller]
pub fn nano(value: &Value) -> i64 {
    match value {
        Value::String(text) => nano_of(text),
        // A JSON number prints as its shortest decimal, which is what was sent.
        Value::Number(number) => nano_of(&number.to_string()),
        other => panic!("not an amount: {other}"),
    }
}

#[track_caller]
pub fn nano_of(text: &str) -> i64 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    assert!(decimals.len() <= 9, "more than nine decimals: {text}");
    let parse = |digits: &str| digits.parse::<i64>().unwrap_or_else(|_| panic!("not an amount: {text}"));
    sign * (parse(whole) * NANO + parse(&format!("{decimals:0<9}")))
}

/// Nano-euros as the API reads them.
pub fn euros(nano: i64) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    format!("{sign}{}.{:09}", nano.abs() / NANO, nano.abs() % NANO)
}
