//! `GET /v1/budget`

use crate::caller::Caller;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Problem, json};
use platform::{Body, Platform};
use serde_json::json;

/// The live state of the caller's budget; amounts are decimal euros.
pub async fn get(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Problem> {
    let caller = Caller::from_headers(platform, request.headers()).await?;
    let balance = caller.authorize(platform).await?;
    let budget = json!({
        "object": "budget",
        "currency": "EUR",
        "limit": balance.limit.to_string(),
        "used": balance.used.to_string(),
        "reserved": balance.reserved.to_string(),
        "remaining": balance.remaining.to_string(),
        "over": balance.over.to_string(),
        "plan": balance.budget.to_string(),
        "top_up": balance.top_up.to_string(),
        "open_calls": balance.open_holds,
        "period_started_at": balance.period_opened_at.to_rfc3339(),
        "resets_at": balance.resets_at.to_rfc3339(),
    });
    Ok(json(StatusCode::OK, &budget))
}
