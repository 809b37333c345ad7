//! What this host offers a component beyond WASI: SQLite and variables, as granted.

use crate::instance::Instance;
use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{Connection, params_from_iter};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wasmtime::component::{HasSelf, Linker, Resource};

wasmtime::component::bindgen!({
    path: "wit",
    world: "host",
    imports: { default: async | trappable },
    with: { "fermyon:spin/sqlite.connection": crate::interfaces::OpenDatabase },
});

use fermyon::spin::sqlite::{self, Error, QueryResult, RowResult, Value};
use fermyon::spin::variables;

pub fn add_to_linker(linker: &mut Linker<Instance>) -> wasmtime::Result<()> {
    sqlite::add_to_linker::<_, HasSelf<Instance>>(linker, |instance| instance)?;
    variables::add_to_linker::<_, HasSelf<Instance>>(linker, |instance| instance)
}

/// A connection of its own for each `open`, as the real runtime makes one.
pub struct OpenDatabase(Arc<Mutex<Connection>>);

/// Without patience: who finds the database locked is told so at once. The real runtime waits a while and then says
/// the same, so components must bear it; here they meet it all the time.
pub fn open_database(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::ZERO)?;
    Ok(connection)
}

impl sqlite::Host for Instance {}

impl sqlite::HostConnection for Instance {
    async fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<OpenDatabase>, Error>> {
        if !self.app.granted.databases.contains(&name) {
            return Ok(Err(Error::AccessDenied));
        }
        let file = self.app.database_file(&name);
        Ok(match open_database(&file) {
            Ok(connection) => Ok(self.table.push(OpenDatabase(Arc::new(Mutex::new(connection))))?),
            Err(error) => Err(Error::Io(error.to_string())),
        })
    }

    async fn execute(
        &mut self,
        database: Resource<OpenDatabase>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<QueryResult, Error>> {
        let connection = self.table.get(&database)?.0.clone();
        let work = move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            execute(&connection, &statement, parameters).map_err(|error| Error::Io(error.to_string()))
        };
        Ok(tokio::task::spawn_blocking(work).await?)
    }

    async fn drop(&mut self, database: Resource<OpenDatabase>) -> wasmtime::Result<()> {
        self.table.delete(database)?;
        Ok(())
    }
}

fn execute(
    connection: &Connection,
    statement: &str,
    parameters: Vec<Value>,
) -> rusqlite::Result<QueryResult> {
    let mut statement = connection.prepare_cached(statement)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query(params_from_iter(parameters.into_iter().map(to_sql)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns.len()).map(|at| Ok(from_sql(row.get_ref(at)?)));
        found.push(RowResult { values: values.collect::<rusqlite::Result<_>>()? });
    }
    Ok(QueryResult { columns, rows: found })
}

fn to_sql(value: Value) -> SqlValue {
    match value {
        Value::Integer(integer) => SqlValue::Integer(integer),
        Value::Real(real) => SqlValue::Real(real),
        Value::Text(text) => SqlValue::Text(text),
        Value::Blob(blob) => SqlValue::Blob(blob),
        Value::Null => SqlValue::Null,
    }
}

fn from_sql(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
        ValueRef::Null => Value::Null,
    }
}

impl variables::Host for Instance {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<String, variables::Error>> {
        let value = self.app.granted.variables.get(&name).cloned();
        Ok(value.ok_or_else(|| variables::Error::Undefined(format!("no variable {name}"))))
    }
}
