//! Usage rows as they are read: one by its id, a page, sums. Never on the path of a model call.

use crate::usage_logs::prices_of;
use crate::usage_spans::merged;
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
        let at =
            parts.next()?.parse().ok().filter(|at| (0..1 << 53).contains(at)).map(Timestamp::from_millis)?;
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

/// A call's id says its time; what else has that id is in the index of what is no call, which SQLite would not choose.
const BY_REQUEST: &str = "
SELECT * FROM usage_logs WHERE account_id = ?1 AND at = ?3 AND request_id = ?2 AND kind = 'call'
UNION ALL
SELECT * FROM usage_logs INDEXED BY usage_logs_beside_calls
WHERE account_id = ?1 AND request_id = ?2 AND kind <> 'call' LIMIT 8";

/// All rows of one request: the call, and its correction if there was one.
pub async fn by_request(
    database: &impl Database,
    account: AccountId,
    request_id: RequestId,
) -> Result<Vec<UsageEntry>, PlatformError> {
    let statement = Statement::new(BY_REQUEST)
        .bind(account.to_string())
        .bind(request_id.to_string())
        .bind(request_id.made_at().as_millis());
    let rows = database.query(statement).await?;
    let mut rows = rows.iter().map(of_row).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by(|a, b| a.kind.cmp(&b.kind));
    Ok(rows)
}

/// Which rows of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    pub model: Option<String>,
    pub kind: Option<String>,
    pub tag: Option<String>,
}

impl Filter {
    /// 2^53 - 1 milliseconds: after every possible row.
    pub const END: Timestamp = Timestamp::from_millis((1 << 53) - 1);

    pub const ALL: Self = Self { from: Timestamp::EPOCH, to: Self::END, model: None, kind: None, tag: None };

    const fn is_selective(&self) -> bool {
        self.model.is_some() || self.kind.is_some() || self.tag.is_some()
    }
}

/// Rows, newest first, and where the next page begins. A filter that matches few rows may find none in what
/// a page examines: then the page is empty, and still has a next one.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub rows: Vec<UsageEntry>,
    pub next: Option<Cursor>,
}

/// Rows that a page with a filter by model, kind or tag examines.
pub const EXAMINED_MAX: i64 = 10_000;

/// The primary key is in the order of pages: it is read between two places in it.
macro_rules! between {
    () => {
        "account_id = ?1 AND (at, request_id, kind) < (?2, ?3, ?4) AND (at, request_id, kind) >= (?5, ?6, ?7)"
    };
}

const PAGE_OF_USER: &str = concat!(
    "SELECT * FROM usage_logs\nWHERE ",
    between!(),
    "
  AND (?9 IS NULL OR model = ?9) AND (?10 IS NULL OR kind = ?10)
  AND (?11 IS NULL OR EXISTS (SELECT 1 FROM json_each(usage_logs.tags) AS tag WHERE tag.value = ?11))
ORDER BY at DESC, request_id DESC, kind DESC LIMIT ?8"
);

/// Rows come in the order in which their places are taken from the queue.
const PAGE_OF_TENANT: &str = concat!(
    merged!(),
    "
SELECT usage_logs.* FROM merged CROSS JOIN usage_logs
  ON usage_logs.account_id = merged.account_id AND usage_logs.at = merged.at
    AND usage_logs.request_id = merged.request_id AND usage_logs.kind = merged.kind
WHERE (merged.at, merged.account_id, merged.request_id, merged.kind) >= (?6, ?7, ?8, ?9)
  AND (?11 IS NULL OR model = ?11) AND (?12 IS NULL OR +usage_logs.kind = ?12)
  AND (?13 IS NULL OR EXISTS (SELECT 1 FROM json_each(usage_logs.tags) AS tag WHERE tag.value = ?13))
LIMIT ?10"
);

/// The last row that a page examines.
const LAST_OF_USER: &str = concat!(
    "SELECT at, account_id, request_id, kind FROM usage_logs\nWHERE ",
    between!(),
    "\nORDER BY at DESC, request_id DESC, kind DESC LIMIT 1 OFFSET ?8"
);

const LAST_OF_TENANT: &str = concat!(
    merged!(),
    "
SELECT * FROM merged
WHERE account_id <> '' AND (at, account_id, request_id, kind) >= (?6, ?7, ?8, ?9) LIMIT 1 OFFSET ?10"
);

