use crate::caller::{Caller, Scope};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, json};
use platform::{Body, Platform};
use serde_json::json as object;
use store::{audit_log, webhook_endpoints};

/// `DELETE /api/tenants/{id}/webhooks/{webhook_id}`: 200, and nothing more is sent there, except what is on
/// its way.
pub async fn delete(
    platform: &impl Platform,
    request: &Request<Bytes>,
    tenant_id: &str,
    webhook_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::WebhooksWrite).await?;
    Fields::parse_optional(request.body(), &[])?;
    let tenant = caller.tenant(platform, tenant_id).await?;
    let endpoints = webhook_endpoints::of_tenant(platform, &tenant.id).await?;
    if endpoints.iter().all(|endpoint| endpoint.id != webhook_id) {
        return Err(Problem::not_found("This tenant has no such webhook. Check its id.").into());
    }
    let now = platform.now();
    let audit = audit_log::Entry {
        actor: &caller.actor(),
        action: "webhook.delete",
        object: &format!("tenant:{}", tenant.id),
        after: object!({ "webhook_id": webhook_id }),
    };
    platform
        .commit(vec![webhook_endpoints::delete(webhook_id, &tenant.id), audit_log::insert(&audit, now)])
        .await?;
    Ok(json(StatusCode::OK, &object!({ "webhook_id": webhook_id, "deleted": true })))
}
