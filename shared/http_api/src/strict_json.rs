//! JSON in which every member of an object comes once: of two, one reader takes the first and another the last.

use crate::{Problem, shortened};
use core::cell::RefCell;
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The document, or what is wrong with it, by name where one member is at fault.
pub fn read(body: &[u8]) -> Result<Value, Problem> {
    let place = RefCell::new(Place::default());
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Strict(&place).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| problem(&error, &place.borrow()))
}

/// Where the reading stands, and stopped.
#[derive(Default)]
struct Place {
    /// `api_key.models[2]`
    path: String,
    doubled: bool,
}

fn problem(error: &serde_json::Error, place: &Place) -> Problem {
    let path = shortened(&place.path);
    if place.doubled {
        return Problem::duplicate(&path);
    }
    // Valid JSON, and more than anybody can mean.
    if !path.is_empty() && error.to_string().starts_with("number out of range") {
        return Problem::invalid_field(&path, format!("`{path}` must be a smaller number."));
    }
    let (line, column) = (error.line(), error.column());
    let message = format!("The body is not valid JSON: something is wrong at line {line}, column {column}.");
    Problem::bad_request("invalid_json", message)
}

/// Reads one value of any kind.
struct Strict<'p>(&'p RefCell<Place>);

impl Strict<'_> {
    /// Reads what stands at `step`. Only success leaves it again, so that a failure's place is known.
    fn at<T, E>(
        &self,
        step: fmt::Arguments<'_>,
        read: impl FnOnce(Strict<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.0.borrow().path.len();
        // Writing to a string cannot fail.
        let _ = fmt::Write::write_fmt(&mut self.0.borrow_mut().path, step);
        let value = read(Strict(self.0))?;
        self.0.borrow_mut().path.truncate(before);
        Ok(value)
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) =
            self.at(format_args!("[{}]", list.len()), |inner| elements.next_element_seed(inner))?
        {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let dot = if self.0.borrow().path.is_empty() { "" } else { "." };
            let value = self.at(format_args!("{dot}{name}"), |inner| {
                if object.contains_key(&name) {
                    inner.0.borrow_mut().doubled = true;
                    return Err(A::Error::custom("a member comes twice"));
                }
                members.next_value_seed(inner)
            })?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn p30_a_member_that_comes_twice_is_refused_by_its_path() {
        for (json, path) in [
            (r#"{"amount": 1, "amount": 100}"#, "amount"),
            (r#"{"amount": 1, "\u0061mount": 1}"#, "amount"),
            (r#"{"a": {"b": [0, {"c": null, "c": 1}]}}"#, "a.b[1].c"),
            (r#"{"a": {"b": 1}, "c": {"b": 1}, "a": 0}"#, "a"),
        ] {
            let problem = read(json.as_bytes()).unwrap_err();
            assert_eq!((problem.code, problem.param.as_deref()), ("duplicate_field", Some(path)), "{json}");
        }
        let long = "x".repeat(10_000);
        let problem = read(format!(r#"{{"{long}": 1, "{long}": 1}}"#).as_bytes()).unwrap_err();
        assert!(problem.message.len() < 200 && problem.param.unwrap().len() < 100);
    }

    #[test]
    fn p30_a_number_beyond_all_measure_is_refused_by_its_path() {
        for (json, path) in [(r#"{"amount": 1e999}"#, "amount"), (r#"{"a": [0, -1e999]}"#, "a[1]")] {
            let problem = read(json.as_bytes()).unwrap_err();
            assert_eq!((problem.code, problem.param.as_deref()), ("invalid_value", Some(path)), "{json}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            "[a-zé\"\\\\ ]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-dé]{0,2}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_has_each_member_once_is_read_as_serde_json_reads_it(value in any_json()) {
            let text = value.to_string();
            let judge: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read(text.as_bytes()).unwrap(), judge);
        }

        #[test]
        fn what_is_no_json_is_refused(text in "[\\[\\]{},:\"a1]{0,10}") {
            if serde_json::from_str::<Value>(&text).is_err() {
                prop_assert!(read(text.as_bytes()).is_err());
            }
        }
    }
}
