use super::*;
use rusqlite::{Connection, params_from_iter, types::Value as Stored};

fn secrets() -> Secrets {
    Secrets {
        api_key_pepper_1: "a pepper of tests".into(),
        provider_keys_key_1: "07".repeat(32),
        session_key_p256: "01".repeat(32),
        stripe_webhook_secret: "whsec_of_tests".into(),
        cron_secret: "00".repeat(24),
        bootstrap_token: "00".repeat(32),
        billing_api_key: "a service key of tests".into(),
        admin_email: "Admin@example.com".into(),
        admin_password: "a password of tests".into(),
    }
}

fn with_upstream(base_url: &str) -> UpstreamEnv {
    UpstreamEnv { openai_api_key: Some("a fake key".into()), openai_base_url: Some(base_url.into()) }
}

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    let folder = crate::paths::root().join("infra/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        connection.execute_batch(&std::fs::read_to_string(file).unwrap()).unwrap();
    }
    connection
}

fn seed(connection: &Connection, env: &UpstreamEnv) {
    for SeedStatement { sql, params } in statements(&secrets(), env).unwrap() {
        let params = params.into_iter().map(|value| match value {
            Value::Null => Stored::Null,
            Value::Number(number) => Stored::Integer(number.as_i64().unwrap()),
            Value::String(text) => Stored::Text(text),
            other => panic!("{other} is no parameter"),
        });
        connection.execute(&sql, params_from_iter(params)).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }
}

/// Every row of every table, as text.
fn content(connection: &Connection) -> Vec<String> {
    let mut tables = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut all = Vec::new();
    for table in tables {
        let mut rows = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let width = rows.column_count();
        let text = |row: &rusqlite::Row<'_>| -> rusqlite::Result<String> {
            let values: Vec<Stored> = (0..width).map(|i| row.get(i)).collect::<Result<_, _>>()?;
            Ok(format!("{table}: {values:?}"))
        };
        all.extend(rows.query_map([], text).unwrap().map(Result::unwrap));
    }
    all
}

fn models(connection: &Connection, tenant: &str) -> Vec<(String, i64)> {
    let mut rows = connection
        .prepare("SELECT model, version FROM routing_snapshots WHERE tenant_id = ?1 ORDER BY model")
        .unwrap();
    rows.query_map([tenant], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn seeding_again_changes_nothing() {
    let connection = database();
    seed(&connection, &with_upstream("http://127.0.0.1:1/v1"));
    let before = content(&connection);
    seed(&connection, &with_upstream("http://127.0.0.1:1/v1/"));
    assert_eq!(content(&connection), before);
}

#[test]
fn a_version_rises_only_where_the_content_changed() {
    let connection = database();
    seed(&connection, &with_upstream("http://127.0.0.1:1/v1"));
    seed(&connection, &with_upstream("http://127.0.0.1:2/v1"));
    for tenant in ["demo", "platform"] {
        for (model, version) in models(&connection, tenant) {
            assert_eq!(version, if model == "demo/echo" { 1 } else { 2 }, "{model}");
        }
    }
}

#[test]
fn without_a_provider_only_the_demo_answers() {
    let connection = database();
    seed(&connection, &with_upstream("http://127.0.0.1:1/v1"));
    assert_eq!(models(&connection, "demo").len(), 7);
    seed(&connection, &UpstreamEnv::default());
    assert_eq!(models(&connection, "demo"), [("demo/echo".to_owned(), 1)]);
    seed(&connection, &with_upstream("http://127.0.0.1:1/v1"));
    assert_eq!(models(&connection, "demo").len(), 7);
}

#[test]
fn no_secret_is_stored_as_it_is() {
    let connection = database();
    seed(&connection, &with_upstream("http://127.0.0.1:1/v1"));
    let content = content(&connection).join("\n");
    for secret in ["a fake key", "a service key of tests", "a password of tests", "a pepper of tests"] {
        assert!(!content.contains(secret), "{secret}");
    }
    assert!(content.contains("$argon2id$v=19$m=19456,t=2,p=1$"));
}
