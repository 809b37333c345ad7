use crate::caller::{Caller, Scope as KeyScope};
use crate::{usage_filter, usage_view};
use bytes::Bytes;
use domain::account::RowKind;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Query, json};
use platform::{Body, Platform};
use serde_json::{Value, json as object};
use store::usage_arrivals::{self, Arrivals};
use store::usage_report::{self, Cursor, Filter, Scope, UsageEntry};
use store::usage_totals::{self, Range, Totals};

const ROWS_DEFAULT: usize = 50;
const ROWS_MAX: usize = 200;
const PARAMETERS: &[&str] =
    &["user_id", "tenant_id", "from", "to", "model", "kind", "tag", "limit", "cursor", "after"];

/// `GET /api/usage?user_id=&tenant_id=&from=&to=&model=&kind=&tag=&limit=&cursor=`: rows newest first. A page
/// that is followed by another names its `next_cursor`; the first page has the `totals` of all. They come from
/// roll-ups, which know no tags: with `tag` they are null. With `after` see [`arrivals`].
pub async fn list(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let (caller, query) = Caller::asking(platform, request, KeyScope::UsageRead, PARAMETERS).await?;
    if let Some(after) = usage_filter::after(&query)? {
        return arrivals(platform, &caller, &query, after).await;
    }
    let limit = query.count("limit", ROWS_MAX)?.unwrap_or(ROWS_DEFAULT);
    let cursor = usage_filter::cursor(&query, Cursor::parse)?;
    let filter = usage_filter::filter(&query)?;
    let scope = usage_filter::scope(platform, &caller, &query).await?;
    let page = usage_report::page(platform, &scope, &filter, cursor.as_ref(), limit).await?;
    let totals = match (&cursor, &filter.tag) {
        (None, None) => Some(totals(platform, &scope, &filter).await?),
        _ => None,
    };
    let body = object!({
        "rows": page.rows.iter().map(view).collect::<Vec<_>>(),
        "next_cursor": page.next.map(|next| next.to_string()),
        "totals": totals.map(|totals| totals_view(&totals)),
    });
    Ok(json(StatusCode::OK, &body))
}

/// `GET /api/usage?after=` and the filters and `limit` above: rows in the order in which they arrived, from after the
/// place that an earlier answer called `next_after`, or from the first, which is 0. `more` says whether to ask again
/// at once. No row is missed, however late it arrives, and none comes twice.
async fn arrivals(
    platform: &impl Platform,
    caller: &Caller,
    query: &Query,
    after: u64,
) -> Result<Response<Body>, Failure> {
    let limit = query.count("limit", ROWS_MAX)?.unwrap_or(ROWS_DEFAULT);
    let filter = usage_filter::filter(query)?;
    let whose = usage_filter::whose(platform, caller, query).await?;
    let page = usage_arrivals::page(platform, &whose, &filter, after, limit).await?;
    let Arrivals { rows, next, more } = page.ok_or_else(usage_filter::wrong_after)?;
    let body = object!({
        "rows": rows.iter().map(view).collect::<Vec<_>>(),
        "next_after": next.to_string(),
        "more": more,
    });
    Ok(json(StatusCode::OK, &body))
}

async fn totals(platform: &impl Platform, scope: &Scope, filter: &Filter) -> Result<Totals, Failure> {
    let Filter { from, to, model, kind, tag: _ } = filter;
    let range = Range { from: *from, to: *to, model: model.as_deref(), kind: kind.as_deref() };
    Ok(usage_totals::totals(platform, scope, range, platform.now()).await?)
}

/// The id as its caller knows it: a report's is the one that was reported.
pub fn request_id(row: &UsageEntry) -> String {
    let reported = row.note.as_deref().filter(|_| row.kind == RowKind::Report.as_str());
    reported.map_or_else(|| row.request_id.to_string(), str::to_owned)
}

fn view(row: &UsageEntry) -> Value {
    object!({
        "request_id": request_id(row),
        "operation_id": row.request_id.to_string(),
        "kind": row.kind,
        "timestamp": row.at.to_rfc3339(),
        "tenant_id": row.tenant_id,
        "user_id": row.account.to_string(),
        "api_key_id": row.key_id,
        "model": row.model,
        "provider": row.provider,
        "region": row.region,
        "upstream_model": row.upstream_model,
        "tokens_input": row.usage.total_input(),
        "tokens_cached": row.usage.cached_input,
        "tokens_cache_write": row.usage.cache_write,
        "tokens_output": row.usage.total_output(),
        "tokens_reasoning": row.usage.reasoning,
        "tokens_audio_input": row.usage.audio_input,
        "tokens_audio_output": row.usage.audio_output,
        "total_tokens": row.usage.total(),
        "cost_total": row.cost.to_string(),
        "overrun": row.overrun.to_string(),
        "provider_cost_nano_usd": row.provider_cost_nano_usd,
        "tariff": tariff_view(row),
        "period_opened_at": row.period_opened_at.to_rfc3339(),
        "estimated": row.estimated,
        "status": row.outcome,
        "latency_ms": row.latency_ms,
        "first_token_ms": row.first_token_ms,
        "tags": row.tags,
        "note": row.note,
    })
}

/// Everything that reproduces the row's price. Nano-dollars per million tokens.
fn tariff_view(row: &UsageEntry) -> Value {
    let tariff = &row.tariff;
    let prices = &tariff.prices;
    object!({
        "input": prices.input.map(|price| price.0),
        "cached_input": prices.cached_input.map(|price| price.0),
        "cache_write": prices.cache_write.map(|price| price.0),
        "output": prices.output.map(|price| price.0),
        "reasoning": prices.reasoning.map(|price| price.0),
        "audio_input": prices.audio_input.map(|price| price.0),
        "audio_output": prices.audio_output.map(|price| price.0),
        "margin_basis_points": tariff.margin_basis_points,
        "eur_per_usd_millionths": tariff.eur_per_usd_millionths,
        "price_version": tariff.price_version,
    })
}

fn totals_view(totals: &Totals) -> Value {
    let mut view = usage_view::measures(&totals.measures);
    view.insert("from".into(), totals.from.to_rfc3339().into());
    view.insert("to".into(), totals.to.to_rfc3339().into());
    view.insert("as_of".into(), totals.as_of.map(|at| at.to_rfc3339()).into());
    view.into()
}
