//! Answers of the directory that may be old, kept in the ledger: a request opens one database instead of two.

use crate::ledger_sql;
use crate::sqlite::{Database, SqliteError};
use crate::state_rows::text;
use core::time::Duration;
use domain::time::Timestamp;
use platform::{Row, Statement, Value};
use serde_json::{Value as Json, json};
use spin_sdk::sqlite::Value as SqliteValue;
use std::rc::Rc;

/// Older answers are dropped when another is kept.
const KEPT_AT_LEAST: Duration = Duration::from_secs(60);

/// An answer from within `max_age`, if the question was asked then. A ledger that cannot say has none.
pub(crate) fn recall(ledger: &Database, statement: &Statement, now: Timestamp) -> Option<Vec<Row>> {
    let max_age = statement.max_age.filter(|age| !age.is_zero())?;
    let parameters = [
        text(&question(statement)),
        SqliteValue::Integer(now.minus(max_age).as_millis()),
        SqliteValue::Integer(now.as_millis()),
    ];
    let found = ledger.execute(ledger_sql::ANSWER, &parameters).ok()?;
    let row = found.rows.into_iter().next()?;
    match row.values.into_iter().next()? {
        SqliteValue::Text(rows) => read(&rows),
        _ => None,
    }
}

/// Keeps an answer that lacks nothing. Not to be able to is no failure: the question is asked again.
pub(crate) fn keep(ledger: &Database, statement: &Statement, rows: &[Row], now: Timestamp) {
    let is_whole = !rows.is_empty() && rows.iter().all(|row| !row.values().contains(&Value::Null));
    let Some(max_age) = statement.max_age else { return };
    let oldest = now.minus(max_age.max(KEPT_AT_LEAST));
    let Some(rows) = written(rows).filter(|_| is_whole) else { return };
    let parameters = [text(&question(statement)), SqliteValue::Integer(now.as_millis()), text(&rows)];
    let kept = ledger
        .execute(ledger_sql::DROP_ANSWERS, &[SqliteValue::Integer(oldest.as_millis())])
        .and_then(|_| ledger.execute(ledger_sql::KEEP_ANSWER, &parameters));
    match kept {
        Ok(_) | Err(SqliteError::Locked | SqliteError::NoSuchTable(_)) => {}
        Err(error) => log::warn!("an answer could not be kept: {error}"),
    }
}

fn question(statement: &Statement) -> String {
    let parameters: Vec<Json> = statement.parameters.iter().map(as_json).collect();
    json!([statement.sql, parameters]).to_string()
}

fn written(rows: &[Row]) -> Option<String> {
    let values = |row: &Row| Json::from_iter(row.values().iter().map(as_json));
    Some(json!([rows.first()?.columns(), rows.iter().map(values).collect::<Vec<_>>()]).to_string())
}

fn read(rows: &str) -> Option<Vec<Row>> {
    let (columns, rows): (Vec<String>, Vec<Vec<Json>>) = serde_json::from_str(rows).ok()?;
    let columns: Rc<[String]> = columns.into();
    let row = |values: Vec<Json>| {
        let values = values.into_iter().map(of_json).collect::<Option<Vec<_>>>()?;
        Some(Row::new(columns.clone(), values))
    };
    rows.into_iter().map(row).collect()
}

fn as_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(integer) => (*integer).into(),
        Value::Real(real) => (*real).into(),
        Value::Text(text) => text.as_str().into(),
    }
}

fn of_json(value: Json) -> Option<Value> {
    match value {
        Json::Null => Some(Value::Null),
        Json::String(text) => Some(Value::Text(text)),
        Json::Number(number) => {
            number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Real))
        }
        _ => None,
    }
}
