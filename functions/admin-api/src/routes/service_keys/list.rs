use super::{require_admin, view};
use crate::session;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Query, json};
use platform::{Body, Platform};
use serde_json::{Value, json as object};
use store::service_keys;

/// `GET /admin/service-keys`: those that are neither expired nor revoked, without their secrets. For administrators.
pub async fn list(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let caller = session::user(platform, request.headers()).await?;
    require_admin(&caller)?;
    Query::none(request.uri())?;
    let rows = service_keys::usable(platform, platform.now()).await?;
    let views: Vec<Value> = rows.iter().map(view).collect();
    Ok(json(StatusCode::OK, &object!({ "service_keys": views })))
}
