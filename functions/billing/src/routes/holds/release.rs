use crate::caller::{Caller, Scope};
use crate::routes::budget::hold;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Problem, json, percent_decoded, query_parameter};
use platform::{Body, Platform};
use serde_json::json as object;

/// `DELETE /api/holds/{hold_id}?user_id=`, or `POST …/release`: ends a hold of `check-budget` without charge.
/// 200, whether it was open or had ended: nothing is set aside under this id any more.
pub async fn release(
    platform: &impl Platform,
    request: &Request<Bytes>,
    hold_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsageWrite).await?;
    let user_id = query_parameter(request.uri(), "user_id").ok_or_else(|| {
        Problem::invalid_field("user_id", "Name whose hold it is: the parameter `user_id` is missing.")
    })?;
    let (account, _) = caller.account(platform, &user_id).await?;
    let hold_id = percent_decoded(hold_id);
    hold::release(platform, account, &hold_id).await?;
    let body = object!({ "user_id": account.to_string(), "hold_id": hold_id, "released": true });
    Ok(json(StatusCode::OK, &body))
}
