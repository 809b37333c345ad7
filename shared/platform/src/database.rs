//! SQL, as values: every host speaks SQLite's dialect.

use crate::PlatformError;
use core::time::Duration;
use std::rc::Rc;

/// One SQL statement with its parameters, `?1` first.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub sql: &'static str,
    pub parameters: Vec<Value>,
    /// See [`Statement::may_be_old`].
    pub max_age: Option<Duration>,
}

/// Integers stay below 2^53, so that they survive a JavaScript number.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
}

#[derive(Clone, Debug)]
pub struct Row {
    columns: Rc<[String]>,
    values: Vec<Value>,
}

impl Statement {
    pub const fn new(sql: &'static str) -> Self {
        Self { sql, parameters: Vec::new(), max_age: None }
    }

    /// A question whose answer may have been given so long ago. It is for hosts that keep nothing in memory from one
    /// request to the next, and have a nearer place to keep it in. What is not there, or null, is looked for anew.
    /// With no time at all everything is, and the answer kept for others.
    #[must_use]
    pub const fn may_be_old(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.parameters.push(value.into());
        self
    }
}

impl Row {
    /// The columns' names are shared by all rows of a result.
    pub const fn new(columns: Rc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    pub fn values(&self) -> &[Value] {
        &self.values
    }

    fn value(&self, column: &str) -> Result<&Value, PlatformError> {
        self.columns
            .iter()
            .position(|name| name == column)
            .and_then(|at| self.values.get(at))
            .ok_or_else(|| PlatformError::malformed(format!("no column {column}")))
    }

    pub fn text(&self, column: &str) -> Result<&str, PlatformError> {
        self.optional_text(column)?.ok_or_else(|| wrong(column, "text"))
    }

    pub fn optional_text(&self, column: &str) -> Result<Option<&str>, PlatformError> {
        match self.value(column)? {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            _ => Err(wrong(column, "text")),
        }
    }

    pub fn integer(&self, column: &str) -> Result<i64, PlatformError> {
        self.optional_integer(column)?.ok_or_else(|| wrong(column, "an integer"))
    }

    pub fn optional_integer(&self, column: &str) -> Result<Option<i64>, PlatformError> {
        match self.value(column)? {
            Value::Integer(integer) => Ok(Some(*integer)),
            Value::Null => Ok(None),
            _ => Err(wrong(column, "an integer")),
        }
    }
}

fn wrong(column: &str, expected: &str) -> PlatformError {
    PlatformError::malformed(format!("column {column} is not {expected}"))
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Integer(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
