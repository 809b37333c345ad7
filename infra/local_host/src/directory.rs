//! Brings the directory's database up to date: migrations in order, then seed rows.

use anyhow::{Context, Result};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
pub struct Statement {
    sql: String,
    params: Vec<serde_json::Value>,
}

/// Applies what is missing, each file together with its record or not at all. Returns the names applied now.
pub fn migrate(database: &mut Connection, folder: &Path) -> Result<Vec<String>> {
    database.execute_batch("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY) WITHOUT ROWID")?;
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let applied =
            database.query_row("SELECT COUNT(*) FROM migrations WHERE name = ?1", [&name], |row| row.get(0));
        if name.ends_with(".sql") && applied.map(|count: i64| count == 0)? {
            names.push(name);
        }
    }
    names.sort();
    for name in &names {
        let transaction = database.transaction()?;
        let sql = std::fs::read_to_string(folder.join(name))?;
        transaction.execute_batch(&sql).with_context(|| format!("migration {name}"))?;
        transaction.execute("INSERT INTO migrations (name) VALUES (?1)", [name])?;
        transaction.commit()?;
    }
    Ok(names)
}

/// Executes the statements in order, all or none. They must be safe to repeat: every start runs them.
pub fn seed(database: &mut Connection, statements: &[Statement]) -> Result<()> {
    let transaction = database.transaction()?;
    for Statement { sql, params } in statements {
        let params = params.iter().map(to_sql).collect::<Result<Vec<_>>>()?;
        transaction.execute(sql, params_from_iter(params)).with_context(|| sql.clone())?;
    }
    Ok(transaction.commit()?)
}

fn to_sql(value: &serde_json::Value) -> Result<SqlValue> {
    Ok(match value {
        serde_json::Value::Null => SqlValue::Null,
        serde_json::Value::Bool(bool) => SqlValue::Integer((*bool).into()),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => SqlValue::Integer(integer),
            None => SqlValue::Real(number.as_f64().context("a number")?),
        },
        serde_json::Value::String(text) => SqlValue::Text(text.clone()),
        other => anyhow::bail!("{other} is no SQL value"),
    })
}

/// The newest mails that were captured instead of sent.
pub fn outbox(file: &Path) -> Result<serde_json::Value> {
    let database = Connection::open(file)?;
    let mut statement = database.prepare("SELECT * FROM outbox_mails ORDER BY at DESC LIMIT 100")?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    let mut mails = Vec::new();
    while let Some(row) = rows.next()? {
        let mut mail = serde_json::Map::new();
        for (at, column) in columns.iter().enumerate() {
            mail.insert(column.clone(), to_json(row.get(at)?));
        }
        mails.push(mail);
    }
    Ok(serde_json::json!({ "mails": mails }))
}

fn to_json(value: SqlValue) -> serde_json::Value {
    match value {
        SqlValue::Null | SqlValue::Blob(_) => serde_json::Value::Null,
        SqlValue::Integer(integer) => integer.into(),
        SqlValue::Real(real) => real.into(),
        SqlValue::Text(text) => text.into(),
    }
}
