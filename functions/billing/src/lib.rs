//! Budgets, usage and users, for machine clients with an `X-API-Key`.

mod budget_view;
mod caller;
mod ledger;
mod limit_fields;
mod new_api_key;
mod once;
mod routes;
mod usage_csv;
mod usage_filter;
mod usage_view;

#[cfg(target_os = "wasi")]
mod on_spin;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod on_workers;

pub use outbox;

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
        ("GET", ["health"]) => Ok(http_api::healthy("billing")),
        ("POST", ["api", "check-budget"]) => routes::budget::check(platform, request).await,
        ("DELETE", ["api", "holds", id]) | ("POST", ["api", "holds", id, "release"]) => {
            routes::holds::release(platform, request, id).await
        }
        ("POST", ["api", "usage", "log"]) => routes::usage::log(platform, request).await,
        ("GET", ["api", "usage"]) => routes::usage::list(platform, request).await,
        ("GET", ["api", "usage", "summary"]) => routes::usage::summary(platform, request).await,
        ("GET", ["api", "usage", "export"]) => routes::usage::export(platform, request).await,
        ("POST", ["api", "provider-bills"]) => routes::provider_bills::import(platform, request).await,
        ("GET", ["api", "reconciliation"]) => routes::reconciliation::show(platform, request).await,
        ("POST", ["api", "users"]) => routes::users::create(platform, request).await,
        ("PATCH", ["api", "users", id]) => routes::users::update(platform, request, id).await,
        ("DELETE", ["api", "users", id]) => routes::users::close(platform, request, id).await,
        ("GET", ["api", "users", id, "budget"]) => routes::budget::show(platform, request, id).await,
        ("POST", ["api", "users", id, "keys"]) => routes::keys::create(platform, request, id).await,
        ("PATCH", ["api", "users", id, "keys", key]) => {
            routes::keys::update(platform, request, id, key).await
        }
        ("POST", ["api", "users", id, "keys", key, "rotate"]) => {
            routes::keys::rotate(platform, request, id, key).await
        }
        ("DELETE", ["api", "users", id, "keys", key]) => {
            routes::keys::revoke(platform, request, id, key).await
        }
        ("POST", ["api", "users", id, "adjustments"]) => {
            routes::operations::adjust(platform, request, id).await
        }
        ("POST", ["api", "users", id, "resets"]) => routes::operations::reset(platform, request, id).await,
        ("POST", ["api", "users", id, "top-ups"]) => routes::operations::top_up(platform, request, id).await,
        ("POST", ["api", "users", id, "refunds"]) => routes::operations::refund(platform, request, id).await,
        ("GET", ["api", "tenants", id, "budget"]) => routes::tenants::budget(platform, request, id).await,
        ("PATCH", ["api", "tenants", id]) => routes::tenants::update(platform, request, id).await,
        ("POST", ["api", "tenants", id, "webhooks"]) => routes::webhooks::create(platform, request, id).await,
        ("GET", ["api", "tenants", id, "webhooks"]) => routes::webhooks::list(platform, request, id).await,
        ("DELETE", ["api", "tenants", id, "webhooks", webhook]) => {
            routes::webhooks::delete(platform, request, id, webhook).await
        }
        _ => Err(Problem::no_such_route(request.method(), path).into()),
    }
}
