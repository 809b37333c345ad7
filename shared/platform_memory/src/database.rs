//! SQLite in memory, or in a file, with the same migrations as every host's database.

use crate::MemoryPlatform;
use crate::watched::Watch;
use core::cell::{Cell, RefCell};
use platform::{Database, PlatformError, PlatformErrorKind, Row, Statement, Value};
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, Error, ErrorCode, ToSql, params_from_iter};
use std::path::Path;
use std::rc::Rc;

const AS_D1: &str = "PRAGMA foreign_keys = ON";

pub(crate) struct InMemory {
    connection: RefCell<Connection>,
    down: Cell<bool>,
    pub(crate) watch: Watch,
}

impl InMemory {
    /// # Panics
    /// If a migration cannot be read or applied.
    pub(crate) fn migrated() -> Self {
        let connection = Connection::open_in_memory().expect("memory is enough for an empty database");
        connection.execute_batch(AS_D1).expect("a pragma that SQLite knows");
        for (name, sql) in migrations() {
            connection.execute_batch(&sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        Self::on(connection)
    }

    /// As the file is; migrations are the caller's.
    pub(crate) fn in_file(file: &Path) -> Result<Self, Error> {
        let connection = Connection::open(file)?;
        connection.execute_batch("PRAGMA journal_mode = WAL")?;
        connection.execute_batch(AS_D1)?;
        Ok(Self::on(connection))
    }

    fn on(connection: Connection) -> Self {
        Self { connection: connection.into(), down: Cell::default(), watch: Watch::default() }
    }
}

/// In the order of their names.
fn migrations() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/migrations");
    let entries = std::fs::read_dir(&folder).expect("the folder of migrations is there");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut migrations: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| {
            (path.display().to_string(), std::fs::read_to_string(&path).expect("a readable migration"))
        })
        .collect();
    migrations.sort();
    migrations
}

impl MemoryPlatform {
    /// Whether every statement fails as if the database were out of reach.
    pub fn set_database_down(&self, down: bool) {
        self.0.database.down.set(down);
    }

    /// Runs several statements of a test's own, such as inserting what it needs.
    ///
    /// # Panics
    /// If SQLite refuses.
    pub fn execute_sql(&self, sql: &str) {
        self.0
            .database
            .connection
            .borrow()
            .execute_batch(sql)
            .unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// The steps of SQLite's plan for a statement, whatever its parameters.
    ///
    /// # Panics
    /// If SQLite refuses.
    pub fn query_plan(&self, sql: &str) -> Vec<String> {
        let connection = self.0.database.connection.borrow();
        let mut explained = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap_or_else(|error| panic!("{error}: {sql}"));
        let parameters = vec!["[]"; explained.parameter_count()];
        let steps = explained.query_map(params_from_iter(parameters), |row| row.get("detail"));
        steps.and_then(Iterator::collect).unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    fn reach_database(&self) -> Result<&RefCell<Connection>, PlatformError> {
        if self.0.database.down.get() {
            return Err(PlatformError::unavailable("the test took the database down"));
        }
        Ok(&self.0.database.connection)
    }
}

impl Database for MemoryPlatform {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, PlatformError> {
        let question = self.ask().await?;
        let connection = self.reach_database()?.borrow();
        let mut prepared = connection.prepare_cached(statement.sql).map_err(|error| failed(&error))?;
        let columns: Rc<[String]> = prepared.column_names().map(String::from).collect();
        let width = columns.len();
        let rows = prepared
            .query_map(params_from_iter(parameters(&statement)), |row| {
                let values: Result<Vec<Value>, Error> =
                    (0..width).map(|at| row.get_ref(at).map(from_sql)).collect();
                Ok(Row::new(columns.clone(), values?))
            })
            .map_err(|error| failed(&error))?;
        let rows = rows.collect::<Result<_, _>>().map_err(|error| failed(&error));
        self.0.database.watch.note(statement.sql, &prepared);
        question.answer(rows?)
    }

    async fn commit(&self, statements: Vec<Statement>) -> Result<(), PlatformError> {
        let question = self.ask().await?;
        let mut connection = self.reach_database()?.borrow_mut();
        let transaction = connection.transaction().map_err(|error| failed(&error))?;
        for statement in &statements {
            let mut prepared = transaction.prepare_cached(statement.sql).map_err(|error| failed(&error))?;
            // A statement may return rows, which nobody asked for; all of them must run.
            let mut rows =
                prepared.query(params_from_iter(parameters(statement))).map_err(|error| failed(&error))?;
            while rows.next().map_err(|error| failed(&error))?.is_some() {}
            drop(rows);
            self.0.database.watch.note(statement.sql, &prepared);
        }
        question.answer(transaction.commit().map_err(|error| failed(&error))?)
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

/// # Panics
/// If an integer does not survive a JavaScript number: on Workers it would arrive changed.
fn parameters(statement: &Statement) -> impl Iterator<Item = Parameter<'_>> {
    statement.parameters.iter().map(|value| {
        if let Value::Integer(integer) = value {
            assert!(integer.unsigned_abs() < 1 << 53, "{integer} is beyond 2^53: {}", statement.sql);
        }
        Parameter(value)
    })
}

fn from_sql(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        // D1 hands out JavaScript numbers, where 1.0 and 1 are one.
        ValueRef::Real(real) if real.fract() == 0.0 && real.abs() < 9e15 => Value::Integer(real as i64),
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
