use crate::{session, user_view};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Query, json};
use platform::{Body, Platform};

/// `GET /admin/me`: who is logged in.
pub async fn show(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let user = session::user(platform, request.headers()).await?;
    Query::none(request.uri())?;
    Ok(json(StatusCode::OK, &user_view::profile(&user)))
}
