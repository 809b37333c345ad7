//! Usage rows as they are read: one by its id, a page, sums. Never on the path of a model call.

use crate::usage_logs::prices_of;
use domain::identity::{AccountId, RequestId};
use domain::money::NanoEur;
use domain::price::{Tariff, Usage};
use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement};

/// A row of the usage log; the units are those of `domain::account::UsageRow`.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageEntry {
    pub account: AccountId,
    pub request_id: RequestId,
    /// `call`, `correction`, `report`, `adjustment`.
    pub kind: String,
    pub tenant_id: String,
    pub key_id: Option<String>,
    pub model: String,
    pub provider: String,
    pub region: String,
    pub upstream_model: String,
    pub usage: Usage,
    pub cost: NanoEur,
    pub overrun: NanoEur,
    pub provider_cost_nano_usd: u64,
    pub tariff: Tariff,
    pub period_opened_at: Timestamp,
    pub estimated: bool,
    pub outcome: String,
    pub latency_ms: Option<u64>,
    pub first_token_ms: Option<u64>,
    pub tags: Vec<String>,
    pub at: Timestamp,
    pub note: Option<String>,
}

/// Whose rows. At least one of the two is set, so that an index serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    User(AccountId),
    Tenant(String),
}

/// The place of a row in the order of pages: newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub at: Timestamp,
    pub account: AccountId,
    pub request_id: RequestId,
    pub kind: String,
}

impl Cursor {
    pub fn of(entry: &UsageEntry) -> Self {
        Self { at: entry.at, account: entry.account, request_id: entry.request_id, kind: entry.kind.clone() }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let at = Timestamp::from_millis(parts.next()?.parse().ok()?);
        let account = AccountId::parse(parts.next()?)?;
        let request_id = RequestId::parse(parts.next()?)?;
        Some(Self { at, account, request_id, kind: parts.next()?.to_owned() })
    }
}

impl core::fmt::Display for Cursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}.{}.{}", self.at.as_millis(), self.account, self.request_id, self.kind)
    }
}

const BY_REQUEST: &str =
    "SELECT * FROM usage_logs WHERE account_id = ?1 AND request_id = ?2 ORDER BY kind LIMIT 8";

/// All rows of one request: the call, and its correction if there was one.
pub async fn by_request(
    database: &impl Database,
    account: AccountId,
    request_id: RequestId,
) -> Result<Vec<UsageEntry>, PlatformError> {
    let statement = Statement::new(BY_REQUEST).bind(account.to_string()).bind(request_id.to_string());
    database.query(statement).await?.iter().map(of_row).collect()
}

/// Read through the primary key: the rows of one user, which retention keeps few.
const PAGE_OF_USER: &str = "
SELECT * FROM usage_logs
WHERE account_id = ?1 AND (at, account_id, request_id, kind) < (?2, ?3, ?4, ?5)
ORDER BY at DESC, account_id DESC, request_id DESC, kind DESC LIMIT ?6";

/// Read through the index in its own order: it ends with the primary key.
const PAGE_OF_TENANT: &str = "
SELECT * FROM usage_logs
WHERE tenant_id = ?1 AND (at, account_id, request_id, kind) < (?2, ?3, ?4, ?5)
ORDER BY at DESC, account_id DESC, request_id DESC, kind DESC LIMIT ?6";

/// Newest first, from after `after`.
pub async fn page(
    database: &impl Database,
    scope: &Scope,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<UsageEntry>, PlatformError> {
    let statement = match scope {
        Scope::User(user) => Statement::new(PAGE_OF_USER).bind(user.to_string()),
        Scope::Tenant(tenant) => Statement::new(PAGE_OF_TENANT).bind(tenant.as_str()),
    };
    let statement = match after {
        Some(cursor) => statement
            .bind(cursor.at.as_millis())
            .bind(cursor.account.to_string())
            .bind(cursor.request_id.to_string())
            .bind(cursor.kind.as_str()),
        // After every possible row.
        None => statement.bind(MAX_INSTANT).bind("").bind("").bind(""),
    };
    database.query(statement.bind(limit)).await?.iter().map(of_row).collect()
}

/// 2^53 - 1 milliseconds.
const MAX_INSTANT: i64 = (1 << 53) - 1;

/// Sums over all rows of a scope. Money stays text until it is an integer of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    pub rows: u64,
    /// Nano-euros.
    pub cost: i128,
    pub overrun: i128,
    pub tokens_input: i128,
    pub tokens_output: i128,
}

const TOTALS_OF_USER: &str = "
SELECT COUNT(*) AS rows, CAST(COALESCE(SUM(cost_nano_eur), 0) AS TEXT) AS cost,
  CAST(COALESCE(SUM(overrun_nano_eur), 0) AS TEXT) AS overrun,
  CAST(COALESCE(SUM(tokens_input + tokens_cached_input + tokens_cache_write + tokens_audio_input), 0) AS TEXT)
    AS tokens_input,
  CAST(COALESCE(SUM(tokens_output + tokens_reasoning + tokens_audio_output), 0) AS TEXT) AS tokens_output
FROM usage_logs WHERE account_id = ?1";

