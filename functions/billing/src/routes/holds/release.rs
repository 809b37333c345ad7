use crate::caller::{Caller, Scope};
use crate::routes::budget::hold;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, json, path_text};
use platform::{Body, Platform};
use serde_json::json as object;

/// `DELETE /api/holds/{hold_id}?user_id=`, or `POST …/release`: ends a hold of `check-budget` without charge.
/// 200, whether it was open or had ended: nothing is set aside under this id any more.
pub async fn release(
    platform: &impl Platform,
    request: &Request<Bytes>,
    hold_id: &str,
) -> Result<Response<Body>, Failure> {
    let (caller, query) = Caller::asking(platform, request, Scope::UsageWrite, &["user_id"]).await?;
    Fields::parse_optional(request.body(), &[])?;
    let user_id = query.get("user_id").ok_or_else(|| {
        Problem::invalid_field("user_id", "Name whose hold it is: the parameter `user_id` is missing.")
    })?;
    let hold_id = path_text(hold_id, "hold_id")?;
    let (account, _) = caller.account(platform, user_id).await?;
    hold::release(platform, account, &hold_id).await?;
    let body = object!({ "user_id": account.to_string(), "hold_id": hold_id, "released": true });
    Ok(json(StatusCode::OK, &body))
}
