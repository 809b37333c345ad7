//! The fields of a JSON request. Each is read by its name; a missing, wrong, doubled or unknown one is refused by its
//! name, with the remedy. A field that is `null` is absent, except where a change may clear it.

use crate::{Problem, read_instant, shortened, strict_json};
use core::ops::RangeInclusive;
use domain::money::NanoEur;
use domain::time::Timestamp;
use serde_json::{Map, Value};

/// Bytes of one text field.
pub const TEXT_MAX: usize = 1_024;
/// Entries of one list field.
pub const LIST_MAX: usize = 256;
/// The largest whole number that may be written as a fraction, `64.0`: such are read as binary ones, whose last place is
/// not sure, and up to here no doubt of it makes one whole number of another.
const WHOLE_FRACTION_MAX: f64 = 1e14;

type Names = &'static [&'static str];

pub struct Fields {
    /// Null only where it clears.
    values: Map<String, Value>,
    /// `api_key.` for the fields of a nested object.
    prefix: String,
    known: Names,
}

/// What a change says of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is.
    Absent,
    /// It is taken away.
    Cleared,
    To(T),
}

/// As the store takes it.
impl<T> From<Change<T>> for Option<Option<T>> {
    fn from(change: Change<T>) -> Self {
        match change {
            Change::Absent => None,
            Change::Cleared => Some(None),
            Change::To(value) => Some(Some(value)),
        }
    }
}

impl Fields {
    /// A request with the fields `known`. What is `null` is absent.
    pub fn parse(body: &[u8], known: Names) -> Result<Self, Problem> {
        let mut fields = Self::read(body, known)?;
        fields.values.retain(|_, value| !value.is_null());
        Ok(fields)
    }

    /// The same; no body is one without fields.
    pub fn parse_optional(body: &[u8], known: Names) -> Result<Self, Problem> {
        Self::parse(if body.is_empty() { b"{}" } else { body }, known)
    }

    /// A change of the fields `known`. Absence leaves one as it is; `null` takes away one of the `clearable`, and is
    /// refused for any other.
    pub fn parse_change(body: &[u8], known: Names, clearable: Names) -> Result<Self, Problem> {
        let fields = Self::read(body, known)?;
        match fields
            .values
            .iter()
            .find(|(name, value)| value.is_null() && !clearable.contains(&name.as_str()))
        {
            Some((name, _)) => Err(fields.wrong(name, "given a value or left out: `null` does not clear it")),
            None => Ok(fields),
        }
    }

    fn read(body: &[u8], known: Names) -> Result<Self, Problem> {
        match strict_json::read(body)? {
            Value::Object(values) => Self::of(values, String::new(), known),
            _ => Err(Problem::bad_request("invalid_json", "The body must be a JSON object: `{…}`.")),
        }
    }

    fn of(values: Map<String, Value>, prefix: String, known: Names) -> Result<Self, Problem> {
        match values.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(unknown(&format!("{prefix}{}", shortened(name)), known)),
            None => Ok(Self { values, prefix, known }),
        }
    }

    /// Whether the field has a value, or is cleared by a change.
    pub fn says(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        debug_assert!(self.known.contains(&name), "`{name}` is not among the fields of this request");
        self.values.get(name).filter(|value| !value.is_null())
    }

    /// What a change says of the field, whose value was read as `value`.
    pub fn change<T>(&self, name: &str, value: Option<T>) -> Change<T> {
        match value {
            Some(value) => Change::To(value),
            None if self.values.contains_key(name) => Change::Cleared,
            None => Change::Absent,
        }
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

    /// Not empty, at most [`TEXT_MAX`] bytes, without NUL, at which some databases cut a text.
    pub fn text(&self, name: &str) -> Result<&str, Problem> {
        self.required(name, self.optional_text(name)?)
    }

    pub fn optional_text(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_storable(text) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, &format!("a text of 1 to {TEXT_MAX} bytes without NUL"))),
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

    /// However it is written: `64`, `64.0`, `6.4e1`.
    pub fn optional_integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => {
                match whole(value).filter(|integer| range.contains(integer)) {
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
        match read_instant(text) {
            Some(instant) => Ok(Some(instant)),
            None => {
                Err(self.wrong(name, "an RFC 3339 instant from 1970 to 9999 like \"2027-01-31T12:00:00Z\""))
            }
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
        let text = |value: &Value| value.as_str().filter(|text| is_storable(text)).map(str::to_owned);
        list.iter().map(text).collect::<Option<_>>().ok_or_else(wrong).map(Some)
    }

    /// A nested object with the fields `known`, in which what is `null` is absent.
    pub fn optional_object(&self, name: &str, known: Names) -> Result<Option<Self>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(values)) => {
                let mut fields = Self::of(values.clone(), format!("{}{name}.", self.prefix), known)?;
                fields.values.retain(|_, value| !value.is_null());
                Ok(Some(fields))
            }
            Some(_) => Err(self.wrong(name, "an object: `{…}`")),
        }
    }
}

pub(crate) fn is_storable(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.len()) && !text.contains('\0')
}

fn whole(value: &Value) -> Option<i64> {
    let of_fraction =
        |number: f64| (number.fract() == 0.0 && number.abs() <= WHOLE_FRACTION_MAX).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(of_fraction))
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let remedy = if known.is_empty() {
        "This request takes none.".to_owned()
    } else {
        format!("There are `{}`.", known.join("`, `"))
    };
    Problem::bad_request("unknown_field", format!("There is no field `{name}`. {remedy}")).about(name)
}

