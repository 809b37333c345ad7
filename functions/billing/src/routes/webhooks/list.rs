use super::view;
use crate::caller::{Caller, Scope};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, json};
use platform::{Body, Platform};
use serde_json::json as object;
use store::webhook_endpoints;

/// `GET /api/tenants/{id}/webhooks`: all of them, without their secrets.
pub async fn list(
    platform: &impl Platform,
    request: &Request<Bytes>,
    tenant_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::WebhooksWrite).await?;
    let tenant = caller.tenant(platform, tenant_id).await?;
    let endpoints = webhook_endpoints::of_tenant(platform, &tenant.id).await?;
    let webhooks: Vec<_> = endpoints.iter().map(view).collect();
    Ok(json(StatusCode::OK, &object!({ "webhooks": webhooks })))
}