/// At most `limit` rows from after `after`. One statement, two with a filter by model, kind or tag.
pub async fn page(
    database: &impl Database,
    scope: &Scope,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page, PlatformError> {
    let of_user = matches!(scope, Scope::User(_));
    let mut last = None;
    if filter.is_selective() {
        let sql = if of_user { LAST_OF_USER } else { LAST_OF_TENANT };
        let statement = between(sql, scope, filter, after, None).bind(EXAMINED_MAX - 1);
        last = database.query(statement).await?.first().map(place_of).transpose()?;
    }
    let sql = if of_user { PAGE_OF_USER } else { PAGE_OF_TENANT };
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let statement = between(sql, scope, filter, after, last.as_ref())
        .bind(one_more)
        .bind(filter.model.clone())
        .bind(filter.kind.clone())
        .bind(filter.tag.clone());
    let rows = database.query(statement).await?;
    let mut rows = rows.iter().map(of_row).collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(Cursor::of) } else { last };
    Ok(Page { rows, next })
}

/// Binds the scope, the place before which the page begins, and that at which it ends at the latest.
fn between(
    sql: &'static str,
    scope: &Scope,
    filter: &Filter,
    after: Option<&Cursor>,
    last: Option<&Cursor>,
) -> Statement {
    let (of_user, owner) = match scope {
        Scope::User(user) => (true, user.to_string()),
        Scope::Tenant(tenant) => (false, tenant.clone()),
    };
    let place = |statement: Statement, at: Timestamp, row: Option<&Cursor>| {
        let text = |part: fn(&Cursor) -> String| row.map_or_else(String::new, part);
        let statement = statement.bind(at.as_millis());
        let statement = if of_user { statement } else { statement.bind(text(|row| row.account.to_string())) };
        statement.bind(text(|row| row.request_id.to_string())).bind(text(|row| row.kind.clone()))
    };
    // A cursor from beyond `to` begins at `to`.
    let after = after.filter(|after| after.at < filter.to);
    let statement = place(Statement::new(sql).bind(owner), after.map_or(filter.to, |after| after.at), after);
    place(statement, last.map_or(filter.from, |last| last.at), last)
}

fn place_of(row: &Row) -> Result<Cursor, PlatformError> {
    Ok(Cursor {
        at: crate::instant(row, "at")?,
        account: AccountId::parse(row.text("account_id")?).ok_or_else(|| crate::malformed("account_id"))?,
        request_id: RequestId::parse(row.text("request_id")?)
            .ok_or_else(|| crate::malformed("request_id"))?,
        kind: row.text("kind")?.to_owned(),
    })
}

pub(crate) fn of_row(row: &Row) -> Result<UsageEntry, PlatformError> {
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
    use crate::plan;
    use domain::identity::Home;

    #[test]
    fn p25_no_question_scans_the_table() {
        for sql in [BY_REQUEST, PAGE_OF_USER, PAGE_OF_TENANT, LAST_OF_USER, LAST_OF_TENANT] {
            let plan = plan::of(sql);
            for table in ["usage_logs", "usage_spans", "span", "own", "newest", "older"] {
                assert!(!plan.contains(&format!("SCAN {table}")), "{plan}");
            }
            // A page reads its key in the key's own order and sorts nothing.
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
        let plan = plan::of(BY_REQUEST);
        for step in [
            "PRIMARY KEY (account_id=? AND at=? AND request_id=? AND kind=?)",
            "(account_id=? AND request_id=?)",
        ] {
            assert!(plan.contains(step), "{plan}");
        }
        // A tenant's places are taken from the queue one by one, each found by a seek.
        let plan = plan::of(PAGE_OF_TENANT);
        for step in [
            "own USING PRIMARY KEY (account_id=? AND at>? AND at<?)",
            "newest USING PRIMARY KEY (account_id=? AND at=? AND request_id=? AND kind=?)",
            "older USING PRIMARY KEY (account_id=? AND at=? AND request_id=? AND kind=?)",
            "usage_logs USING PRIMARY KEY (account_id=? AND at=? AND request_id=? AND kind=?)",
        ] {
            assert!(plan.contains(step), "{plan}");
        }
        assert!(plan.starts_with("CO-ROUTINE merged"), "{plan}");
    }

    #[test]
    fn a_cursor_reads_what_it_prints() {
        let cursor = Cursor {
            at: Timestamp::from_millis(1_700_000_000_000),
            account: AccountId::new(Home::Any, [3; 16]),
            request_id: RequestId([9; 16]),
            kind: "call".into(),
        };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor.clone()));
        let beyond = cursor.to_string().replacen("1700000000000", "9223372036854775807", 1);
        for wrong in ["", "1", "x.y.z.w", "1.eu-00.x.call", &beyond] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong}");
        }
    }
}