fn nearest_nano(euros: f64) -> Option<NanoEur> {
    let nano = (euros * 1e9).round();
    // Beyond 2^53 the conversion would not be exact; such amounts are out of range anyway.
    (nano.abs() <= 9_007_199_254_740_991.0).then(|| NanoEur::saturating(nano as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Names = &[
        "a", "b", "nested", "empty", "missing", "n", "t", "u", "minus", "huge", "fine", "s", "absent",
        "list", "at",
    ];

    fn fields(json: &str) -> Fields {
        Fields::parse(json.as_bytes(), KNOWN).unwrap()
    }

    fn param(result: Result<Fields, Problem>) -> (&'static str, String) {
        let problem = result.err().expect("a refusal");
        (problem.code, problem.param.unwrap_or_default())
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
        let nested = fields.optional_object("nested", &["b"]).unwrap().unwrap();
        assert_eq!(nested.text("b").unwrap_err().param.as_deref(), Some("nested.b"));
        assert_eq!(
            fields.optional_integer("a", 2..=3).unwrap_err().message,
            "`a` must be a whole number from 2 to 3."
        );
    }

    #[test]
    fn p30_a_field_that_is_null_is_absent() {
        let fields = fields(r#"{"a": null, "list": null, "nested": {"b": null}}"#);
        assert_eq!(fields.text("a").unwrap_err().message, "`a` is missing.");
        assert_eq!(fields.optional_euros("a").unwrap(), None);
        assert_eq!(fields.optional_integer("a", 0..=1).unwrap(), None);
        assert_eq!(fields.optional_texts("list").unwrap(), None);
        assert_eq!(fields.change::<i64>("a", None), Change::Absent);
        let nested = fields.optional_object("nested", &["b"]).unwrap().unwrap();
        assert_eq!(nested.change::<i64>("b", None), Change::Absent);
        assert!(!fields.says("a"));
    }

    #[test]
    fn p30_null_clears_in_a_change_what_can_be_cleared_and_is_refused_otherwise() {
        let read = |json: &str| Fields::parse_change(json.as_bytes(), &["a", "b"], &["a"]);
        let of_a = |json| read(json).map(|fields| fields.change("a", fields.optional_bool("a").unwrap()));
        assert_eq!(of_a(r#"{"b": 1}"#).unwrap(), Change::Absent);
        assert_eq!(of_a(r#"{"a": null}"#).unwrap(), Change::Cleared);
        assert_eq!(of_a(r#"{"a": true}"#).unwrap(), Change::To(true));
        assert_eq!(param(read(r#"{"a": 1, "b": null}"#)), ("invalid_value", "b".into()));
        assert_eq!(Option::from(Change::<i64>::Cleared), Some(None));
        assert_eq!(Option::<Option<i64>>::from(Change::Absent), None);
    }

    #[test]
    fn p30_unknown_and_doubled_fields_are_refused_by_name() {
        let read = |json: &str| Fields::parse(json.as_bytes(), &["a", "nested"]);
        assert_eq!(param(read(r#"{"a": 1, "ammount": 2}"#)), ("unknown_field", "ammount".into()));
        assert_eq!(param(read(r#"{"ammount": null}"#)), ("unknown_field", "ammount".into()));
        assert_eq!(param(read(r#"{"a": 1, "a": 1}"#)), ("duplicate_field", "a".into()));
        assert_eq!(param(read(r#"{"nested": {"b": 1, "b": 1}}"#)), ("duplicate_field", "nested.b".into()));
        let nested =
            read(r#"{"nested": {"c": 1}}"#).unwrap().optional_object("nested", &["b"]).map(Option::unwrap);
        assert_eq!(param(nested), ("unknown_field", "nested.c".into()));
        assert_eq!(param(Fields::parse_optional(br#"{"a": 1}"#, &[])), ("unknown_field", "a".into()));
        assert!(Fields::parse_optional(b"", &[]).is_ok());
        let long = "x".repeat(10_000);
        let (_, name) = param(read(&format!(r#"{{"{long}": 1}}"#)));
        assert!(name.len() < 100, "{}", name.len());
    }

    #[test]
    fn whole_numbers_may_be_written_as_fractions() {
        for (written, read) in [
            ("64", Some(64)),
            ("64.0", Some(64)),
            ("1e3", Some(1_000)),
            ("6.4e1", Some(64)),
            ("640e-1", Some(64)),
            ("-0.0", Some(0)),
            ("9007199254740991", Some(9_007_199_254_740_991)),
            ("99999999999999.0", Some(99_999_999_999_999)),
            ("9007199254740991.0", None),
            ("64.5", None),
            ("1e300", None),
            ("18446744073709551615", None),
            ("\"64\"", None),
        ] {
            let fields = fields(&format!(r#"{{"n": {written}}}"#));
            assert_eq!(fields.optional_integer("n", 0..=i64::MAX).ok().flatten(), read, "{written}");
        }
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
    fn p30_instants_are_of_the_years_that_four_digits_write() {
        for (written, accepted) in [
            ("1970-01-01T00:00:00Z", true),
            ("9999-12-31T23:59:59.999Z", true),
            ("1969-12-31T23:59:59.999Z", false),
            ("9999-12-31T23:59:59-01:00", false),
            ("9999-12-31T23:59:60Z", false),
            ("0000-01-01T00:00:00Z", false),
            ("+10000-01-01T00:00:00Z", false),
        ] {
            let fields = fields(&format!(r#"{{"at": "{written}"}}"#));
            let instant = fields.optional_instant("at");
            assert_eq!(instant.is_ok(), accepted, "{written}");
            if let Err(problem) = instant {
                assert_eq!(problem.param.as_deref(), Some("at"));
            }
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["", "[]", "{", "null", "{}{}", "\u{feff}{}"] {
            assert!(Fields::parse(body.as_bytes(), KNOWN).is_err(), "{body}");
        }
    }
}
