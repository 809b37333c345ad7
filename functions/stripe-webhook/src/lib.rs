//! Stripe's events: verified, then recorded once each.

mod routes;

#[cfg(target_os = "wasi")]
mod on_spin;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod on_workers;

use bytes::Bytes;
use http::{Request, Response};
use http_api::{Failure, Problem, ProblemShape};
use platform::{Body, Platform};

/// Stripe's events are a few kilobytes; a row of the database takes 2 MB.
const EVENT_BYTES_MAX: usize = 1 << 20;

pub async fn handle(platform: &impl Platform, request: Request<Bytes>) -> Response<Body> {
    let id = http_api::new_request_id(platform);
    http_api::finish(id, ProblemShape::ProblemJson, route(platform, &request).await)
}

async fn route(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    http_api::check_body(request, EVENT_BYTES_MAX)?;
    let path = request.uri().path();
    match (request.method().as_str(), http_api::segments(path).as_slice()) {
        ("GET", ["health"]) => Ok(http_api::healthy("stripe-webhook")),
        ("POST", ["webhooks", "stripe"]) => routes::events::receive(platform, request).await,
        _ => Err(Problem::no_such_route(request.method(), path).into()),
    }
}
