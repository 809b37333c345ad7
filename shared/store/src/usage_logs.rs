//! Usage rows: appended by accounts' outboxes, never changed.

use crate::usage_batches::{self, Batch};
use crate::{usage_rollups, usage_spans};
use domain::account::UsageRow;
use domain::identity::AccountId;
use domain::money::MAX_NANO_EUR;
use domain::price::{NanoUsdPerMillion, Prices, Tariff, Usage};
use platform::Statement;
use serde_json::{Value, json};

/// Rows of one batch: about 1,000 bytes each, where the database takes parameters of 2 MB.
pub const BATCH_ROWS_MAX: usize = 1_000;

/// A batch is one statement with one parameter, since the database runs one statement at a time.
/// `WHERE true` tells SQLite that ON is not a join's.
const INSERT_ROWS: &str = "
INSERT INTO usage_logs (
  account_id, request_id, kind, tenant_id, key_id, model, provider, region, upstream_model,
  tokens_input, tokens_cached_input, tokens_cache_write, tokens_output, tokens_reasoning,
  tokens_audio_input, tokens_audio_output,
  cost_nano_eur, overrun_nano_eur, provider_cost_nano_usd,
  price_input, price_cached_input, price_cache_write, price_output, price_reasoning,
  price_audio_input, price_audio_output,
  margin_basis_points, eur_per_usd_millionths, price_version,
  period_opened_at, estimated, outcome, latency_ms, first_token_ms, tags, at, note, arrived)
SELECT
  value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
  value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15,
  value ->> 16, value ->> 17, value ->> 18, value ->> 19, value ->> 20, value ->> 21, value ->> 22, value ->> 23,
  value ->> 24, value ->> 25, value ->> 26, value ->> 27, value ->> 28, value ->> 29, value ->> 30, value ->> 31,
  value ->> 32, value ->> 33, value -> 34, value ->> 35, value ->> 36,
  (SELECT COALESCE(MAX(last), 0) FROM usage_batches WHERE tenant_id = value ->> 3) + (value ->> 37)
FROM json_each(?1) WHERE true
ON CONFLICT DO NOTHING";

/// At most [`BATCH_ROWS_MAX`] rows, and by what they are found: for one commit, in this order. Safe to repeat: a row
/// that is there already stays as it is.
pub fn append(rows: &[(AccountId, UsageRow)]) -> Vec<Statement> {
    let batches = usage_batches::of_commit(rows);
    let mut statements =
        vec![insert_rows(&batches), usage_batches::insert(&batches), usage_spans::insert(rows)];
    statements.extend(usage_rollups::mark_dirty(rows));
    statements
}

fn insert_rows(batches: &[Batch<'_>]) -> Statement {
    let numbered = |batch: &Batch<'_>| {
        let (account, numbers) = (batch.account, batch.before + 1..);
        let rows = numbers.zip(&batch.rows).map(|(number, row)| as_json(account, row, number));
        rows.collect::<Vec<_>>()
    };
    let rows: Vec<Value> = batches.iter().flat_map(numbered).collect();
    Statement::new(INSERT_ROWS).bind(Value::from(rows).to_string())
}

/// In the order of the statement's columns. `number` is the row's among those of its tenant in the commit.
fn as_json(account: AccountId, row: &UsageRow, number: usize) -> Value {
    let UsageRow {
        request_id,
        kind,
        tenant_id,
        key_id,
        model,
        served,
        usage,
        cost,
        overrun,
        provider_cost_nano_usd,
        tariff,
        period_opened_at,
        estimated,
        outcome,
        latency_ms,
        first_token_ms,
        tags,
        at,
        note,
    } = row;
    let Usage { input, cached_input, cache_write, output, reasoning, audio_input, audio_output } = *usage;
    let Tariff { prices, margin_basis_points, eur_per_usd_millionths, price_version } = *tariff;
    let price = |price: Option<NanoUsdPerMillion>| price.map(|price| exact(price.0));
    json!([
        account.to_string(),
        request_id.to_string(),
        kind.as_str(),
        tenant_id,
        key_id,
        model,
        served.provider,
        served.region,
        served.upstream_model,
        exact(input),
        exact(cached_input),
        exact(cache_write),
        exact(output),
        exact(reasoning),
        exact(audio_input),
        exact(audio_output),
        cost.get(),
        overrun.get(),
        exact(*provider_cost_nano_usd),
        price(prices.input),
        price(prices.cached_input),
        price(prices.cache_write),
        price(prices.output),
        price(prices.reasoning),
        price(prices.audio_input),
        price(prices.audio_output),
        margin_basis_points,
        eur_per_usd_millionths,
        price_version,
        period_opened_at.as_millis(),
        i64::from(*estimated),
        outcome,
        latency_ms.map(exact),
        first_token_ms.map(exact),
        tags,
        at.as_millis(),
        note,
        number,
    ])
}

/// Integers that survive a JavaScript number; counts and prices beyond are none that a provider can mean.
fn exact(value: u64) -> u64 {
    value.min(MAX_NANO_EUR.unsigned_abs())
}

