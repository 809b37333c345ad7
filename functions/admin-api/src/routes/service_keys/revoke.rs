use super::require_admin;
use crate::session;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, Query, json};
use platform::{Body, Platform};
use serde_json::json as object;
use store::{audit_log, service_keys};

/// `DELETE /admin/service-keys/{id}`: no later request passes; a second time changes nothing. For administrators.
pub async fn revoke(
    platform: &impl Platform,
    request: &Request<Bytes>,
    id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = session::user(platform, request.headers()).await?;
    require_admin(&caller)?;
    Query::none(request.uri())?;
    Fields::parse_optional(request.body(), &[])?;
    if !service_keys::exists(platform, id).await? {
        return Err(Problem::not_found("There is no such service key. Check the key's id.").into());
    }
    let now = platform.now();
    let audit = audit_log::Entry {
        actor: &format!("user:{}", caller.id),
        action: "service_key.revoke",
        object: &format!("service_key:{id}"),
        after: object!({ "revoked": true }),
    };
    platform.commit(vec![service_keys::revoke(id, now), audit_log::insert(&audit, now)]).await?;
    Ok(json(StatusCode::OK, &object!({ "id": id, "revoked": true })))
}
