//! The directory's SQLite, in memory. Migrated once per thread; a world's changes are rolled back.

use platform::{PlatformError, PlatformErrorKind, Row, Statement, Value};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, Error, ErrorCode, ToSql, params_from_iter};
use std::path::Path;
use std::rc::Rc;

pub struct World(Connection);

/// With all migrations applied.
///
/// # Panics
/// If a migration cannot be read or applied.
pub fn migrated() -> Connection {
    let connection = Connection::open_in_memory().expect("memory is enough for an empty database");
    connection.execute_batch("PRAGMA foreign_keys = ON").expect("a pragma that SQLite knows");
    connection.set_prepared_statement_cache_capacity(64);
    // Plans do not depend on parameters: otherwise statements are prepared again with every new value.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .expect("a setting that SQLite knows");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/migrations");
    let entries = std::fs::read_dir(&folder).expect("the folder of migrations is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "sql")) {
        let sql = std::fs::read_to_string(path).expect("a readable migration");
        connection.execute_batch(&sql).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    connection
}

impl World {
    /// Begins a world; [`Self::end`] undoes it.
    pub fn begin(connection: Connection) -> Self {
        connection.execute_batch("BEGIN").expect("no transaction is open");
        Self(connection)
    }

    pub fn end(self) -> Connection {
        self.0.execute_batch("ROLLBACK").expect("the world's transaction is open");
        self.0
    }

    pub fn query(&self, statement: &Statement) -> Result<Vec<Row>, PlatformError> {
        let mut prepared = self.0.prepare_cached(statement.sql).map_err(|error| failed(&error))?;
        let columns: Rc<[String]> = prepared.column_names().map(String::from).collect();
        let width = columns.len();
        let rows = prepared
            .query_map(params_from_iter(statement.parameters.iter().map(Parameter)), |row| {
                let values: Result<Vec<Value>, Error> =
                    (0..width).map(|at| row.get_ref(at).map(from_sql)).collect();
                Ok(Row::new(columns.clone(), values?))
            })
            .map_err(|error| failed(&error))?;
        rows.collect::<Result<_, _>>().map_err(|error| failed(&error))
    }

    /// All or none.
    pub fn commit(&self, statements: &[Statement]) -> Result<(), PlatformError> {
        self.0.execute_batch("SAVEPOINT change").map_err(|error| failed(&error))?;
        let done = statements.iter().try_for_each(|statement| self.run(statement));
        let end = if done.is_ok() { "RELEASE change" } else { "ROLLBACK TO change; RELEASE change" };
        self.0.execute_batch(end).map_err(|error| failed(&error))?;
        done
    }

    fn run(&self, statement: &Statement) -> Result<(), PlatformError> {
        let mut prepared = self.0.prepare_cached(statement.sql).map_err(|error| failed(&error))?;
        let parameters = params_from_iter(statement.parameters.iter().map(Parameter));
        let mut rows = prepared.query(parameters).map_err(|error| failed(&error))?;
        while rows.next().map_err(|error| failed(&error))?.is_some() {}
        Ok(())
    }
}

struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Owned(Stored::Null),
            Value::Integer(integer) => ToSqlOutput::Owned(Stored::Integer(*integer)),
            Value::Real(real) => ToSqlOutput::Owned(Stored::Real(*real)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

fn from_sql(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(_) => panic!("no table has blobs: the boundary's values cannot carry them"),
    }
}

fn failed(error: &Error) -> PlatformError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => PlatformErrorKind::Conflict,
        _ => PlatformErrorKind::Unavailable,
    };
    PlatformError::new(kind, error.to_string())
}
