//! Providers' bills, and what we counted of the same: both sides of the reconciliation.

use domain::reconciliation::Item;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement, Value as Parameter};
use serde_json::{Value, json};

/// Lines of one import, which is one statement.
pub const LINES_MAX: usize = 2_000;

/// An item and its amount in nano-dollars.
pub type Amount = (Item, i128);

const STORED: &str = "
SELECT bill.day, bill.provider, bill.model, CAST(bill.amount_nano_usd AS TEXT) AS amount
FROM json_each(?1) AS line CROSS JOIN provider_bills AS bill
  ON bill.day = line.value ->> 0 AND bill.provider = line.value ->> 1 AND bill.model = line.value ->> 2";

/// What is stored now for the items of `lines`.
pub async fn stored(database: &impl Database, lines: &[Amount]) -> Result<Vec<Amount>, PlatformError> {
    let rows = database.query(Statement::new(STORED).bind(as_json(lines))).await?;
    rows.iter().map(of_row).collect()
}

const REPLACE: &str = "
INSERT INTO provider_bills (day, provider, model, amount_nano_usd, imported_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?2 FROM json_each(?1) WHERE true
ON CONFLICT (day, provider, model) DO UPDATE
SET amount_nano_usd = excluded.amount_nano_usd, imported_at = excluded.imported_at
WHERE amount_nano_usd <> excluded.amount_nano_usd";

/// At most [`LINES_MAX`] lines, each item once. A newer amount replaces the older; safe to repeat.
pub fn replace(lines: &[Amount], now: Timestamp) -> Statement {
    Statement::new(REPLACE).bind(as_json(lines)).bind(now.as_millis())
}

fn as_json(lines: &[Amount]) -> String {
    let line = |(item, amount): &Amount| {
        json!([item.day.as_millis(), item.provider, item.model, i64::try_from(*amount).unwrap_or(i64::MAX)])
    };
    Value::from(lines.iter().map(line).collect::<Vec<_>>()).to_string()
}

const THEIRS: &str = "
SELECT day, provider, model, CAST(amount_nano_usd AS TEXT) AS amount FROM provider_bills
WHERE day >= ?1 AND day < ?2 AND (?3 IS NULL OR provider = ?3) ORDER BY day, provider, model LIMIT ?4";

/// From the roll-ups; rows that name no provider are on nobody's bill.
const OURS: &str = "
SELECT day, provider, upstream_model AS model, CAST(provider_cost_nano_usd AS TEXT) AS amount
FROM provider_usage_daily
WHERE day >= ?1 AND day < ?2 AND (?3 IS NULL OR provider = ?3) ORDER BY day, provider, upstream_model LIMIT ?4";

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    /// The start of a UTC day.
    pub from: Timestamp,
    /// The same, exclusive.
    pub to: Timestamp,
    pub provider: Option<&'a str>,
}

/// What was billed, at most `limit` items.
pub async fn theirs(
    database: &impl Database,
    range: Range<'_>,
    limit: usize,
) -> Result<Vec<Amount>, PlatformError> {
    amounts(database, THEIRS, range, limit).await
}

/// What we counted, at most `limit` items.
pub async fn ours(
    database: &impl Database,
    range: Range<'_>,
    limit: usize,
) -> Result<Vec<Amount>, PlatformError> {
    amounts(database, OURS, range, limit).await
}

async fn amounts(
    database: &impl Database,
    sql: &'static str,
    range: Range<'_>,
    limit: usize,
) -> Result<Vec<Amount>, PlatformError> {
    let statement = Statement::new(sql)
        .bind(range.from.as_millis())
        .bind(range.to.as_millis())
        .bind(Parameter::from(range.provider))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    database.query(statement).await?.iter().map(of_row).collect()
}

fn of_row(row: &Row) -> Result<Amount, PlatformError> {
    let item = Item {
        day: crate::instant(row, "day")?,
        provider: row.text("provider")?.to_owned(),
        model: row.text("model")?.to_owned(),
    };
    Ok((item, row.text("amount")?.parse().map_err(|_| crate::malformed("amount"))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    #[test]
    fn p25_no_side_of_a_reconciliation_scans_a_table() {
        for sql in [STORED, THEIRS, OURS] {
            let plan = plan::of(sql);
            assert!(plan.contains("USING PRIMARY KEY (day"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN provider"), "{plan}");
        }
    }
}
