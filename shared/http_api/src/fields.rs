//! The fields of a JSON request. Each is read by its name; a missing or wrong one is refused by its name,
//! with the remedy. Unknown fields are ignored.

use crate::Problem;
use core::ops::RangeInclusive;
use domain::money::NanoEur;
use domain::time::Timestamp;
use serde_json::{Map, Value};

/// Bytes of one text field.
pub const TEXT_MAX: usize = 1_024;
/// Entries of one list field.
pub const LIST_MAX: usize = 256;

pub struct Fields {
    values: Map<String, Value>,
    /// `api_key.` for the fields of a nested object.
    prefix: String,
}

impl Fields {
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let value = serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Problem::bad_request(
                "invalid_json",
                format!("The body is not valid JSON: something is wrong at line {line}, column {column}."),
            )
        })?;
        match value {
            Value::Object(values) => Ok(Self { values, prefix: String::new() }),
            _ => Err(Problem::bad_request("invalid_json", "The body must be a JSON object: `{…}`.")),
        }
    }

    /// Whether the field is there, be it `null`.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// `null` counts as absent.
    fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, expected: &str) -> Problem {
        let field = format!("{}{name}", self.prefix);
        let message = format!("`{field}` must be {expected}.");
        Problem::invalid_field(&field, message)
    }

    /// Refuses a field with a message that begins with its name: "`field` must be …".
    pub fn refuse(&self, name: &str, expected: &str) -> Problem {
        self.wrong(name, expected)
    }

    pub fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, Problem> {
        let field = format!("{}{name}", self.prefix);
        value.ok_or_else(|| {
            let message = format!("`{field}` is missing.");
            Problem::invalid_field(&field, message)
        })
    }

    /// Not empty, at most [`TEXT_MAX`] bytes.
    pub fn text(&self, name: &str) -> Result<&str, Problem> {
        self.required(name, self.optional_text(name)?)
    }

    pub fn optional_text(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() && text.len() <= TEXT_MAX => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, &format!("a text of 1 to {TEXT_MAX} bytes"))),
        }
    }

    /// One of a few words.
    pub fn optional_word(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        match words.iter().find(|word| **word == text) {
            Some(word) => Ok(Some(word)),
            None => Err(self.wrong(name, &format!("one of `{}`", words.join("`, `")))),
        }
    }

    pub fn optional_integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => {
                match value.as_i64().filter(|integer| range.contains(integer)) {
                    Some(integer) => Ok(Some(integer)),
                    None => Err(self
                        .wrong(name, &format!("a whole number from {} to {}", range.start(), range.end()))),
                }
            }
        }
    }

    /// Euros that are not negative: a text is exact; a JSON number, being binary, is rounded to the
    /// nearest nano-euro.
    pub fn optional_euros(&self, name: &str) -> Result<Option<NanoEur>, Problem> {
        self.euros_within(name, NanoEur::ZERO, NanoEur::MAX)
    }

    /// As [`Self::optional_euros`], from `least` to `most`.
    pub fn euros_within(
        &self,
        name: &str,
        least: NanoEur,
        most: NanoEur,
    ) -> Result<Option<NanoEur>, Problem> {
        let amount = match self.value(name) {
            None => return Ok(None),
            Some(Value::String(text)) => NanoEur::parse_euros(text).ok(),
            Some(Value::Number(number)) => number.as_f64().and_then(nearest_nano),
            Some(_) => None,
        };
        match amount.filter(|amount| (least..=most).contains(amount)) {
            Some(amount) => Ok(Some(amount)),
            None => {
                let range = format!(
                    "an amount in euros from {least} to {most}, as a number or as a text like \"12.50\" with at most nine decimals"
                );
                Err(self.wrong(name, &range))
            }
        }
    }

    pub fn optional_bool(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(self.wrong(name, "`true` or `false`")),
        }
    }

    pub fn optional_instant(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        match Timestamp::parse_rfc3339(text) {
            Some(instant) => Ok(Some(instant)),
            None => Err(self.wrong(name, "an RFC 3339 instant like \"2027-01-31T12:00:00Z\"")),
        }
    }

    /// At most [`LIST_MAX`] texts.
    pub fn optional_texts(&self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let wrong = || self.wrong(name, &format!("a list of at most {LIST_MAX} texts"));
        let list = match self.value(name) {
            None => return Ok(None),
            Some(Value::Array(list)) if list.len() <= LIST_MAX => list,
            Some(_) => return Err(wrong()),
        };
        let text = |value: &Value| {
            value.as_str().filter(|text| !text.is_empty() && text.len() <= TEXT_MAX).map(str::to_owned)
        };
        list.iter().map(text).collect::<Option<_>>().ok_or_else(wrong).map(Some)
    }

    pub fn optional_object(&self, name: &str) -> Result<Option<Self>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(values)) => {
                Ok(Some(Self { values: values.clone(), prefix: format!("{}{name}.", self.prefix) }))
            }
            Some(_) => Err(self.wrong(name, "an object: `{…}`")),
        }
    }
}

fn nearest_nano(euros: f64) -> Option<NanoEur> {
    let nano = (euros * 1e9).round();
    // Beyond 2^53 the conversion would not be exact; such amounts are out of range anyway.
    (nano.abs() <= 9_007_199_254_740_991.0).then(|| NanoEur::saturating(nano as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_wrong_field_is_refused_by_its_name() {
        let fields = fields(r#"{"a": 1, "nested": {"b": []}, "empty": ""}"#);
        let problem = fields.text("a").unwrap_err();
        assert_eq!(problem.param.as_deref(), Some("a"));
        assert_eq!(fields.text("missing").unwrap_err().message, "`missing` is missing.");
        assert!(fields.text("empty").is_err());
        assert!(fields.optional_bool("a").is_err());
        assert_eq!(fields.optional_bool("missing").unwrap(), None);
        let nested = fields.optional_object("nested").unwrap().unwrap();
        assert_eq!(nested.text("b").unwrap_err().param.as_deref(), Some("nested.b"));
        assert_eq!(
            fields.optional_integer("a", 2..=3).unwrap_err().message,
            "`a` must be a whole number from 2 to 3."
        );
    }

    #[test]
    fn amounts_are_numbers_or_exact_texts() {
        let fields = fields(
            r#"{"n": 0.1, "t": "0.000000001", "u": 25, "minus": -1, "huge": 1e300, "fine": "0.0000000001", "s": true}"#,
        );
        let nano = |name| fields.optional_euros(name).map(|amount| amount.unwrap().get()).ok();
        assert_eq!(nano("n"), Some(100_000_000));
        assert_eq!(nano("t"), Some(1));
        assert_eq!(nano("u"), Some(25_000_000_000));
        for wrong in ["minus", "huge", "fine", "s"] {
            assert_eq!(nano(wrong), None, "{wrong}");
        }
        assert_eq!(fields.optional_euros("absent").unwrap(), None);
        let least = NanoEur::euros(-1);
        assert_eq!(fields.euros_within("minus", least, NanoEur::ZERO).unwrap(), Some(least));
        let problem = fields.euros_within("u", least, NanoEur::ZERO).unwrap_err();
        assert!(problem.message.starts_with("`u` must be an amount in euros from -1.00 to 0.00"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["", "[]", "{", "null", "\u{feff}{}"] {
            assert!(Fields::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
