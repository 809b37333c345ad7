use crate::caller::{Caller, Scope as KeyScope};
use bytes::Bytes;
use domain::account::RowKind;
use domain::money::NanoEur;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Problem, json, query_parameter};
use platform::{Body, Platform};
use serde_json::{Value, json as object};
use store::usage_report::{self, Cursor, Scope, Totals, UsageEntry};

const ROWS_DEFAULT: i64 = 50;
const ROWS_MAX: i64 = 200;

/// `GET /api/usage?user_id=&tenant_id=&limit=&cursor=`: rows newest first, with the sums over all rows of
/// that user or tenant. A page that is followed by another names its `next_cursor`.
pub async fn list(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, KeyScope::UsageRead).await?;
    let limit = limit(request)?;
    let cursor = cursor(request)?;
    let scope = scope(platform, &caller, request).await?;
    let mut rows = usage_report::page(platform, &scope, cursor.as_ref(), limit + 1).await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(0));
    let next_cursor = rows.last().filter(|_| more).map(|row| Cursor::of(row).to_string());
    let totals = usage_report::totals(platform, &scope).await?;
    let body = object!({
        "rows": rows.iter().map(view).collect::<Vec<_>>(),
        "next_cursor": next_cursor,
        "totals": totals_view(&totals),
    });
    Ok(json(StatusCode::OK, &body))
}

/// A user's rows, if one is named; else the tenant's, which for a key of one tenant is its own.
async fn scope(
    platform: &impl Platform,
    caller: &Caller,
    request: &Request<Bytes>,
) -> Result<Scope, Failure> {
    if let Some(user_id) = query_parameter(request.uri(), "user_id") {
        return Ok(Scope::User(caller.account(platform, &user_id).await?.0));
    }
    let tenant = query_parameter(request.uri(), "tenant_id");
    let tenant = tenant.as_deref().or(caller.tenant_id()).ok_or_else(|| {
        Problem::invalid_field("user_id", "Name whose usage to list: `user_id` or `tenant_id` is missing.")
    })?;
    Ok(Scope::Tenant(caller.tenant(platform, tenant).await?.id))
}

fn limit(request: &Request<Bytes>) -> Result<i64, Problem> {
    let Some(text) = query_parameter(request.uri(), "limit") else { return Ok(ROWS_DEFAULT) };
    let limit = text.parse().ok().filter(|limit| (1..=ROWS_MAX).contains(limit));
    limit.ok_or_else(|| {
        Problem::invalid_field("limit", format!("`limit` must be a whole number from 1 to {ROWS_MAX}."))
    })
}

fn cursor(request: &Request<Bytes>) -> Result<Option<Cursor>, Problem> {
    let Some(text) = query_parameter(request.uri(), "cursor") else { return Ok(None) };
    let wrong = || Problem::invalid_field("cursor", "`cursor` must be the `next_cursor` of an earlier page.");
    Cursor::parse(&text).ok_or_else(wrong).map(Some)
}

fn view(row: &UsageEntry) -> Value {
    // A report's id is the one that its caller gave it.
    let reported = row.note.as_deref().filter(|_| row.kind == RowKind::Report.as_str());
    object!({
        "request_id": reported.map_or_else(|| row.request_id.to_string(), str::to_owned),
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
    object!({
        "rows": totals.rows,
        "cost_total": euros(totals.cost),
        "cost_nano_eur": totals.cost.to_string(),
        "overrun": euros(totals.overrun),
        "tokens_input": totals.tokens_input.to_string(),
        "tokens_output": totals.tokens_output.to_string(),
    })
}

/// Sums may exceed what one account can hold, so they are written without going through its type.
fn euros(nano: i128) -> String {
    i64::try_from(nano).ok().and_then(|nano| NanoEur::new(nano).ok()).map_or_else(
        || {
            let sign = if nano < 0 { "-" } else { "" };
            let nano = nano.unsigned_abs();
            format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
        },
        |amount| amount.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_beyond_one_accounts_money_are_still_exact() {
        assert_eq!(euros(12_500_000_000), "12.50");
        assert_eq!(euros(-1), "-0.000000001");
        assert_eq!(euros(123_456_789_012_345_678_901_234), "123456789012345.678901234");
    }
}
