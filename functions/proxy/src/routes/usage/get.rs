//! `GET /v1/usage/{request-id}`

use crate::caller::Caller;
use crate::directory::unavailable;
use crate::ledger;
use bytes::Bytes;
use domain::account::Account;
use domain::identity::RequestId;
use domain::money::NanoEur;
use http::{Request, Response, StatusCode};
use http_api::{Problem, json};
use platform::{Body, Platform};
use serde_json::{Value, json};
use store::usage_report::UsageEntry;

/// What one of the caller's own requests used and cost: a row for the call, and one for each correction.
pub async fn get(
    platform: &impl Platform,
    request: &Request<Bytes>,
    id: &str,
) -> Result<Response<Body>, Problem> {
    let caller = Caller::from_headers(platform, request.headers()).await?;
    caller.authorize(platform).await?;
    let request_id = RequestId::parse(id).ok_or_else(|| {
        Problem::invalid_field("request-id", "A request id looks like the `x-request-id` of an answer.")
    })?;
    let mut rows = rows(platform, &caller, request_id).await?;
    if rows.is_empty() {
        // They may still wait in the account's outbox.
        let delivered = platform.deliver::<Account>(&caller.name).await;
        delivered.map_err(|error| ledger::unavailable(&caller.name, &error))?;
        rows = self::rows(platform, &caller, request_id).await?;
    }
    if rows.is_empty() {
        return Err(Problem::not_found("No request of yours with this id has been charged."));
    }
    let charged: NanoEur = rows.iter().map(|row| row.cost).sum();
    let rows: Vec<Value> = rows.iter().map(as_json).collect();
    Ok(json(
        StatusCode::OK,
        &json!({ "object": "usage", "request_id": id, "cost_eur": charged.to_string(), "rows": rows }),
    ))
}

async fn rows(
    platform: &impl Platform,
    caller: &Caller,
    request_id: RequestId,
) -> Result<Vec<UsageEntry>, Problem> {
    let rows = store::usage_report::by_request(platform, caller.account, request_id).await;
    rows.map_err(|error| unavailable(&error))
}

fn as_json(row: &UsageEntry) -> Value {
    json!({
        "kind": row.kind,
        "model": row.model,
        "provider": row.provider,
        "region": row.region,
        "tokens_input": row.usage.total_input(),
        "tokens_output": row.usage.total_output(),
        "tokens_cached": row.usage.cached_input,
        "tokens_reasoning": row.usage.reasoning,
        "total_tokens": row.usage.total(),
        "cost_eur": row.cost.to_string(),
        "overrun_eur": row.overrun.to_string(),
        "estimated": row.estimated,
        "outcome": row.outcome,
        "latency_ms": row.latency_ms,
        "time_to_first_token_ms": row.first_token_ms,
        "tags": row.tags,
        "timestamp": row.at.to_rfc3339(),
    })
}
