//! Whole numbers, as JSON writes them.

/// A number of JSON's grammar that is whole, however it is written: `64`, `64.0`, `6.4e1`; none if it has a fraction.
/// What is larger than an `i64` comes out as the largest. (Not through `f64`: its parser and tables are some 20 KB of
/// wasm.)
pub(crate) fn whole(number: &[u8]) -> Option<i64> {
    let mut parts = number.split(|byte| matches!(byte, b'e' | b'E'));
    let mantissa = parts.next().unwrap_or_default();
    // The number is `value`, zeros, and so many times ten.
    let mut power = parts.next().map_or(0, exponent);
    let (mut value, mut zeros, mut in_fraction) = (0i64, 0, false);
    for byte in mantissa {
        match byte {
            b'-' => {}
            b'.' => in_fraction = true,
            digit => {
                power -= i64::from(in_fraction);
                zeros += 1;
                if *digit != b'0' {
                    value = times_ten(value, zeros).saturating_add(i64::from(digit - b'0'));
                    zeros = 0;
                }
            }
        }
    }
    if value == 0 {
        return Some(0);
    }
    // Zeros at the end make up for a negative power.
    let power = power + zeros;
    let value = if power < 0 { return None } else { times_ten(value, power) };
    Some(if mantissa.starts_with(b"-") { -value } else { value })
}

fn times_ten(value: i64, times: i64) -> i64 {
    // From twenty on, any value but 0 is the largest.
    (0..times.min(20)).fold(value, |value, _| value.saturating_mul(10))
}

/// Of an exponent beyond measure, one as bad.
fn exponent(text: &[u8]) -> i64 {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let value = digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1 << 40));
    sign * value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (written, value) in [
            ("64", Some(64)),
            ("64.0", Some(64)),
            ("64.000", Some(64)),
            ("1e3", Some(1_000)),
            ("6.4E+1", Some(64)),
            ("640e-1", Some(64)),
            ("0.064e3", Some(64)),
            ("0", Some(0)),
            ("-0.0e-5", Some(0)),
            ("0e-99999999999999999999", Some(0)),
            ("-1", Some(-1)),
            ("64.5", None),
            ("64.00000000000000000001", None),
            ("6.4", None),
            ("1e-1", None),
            ("1e-99999999999999999999", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("18446744073709551615", Some(i64::MAX)),
            ("1e300", Some(i64::MAX)),
            ("1e99999999999999999999", Some(i64::MAX)),
            ("-1e300", Some(-i64::MAX)),
        ] {
            assert_eq!(whole(written.as_bytes()), value, "{written}");
        }
    }

    proptest! {
        #[test]
        fn shifting_the_point_changes_nothing(value in 0i64..1_000_000_000, zeros in 0usize..12) {
            let fraction = format!("{value}.{}", "0".repeat(zeros.max(1)));
            let shifted = format!("{value}{}e-{zeros}", "0".repeat(zeros));
            prop_assert_eq!(whole(fraction.as_bytes()), Some(value));
            prop_assert_eq!(whole(shifted.as_bytes()), Some(value));
        }
    }
}
