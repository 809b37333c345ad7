//! Fault points and a clock for tests, behind the variable `test_hooks` that no shipped configuration has. What was
//! asked for lies in a table, since instances forget.

use crate::executor::sleep;
use crate::spin_platform::SpinPlatform;
use crate::sqlite::{Database, Patience, SqliteError};
use core::time::Duration;
use http::{Response, Uri};
use platform::{Body, PlatformError};
use spin_sdk::sqlite::Value;
use spin_sdk::variables;
use std::rc::Rc;

/// As long as a caller waits for a ledger that is silent.
const HANG: Duration = Duration::from_secs(5);

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS test_hooks (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID";
const GET: &str = "SELECT value FROM test_hooks WHERE name = ?1";
const SET: &str =
    "INSERT INTO test_hooks (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
const ADD: &str = "INSERT INTO test_hooks (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2";

pub(crate) struct TestHooks {
    ledger: Rc<Database>,
    clock_offset: i64,
}

impl TestHooks {
    pub(crate) async fn if_wanted(ledger: impl FnOnce() -> Option<Rc<Database>>) -> Option<Self> {
        if !variables::get("test_hooks").is_ok_and(|value| !value.is_empty()) {
            return None;
        }
        let ledger = ledger()?;
        let mut hooks = Self { ledger, clock_offset: 0 };
        hooks.clock_offset = hooks.get("clock").await.and_then(|value| value.parse().ok()).unwrap_or(0);
        Some(hooks)
    }

    pub(crate) const fn clock_offset(&self) -> i64 {
        self.clock_offset
    }

    async fn get(&self, name: &str) -> Option<String> {
        let rows = self.execute(GET, &[name]).await.ok()?;
        match rows.into_iter().next()? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The first values of all rows.
    async fn execute(&self, sql: &str, parameters: &[&str]) -> Result<Vec<Value>, SqliteError> {
        let parameters: Vec<Value> = parameters.iter().map(|text| Value::Text((*text).to_owned())).collect();
        let mut patience = Patience::new();
        let mut result = self.ledger.execute_patiently(sql, &parameters, &mut patience).await;
        if matches!(result, Err(SqliteError::NoSuchTable(_))) {
            self.ledger.execute_patiently(TABLE, &[], &mut patience).await?;
            result = self.ledger.execute_patiently(sql, &parameters, &mut patience).await;
        }
        Ok(result?.rows.into_iter().filter_map(|row| row.values.into_iter().next()).collect())
    }

    /// What the machine of this name shall do instead of its work.
    pub(crate) async fn fault(&self, name: &str, before_panic: impl FnOnce()) -> Result<(), PlatformError> {
        match self.get(&format!("fault:{name}")).await.as_deref() {
            Some("hang") => {
                sleep(HANG).await;
                Err(PlatformError::timed_out(name))
            }
            Some("fail") => Err(PlatformError::unavailable("a fault was asked for")),
            Some("panic") => {
                before_panic();
                panic!("a test asked for a panic")
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn count_rows(&self, rows: usize) {
        // A count that is lost fails the test that reads it.
        let _ = self.execute(ADD, &["rows", &rows.to_string()]).await;
    }
}

/// Answers requests under `/__test/`, `None` for others.
pub(crate) async fn answer(platform: &SpinPlatform, uri: &Uri) -> Option<Response<Body>> {
    let hooks = platform.hooks()?;
    let name = uri.path().strip_prefix("/__test/")?;
    let query = uri.query().unwrap_or_default();
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let result = match name {
        "clock" => hooks.execute(SET, &["clock", parameter("offset_ms").unwrap_or("0")]).await,
        "fault" => {
            let name = format!("fault:{}", parameter("account").unwrap_or_default());
            hooks.execute(SET, &[&name, parameter("fault").unwrap_or_default()]).await
        }
        "rows" => Ok(Vec::new()),
        _ => return None,
    };
    let rows = hooks.get("rows").await.unwrap_or_else(|| "0".into());
    let mut answer = Response::new(Body::from(format!("{{\"rows_written\":{rows}}}")));
    if let Err(error) = result {
        *answer.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        *answer.body_mut() = Body::from(error.to_string());
    }
    Some(answer)
}
