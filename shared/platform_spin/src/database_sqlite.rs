//! The directory's database, by the host's SQLite.

use crate::sqlite::{Database, Patience, SqliteError};
use platform::{PlatformError, PlatformErrorKind, Row, Statement, Value};
use spin_sdk::sqlite::{QueryResult, Value as SqliteValue};
use std::rc::Rc;

pub(crate) async fn query(database: &Database, statement: Statement) -> Result<Vec<Row>, PlatformError> {
    let parameters = parameters(&statement);
    let result = database.execute_patiently(statement.sql, &parameters, &mut Patience::new()).await;
    rows(result.map_err(failed)?)
}

pub(crate) async fn commit(database: &Database, statements: Vec<Statement>) -> Result<(), PlatformError> {
    let mut patience = Patience::new();
    if let [statement] = statements.as_slice() {
        let parameters = parameters(statement);
        let done = database.execute_patiently(statement.sql, &parameters, &mut patience).await;
        return done.map(|_| ()).map_err(failed);
    }
    let work = |database: &Database| {
        statements
            .iter()
            .try_for_each(|statement| database.execute(statement.sql, &parameters(statement)).map(|_| ()))
    };
    database.transaction(&mut patience, work).await.map_err(failed)
}

fn parameters(statement: &Statement) -> Vec<SqliteValue> {
    let value = |value: &Value| match value {
        Value::Null => SqliteValue::Null,
        Value::Integer(integer) => SqliteValue::Integer(*integer),
        Value::Real(real) => SqliteValue::Real(*real),
        Value::Text(text) => SqliteValue::Text(text.clone()),
    };
    statement.parameters.iter().map(value).collect()
}

fn rows(result: QueryResult) -> Result<Vec<Row>, PlatformError> {
    let columns: Rc<[String]> = result.columns.into();
    let value = |value| match value {
        SqliteValue::Null => Ok(Value::Null),
        SqliteValue::Integer(integer) => Ok(Value::Integer(integer)),
        SqliteValue::Real(real) => Ok(Value::Real(real)),
        SqliteValue::Text(text) => Ok(Value::Text(text)),
        SqliteValue::Blob(_) => Err(PlatformError::malformed("a blob, which no table has")),
    };
    let row = |values: Vec<SqliteValue>| {
        Ok(Row::new(columns.clone(), values.into_iter().map(value).collect::<Result<_, _>>()?))
    };
    result.rows.into_iter().map(|found| row(found.values)).collect()
}

pub(crate) fn failed(error: SqliteError) -> PlatformError {
    let kind = match error {
        SqliteError::Constraint(_) => PlatformErrorKind::Conflict,
        SqliteError::Locked | SqliteError::NoSuchTable(_) | SqliteError::Failed(_) => {
            PlatformErrorKind::Unavailable
        }
    };
    PlatformError::new(kind, error.to_string())
}
