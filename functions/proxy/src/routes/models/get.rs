//! `GET /v1/models/{id}`

use super::list::model;
use crate::caller::Caller;
use crate::directory;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Problem, json, path_text};
use platform::{Body, Platform};

pub async fn get(
    platform: &impl Platform,
    request: &Request<Bytes>,
    id: &str,
) -> Result<Response<Body>, Problem> {
    let caller = Caller::from_headers(platform, request.headers()).await?;
    caller.authorize(platform).await?;
    let id = path_text(id, "model")?;
    let route = directory::route(platform, caller.account, &id, false).await?;
    let route = route.ok_or_else(|| Problem::model_not_found(&id))?;
    Ok(json(StatusCode::OK, &model(&route.snapshot)))
}
