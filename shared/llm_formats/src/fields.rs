//! Writing a JSON object member by member; what is absent is left out.

use serde_json::{Map, Value};

#[derive(Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub fn set_some(&mut self, name: &str, value: Option<impl Into<Value>>) -> &mut Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Left out if there is nothing in it.
    pub fn set_list(&mut self, name: &str, values: Vec<Value>) -> &mut Self {
        if !values.is_empty() {
            self.set(name, values);
        }
        self
    }

    /// Left out if there is nothing in it.
    pub fn set_object(&mut self, name: &str, fields: Fields) -> &mut Self {
        if !fields.0.is_empty() {
            self.set(name, fields);
        }
        self
    }

    pub fn set_all(&mut self, fields: Fields) -> &mut Self {
        self.0.extend(fields.0);
        self
    }

    pub fn text(self) -> String {
        Value::Object(self.0).to_string()
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Value {
        Value::Object(fields.0)
    }
}

/// An object whose first member is `type`.
pub(crate) fn typed(type_name: &str) -> Fields {
    let mut fields = Fields::new();
    fields.set("type", type_name);
    fields
}
