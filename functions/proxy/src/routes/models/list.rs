//! `GET /v1/models`

use crate::caller::Caller;
use crate::directory::unavailable;
use bytes::Bytes;
use domain::routing::RoutingSnapshot;
use http::{Request, Response, StatusCode};
use http_api::{Problem, json};
use platform::{Body, Platform};
use serde_json::{Value, json};

/// The tenant's models, as OpenAI lists them.
pub async fn list(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Problem> {
    let caller = Caller::from_headers(platform, request.headers()).await?;
    let balance = caller.authorize(platform).await?;
    let snapshots = store::routing_snapshots::of_tenant(platform, &balance.tenant_id).await;
    let models: Vec<Value> = snapshots.map_err(|error| unavailable(&error))?.iter().map(model).collect();
    Ok(json(StatusCode::OK, &json!({ "object": "list", "data": models })))
}

/// A model as OpenAI describes it, with its ceilings.
pub fn model(snapshot: &RoutingSnapshot) -> Value {
    json!({
        "id": snapshot.model,
        "object": "model",
        "created": snapshot.created,
        "owned_by": snapshot.owned_by,
        "max_output_tokens": snapshot.max_output,
        "default_max_output_tokens": snapshot.default_max_output,
    })
}