/// The seven prices as they lie in a row.
pub(crate) fn prices_of(
    read: impl Fn(&str) -> Result<Option<u64>, platform::PlatformError>,
) -> Result<Prices, platform::PlatformError> {
    let price = |column| Ok(read(column)?.map(NanoUsdPerMillion));
    Ok(Prices {
        input: price("price_input")?,
        cached_input: price("price_cached_input")?,
        cache_write: price("price_cache_write")?,
        output: price("price_output")?,
        reasoning: price("price_reasoning")?,
        audio_input: price("price_audio_input")?,
        audio_output: price("price_audio_output")?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::usage_report::{Scope, by_request};
    use crate::usage_totals::{Range, totals};
    use domain::account::{RowKind, Served};
    use domain::identity::{Home, RequestId};
    use domain::money::NanoEur;
    use domain::time::Timestamp;
    use futures_executor::block_on;
    use platform::Database;
    use platform_memory::MemoryPlatform;

    const ACCOUNT: AccountId = AccountId::new(Home::Eu, [1; 16]);

    /// Every field has a value of its own, so that a swapped column shows.
    pub(crate) fn row() -> UsageRow {
        let price = |n| Some(NanoUsdPerMillion(n));
        UsageRow {
            request_id: RequestId([2; 16]),
            kind: RowKind::Call,
            tenant_id: "tenant".into(),
            key_id: Some("key".into()),
            model: "model".into(),
            served: Served {
                provider: "provider".into(),
                region: "region".into(),
                upstream_model: "upstream".into(),
            },
            usage: Usage {
                input: 1,
                cached_input: 2,
                cache_write: 3,
                output: 4,
                reasoning: 5,
                audio_input: 6,
                audio_output: 7,
            },
            cost: NanoEur::MAX,
            overrun: NanoEur::saturating(9),
            provider_cost_nano_usd: (1 << 53) - 1,
            tariff: Tariff {
                prices: Prices {
                    input: price(11),
                    cached_input: price(12),
                    cache_write: price(13),
                    output: price(14),
                    reasoning: price(15),
                    audio_input: price(16),
                    audio_output: None,
                },
                margin_basis_points: 18,
                eur_per_usd_millionths: 19,
                price_version: 20,
            },
            period_opened_at: Timestamp::from_millis(21),
            estimated: true,
            outcome: "it's \"quoted\" \u{1F600}".into(),
            latency_ms: Some(22),
            first_token_ms: None,
            tags: vec!["a".into(), "\"b".into()],
            at: RequestId([2; 16]).made_at(),
            note: None,
        }
    }

    /// A call that came in at that time.
    pub(crate) fn call_of(n: u64, at: Timestamp) -> UsageRow {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&n.to_be_bytes());
        UsageRow { request_id: RequestId::new(at, &random), at, ..row() }
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let platform = MemoryPlatform::new();
        block_on(platform.commit(append(&[(ACCOUNT, row())]))).unwrap();
        let read = block_on(by_request(&platform, ACCOUNT, row().request_id)).unwrap().remove(0);
        let row = row();
        assert_eq!((read.account, read.request_id, read.kind.as_str()), (ACCOUNT, row.request_id, "call"));
        assert_eq!((read.tenant_id, read.key_id, read.model), (row.tenant_id, row.key_id, row.model));
        let served = (read.provider, read.region, read.upstream_model);
        assert_eq!(served, (row.served.provider, row.served.region, row.served.upstream_model));
        assert_eq!((read.usage, read.tariff), (row.usage, row.tariff));
        assert_eq!((read.cost, read.overrun), (row.cost, row.overrun));
        assert_eq!(read.provider_cost_nano_usd, row.provider_cost_nano_usd);
        assert_eq!((read.period_opened_at, read.at), (row.period_opened_at, row.at));
        assert_eq!((read.estimated, read.outcome), (row.estimated, row.outcome));
        assert_eq!((read.latency_ms, read.first_token_ms), (row.latency_ms, row.first_token_ms));
        assert_eq!((read.tags, read.note), (row.tags, row.note));
    }

    #[test]
    fn p12_a_batch_is_taken_once_and_sums_exactly() {
        let platform = MemoryPlatform::new();
        let rows: Vec<_> = (0..BATCH_ROWS_MAX as u64)
            .map(|n| {
                let cost = NanoEur::saturating(9_000_000_000_000 + i64::try_from(n).unwrap());
                (ACCOUNT, UsageRow { cost, provider_cost_nano_usd: n, ..call_of(n, Timestamp::EPOCH) })
            })
            .collect();
        for _ in 0..2 {
            block_on(platform.commit(append(&rows))).unwrap();
        }
        let hour = Timestamp::from_millis(3_600_000);
        let range = Range { from: Timestamp::EPOCH, to: hour, model: None, kind: None };
        let totals = block_on(totals(&platform, &Scope::User(ACCOUNT), range, hour)).unwrap().measures;
        let expected: i128 = rows.iter().map(|(_, row)| i128::from(row.cost.get())).sum();
        assert_eq!((totals.row_count, totals.cost_nano_eur), (rows.len() as i128, expected));
    }

    #[test]
    fn p25_the_tenants_last_number_is_found_by_its_key() {
        let plan = crate::plan::of(INSERT_ROWS);
        assert!(plan.contains("SEARCH usage_batches USING PRIMARY KEY (tenant_id=?)"), "{plan}");
    }

    #[test]
    fn the_statement_names_as_many_values_as_columns() {
        let (columns, values) = INSERT_ROWS.split_once("SELECT").unwrap();
        // The last is the row's number, which goes on from that of its tenant.
        let (values, number) = values.split_once("(SELECT").unwrap();
        let columns = columns.matches(',').count();
        assert_eq!(values.matches("value -").count(), columns);
        assert!(values.contains(&format!("value ->> {},\n", columns - 1)));
        assert!(number.contains(&format!("(value ->> {columns})")));
    }
}