const TOTALS_OF_TENANT: &str = "
SELECT COUNT(*) AS rows, CAST(COALESCE(SUM(cost_nano_eur), 0) AS TEXT) AS cost,
  CAST(COALESCE(SUM(overrun_nano_eur), 0) AS TEXT) AS overrun,
  CAST(COALESCE(SUM(tokens_input + tokens_cached_input + tokens_cache_write + tokens_audio_input), 0) AS TEXT)
    AS tokens_input,
  CAST(COALESCE(SUM(tokens_output + tokens_reasoning + tokens_audio_output), 0) AS TEXT) AS tokens_output
FROM usage_logs WHERE tenant_id = ?1";

pub async fn totals(database: &impl Database, scope: &Scope) -> Result<Totals, PlatformError> {
    let statement = match scope {
        Scope::User(user) => Statement::new(TOTALS_OF_USER).bind(user.to_string()),
        Scope::Tenant(tenant) => Statement::new(TOTALS_OF_TENANT).bind(tenant.as_str()),
    };
    let rows = database.query(statement).await?;
    let row = rows.first().ok_or_else(|| PlatformError::malformed("no sums came back"))?;
    let sum = |column| row.text(column)?.parse().map_err(|_| crate::malformed(column));
    Ok(Totals {
        rows: crate::unsigned(row, "rows")?,
        cost: sum("cost")?,
        overrun: sum("overrun")?,
        tokens_input: sum("tokens_input")?,
        tokens_output: sum("tokens_output")?,
    })
}

fn of_row(row: &Row) -> Result<UsageEntry, PlatformError> {
    let text = |column| row.text(column).map(str::to_owned);
    let optional_text = |column| row.optional_text(column).map(|text| text.map(str::to_owned));
    let count = |column| crate::unsigned(row, column);
    let money = |column| row.integer(column).map(NanoEur::saturating);
    let small = |column| u32::try_from(row.integer(column)?).map_err(|_| crate::malformed(column));
    Ok(UsageEntry {
        account: AccountId::parse(row.text("account_id")?).ok_or_else(|| crate::malformed("account_id"))?,
        request_id: RequestId::parse(row.text("request_id")?)
            .ok_or_else(|| crate::malformed("request_id"))?,
        kind: text("kind")?,
        tenant_id: text("tenant_id")?,
        key_id: optional_text("key_id")?,
        model: text("model")?,
        provider: text("provider")?,
        region: text("region")?,
        upstream_model: text("upstream_model")?,
        usage: Usage {
            input: count("tokens_input")?,
            cached_input: count("tokens_cached_input")?,
            cache_write: count("tokens_cache_write")?,
            output: count("tokens_output")?,
            reasoning: count("tokens_reasoning")?,
            audio_input: count("tokens_audio_input")?,
            audio_output: count("tokens_audio_output")?,
        },
        cost: money("cost_nano_eur")?,
        overrun: money("overrun_nano_eur")?,
        provider_cost_nano_usd: count("provider_cost_nano_usd")?,
        tariff: Tariff {
            prices: prices_of(|column| crate::optional_unsigned(row, column))?,
            margin_basis_points: small("margin_basis_points")?,
            eur_per_usd_millionths: small("eur_per_usd_millionths")?,
            price_version: small("price_version")?,
        },
        period_opened_at: crate::instant(row, "period_opened_at")?,
        estimated: row.integer("estimated")? != 0,
        outcome: text("outcome")?,
        latency_ms: crate::optional_unsigned(row, "latency_ms")?,
        first_token_ms: crate::optional_unsigned(row, "first_token_ms")?,
        tags: crate::texts(row, "tags")?,
        at: crate::instant(row, "at")?,
        note: optional_text("note")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::identity::Home;

    fn plan(sql: &str) -> String {
        let platform = platform_memory::MemoryPlatform::new();
        let parameters = sql.matches('?').count();
        let sql: &'static str = format!("EXPLAIN QUERY PLAN {sql}").leak();
        let statement = (0..parameters).fold(Statement::new(sql), |statement, _| statement.bind(1));
        let rows = futures_executor::block_on(platform.query(statement)).unwrap();
        rows.iter().map(|row| row.text("detail").unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn p25_no_question_scans_the_table() {
        for sql in [BY_REQUEST, PAGE_OF_USER, PAGE_OF_TENANT, TOTALS_OF_USER, TOTALS_OF_TENANT] {
            let plan = plan(sql);
            assert!(plan.contains("SEARCH") && !plan.contains("SCAN"), "{plan}: {sql}");
        }
        // A tenant's rows may be many: a page reads the index in its own order and sorts nothing.
        let page = plan(PAGE_OF_TENANT);
        assert!(!page.contains("TEMP B-TREE"), "{page}");
    }

    #[test]
    fn a_cursor_reads_what_it_prints() {
        let cursor = Cursor {
            at: Timestamp::from_millis(1_700_000_000_000),
            account: AccountId::new(Home::Any, [3; 16]),
            request_id: RequestId([9; 16]),
            kind: "call".into(),
        };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for wrong in ["", "1", "x.y.z.w", "1.eu-00.x.call"] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong}");
        }
    }
}
