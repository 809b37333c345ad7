//! Reading a JSON object member by member, exhaustively: what nobody has taken at the end is refused by
//! its path. A member that is null is absent.

use crate::RequestError;
use serde_json::{Map, Number, Value};

/// An object and its place in the document.
pub(crate) struct Members {
    values: Map<String, Value>,
    path: String,
}

/// A value and its place in the document.
pub(crate) struct Member {
    pub value: Value,
    /// Such as `messages[0].content[1].image_url`.
    pub path: String,
}

type Read<T> = Result<T, RequestError>;

impl Members {
    /// The whole body.
    pub fn of_body(body: &[u8]) -> Read<Self> {
        let value = serde_json::from_slice(body).map_err(|error| RequestError::unreadable(&error))?;
        Member { value, path: String::new() }.object()
    }

    /// The path of a member of this object.
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub fn take(&mut self, name: &str) -> Option<Member> {
        let value = self.values.remove(name).filter(|value| !value.is_null())?;
        Some(Member { value, path: self.path_of(name) })
    }

    /// `remedy` as in "name the model to ask".
    pub fn need(&mut self, name: &str, remedy: &str) -> Read<Member> {
        self.take(name).ok_or_else(|| RequestError::missing(self.path_of(name), remedy))
    }

    pub fn text(&mut self, name: &str) -> Read<Option<String>> {
        self.take(name).map(Member::text).transpose()
    }

    pub fn need_text(&mut self, name: &str, remedy: &str) -> Read<String> {
        self.need(name, remedy)?.text()
    }

    pub fn bool(&mut self, name: &str) -> Read<Option<bool>> {
        self.take(name).map(Member::bool).transpose()
    }

    pub fn count(&mut self, name: &str) -> Read<Option<u64>> {
        self.take(name).map(Member::count).transpose()
    }

    pub fn number(&mut self, name: &str) -> Read<Option<Number>> {
        self.take(name).map(Member::number).transpose()
    }

    pub fn object(&mut self, name: &str) -> Read<Option<Members>> {
        self.take(name).map(Member::object).transpose()
    }

    /// The elements; none if the member is absent.
    pub fn list(&mut self, name: &str) -> Read<Vec<Member>> {
        self.take(name).map_or_else(|| Ok(Vec::new()), Member::list)
    }

    /// Takes members that mean nothing to any other format and change no answer.
    pub fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.values.remove(*name);
        }
    }

    /// Refuses what is left over. `target` as in "the provider of this model".
    pub fn finish(self) -> Read<()> {
        match self.values.iter().find(|(_, value)| !value.is_null()) {
            None => Ok(()),
            Some((name, _)) => Err(RequestError::untranslatable(self.path_of(name))),
        }
    }
}

impl Member {
    pub fn text(self) -> Read<String> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(RequestError::wrong_type(self.path, "a string")),
        }
    }

    pub fn bool(self) -> Read<bool> {
        self.value.as_bool().ok_or_else(|| RequestError::wrong_type(self.path, "true or false"))
    }

    /// A whole number from 0 up.
    pub fn count(self) -> Read<u64> {
        let whole = self.value.as_u64().or_else(|| {
            let float = self.value.as_f64()?;
            (float.fract() == 0.0 && (0.0..9e15).contains(&float)).then_some(float as u64)
        });
        whole.ok_or_else(|| RequestError::wrong_type(self.path, "a whole number from 0 up"))
    }

    pub fn number(self) -> Read<Number> {
        match self.value {
            Value::Number(number) => Ok(number),
            _ => Err(RequestError::wrong_type(self.path, "a number")),
        }
    }

    pub fn object(self) -> Read<Members> {
        match self.value {
            Value::Object(values) => Ok(Members { values, path: self.path }),
            _ if self.path.is_empty() => Err(RequestError::no_object()),
            _ => Err(RequestError::wrong_type(self.path, "an object")),
        }
    }

    pub fn list(self) -> Read<Vec<Member>> {
        let Value::Array(values) = self.value else {
            return Err(RequestError::wrong_type(self.path, "an array"));
        };
        let path = self.path;
        let elements = values.into_iter().enumerate();
        Ok(elements.map(|(index, value)| Member { value, path: format!("{path}[{index}]") }).collect())
    }

    /// One of some words, each with its meaning.
    pub fn one_of<T: Clone>(self, words: &[(&str, T)]) -> Read<T> {
        let known = words.iter().find(|(word, _)| self.value.as_str() == Some(word));
        known.map(|(_, meaning)| meaning.clone()).ok_or_else(|| {
            let names: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            RequestError::wrong_value(self.path, &format!("one of {}", names.join(", ")))
        })
    }
}
