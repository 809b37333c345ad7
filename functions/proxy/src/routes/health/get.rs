//! `GET /health`

use http::{Response, StatusCode};
use http_api::json;
use platform::Body;
use serde_json::json;

/// Says that the function runs. It asks nobody: a health check must not cost.
pub fn get() -> Response<Body> {
    json(StatusCode::OK, &json!({ "status": "ok", "service": "proxy" }))
}
