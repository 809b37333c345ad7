//! People and configuration: the first administrator, log-in, the users with their live budgets, and keys for machines.

mod routes;
mod session;
mod user_view;

#[cfg(target_os = "wasi")]
mod on_spin;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod on_workers;

use bytes::Bytes;
use http::{Request, Response};
use http_api::{BODY_BYTES_MAX, Failure, Problem, ProblemShape};
use platform::{Body, Platform};

pub async fn handle(platform: &impl Platform, request: Request<Bytes>) -> Response<Body> {
    let id = http_api::new_request_id(platform);
    http_api::finish(id, ProblemShape::ProblemJson, route(platform, &request).await)
}

async fn route(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    http_api::check_body(request, BODY_BYTES_MAX)?;
    let path = request.uri().path();
    match (request.method().as_str(), http_api::segments(path).as_slice()) {
        ("GET", ["health"]) => Ok(http_api::healthy("admin-api")),
        ("POST", ["admin", "bootstrap"]) => routes::bootstrap::create(platform, request).await,
        ("POST", ["admin", "auth", "login"]) => routes::login::create(platform, request).await,
        ("GET", ["admin", "me"]) => routes::me::show(platform, request).await,
        ("GET", ["admin", "users"]) => routes::users::list(platform, request).await,
        ("POST", ["admin", "service-keys"]) => routes::service_keys::create(platform, request).await,
        ("GET", ["admin", "service-keys"]) => routes::service_keys::list(platform, request).await,
        ("DELETE", ["admin", "service-keys", id]) => {
            routes::service_keys::revoke(platform, request, id).await
        }
        _ => Err(Problem::no_such_route(request.method(), path).into()),
    }
}
