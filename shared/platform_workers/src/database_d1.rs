//! D1, by its own binding.

use crate::host::{self, D1};
use js_sys::Array;
use platform::{PlatformError, PlatformErrorKind, Row, Statement, Value};
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

pub(crate) async fn query(database: &D1, statement: Statement) -> Result<Vec<Row>, PlatformError> {
    let promise = host::query(database, statement.sql, parameters(&statement));
    let answer = JsFuture::from(promise).await.map_err(|error| failed(&error))?.unchecked_into::<Array>();
    let columns: Array = answer.get(0).unchecked_into();
    let columns: Rc<[String]> = columns.iter().map(|name| name.as_string().unwrap_or_default()).collect();
    let rows: Array = answer.get(1).unchecked_into();
    let row = |values: JsValue| {
        let values: Array = values.unchecked_into();
        Row::new(columns.clone(), values.iter().map(|value| from_js(&value)).collect())
    };
    Ok(rows.iter().map(row).collect())
}

pub(crate) async fn commit(database: &D1, statements: Vec<Statement>) -> Result<(), PlatformError> {
    let statements: Array = statements
        .iter()
        .map(|statement| Array::of2(&statement.sql.into(), &parameters(statement)))
        .collect();
    JsFuture::from(host::commit(database, statements)).await.map_err(|error| failed(&error))?;
    Ok(())
}

fn parameters(statement: &Statement) -> Array {
    statement.parameters.iter().map(to_js).collect()
}

fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        // Below 2^53 by the boundary's promise.
        Value::Integer(integer) => JsValue::from_f64(*integer as f64),
        Value::Real(real) => JsValue::from_f64(*real),
        Value::Text(text) => JsValue::from_str(text),
    }
}

fn from_js(value: &JsValue) -> Value {
    if let Some(text) = value.as_string() {
        return Value::Text(text);
    }
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 => Value::Integer(number as i64),
        Some(number) => Value::Real(number),
        None => Value::Null,
    }
}

fn failed(error: &JsValue) -> PlatformError {
    let text = host::text_of(error);
    let kind = if text.contains("UNIQUE constraint") || text.contains("constraint failed") {
        PlatformErrorKind::Conflict
    } else {
        PlatformErrorKind::Unavailable
    };
    PlatformError::new(kind, text)
}
