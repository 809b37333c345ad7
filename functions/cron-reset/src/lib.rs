//! Schedules: tells pools and accounts what they have not heard, makes views true, sums usage, wakes what
//! sleeps, sends notices, drops what is old. `jobs.rs` is the list.
//!
//! Nothing depends on a run being on time: accounts reset themselves on their first command after the
//! boundary, and end holds by themselves. Running it twice, or twice at once, changes nothing.

mod allowance;
mod deliveries;
mod due_resets;
mod jobs;
mod mail;
mod notices;
mod operations;
mod pending_changes;
mod pool_pushes;
mod pruning;
mod run;
mod run_by_request;
mod sleeping;
mod usage_retention;
mod usage_rollups;
mod webhook;

#[cfg(target_os = "wasi")]
mod on_spin;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod on_workers;

pub use jobs::Slice;
pub use run::{JobSummary, Summary};
pub use run_by_request::Alarms;

use bytes::Bytes;
use http::{Request, Response};
use http_api::{Failure, Problem, ProblemShape};
use platform::{Body, Platform, PlatformError};

/// Accounts asked, and messages sent, at the same time.
const AT_ONCE: usize = 6;
/// Questions to the host in one run: below the 1,000 subrequests that Workers allows an invocation.
pub const QUESTIONS_PER_RUN: usize = 900;

pub async fn handle(platform: &impl Platform, request: Request<Bytes>) -> Response<Body> {
    handle_with(platform, request, async || Ok(Alarms::default())).await
}

/// The same for a host whose machines are not woken by themselves: a run also rings their alarms.
pub async fn handle_with(
    platform: &impl Platform,
    request: Request<Bytes>,
    ring: impl AsyncFnOnce() -> Result<Alarms, PlatformError>,
) -> Response<Body> {
    let id = http_api::new_request_id(platform);
    http_api::finish(id, ProblemShape::ProblemJson, route(platform, &request, ring).await)
}

async fn route(
    platform: &impl Platform,
    request: &Request<Bytes>,
    ring: impl AsyncFnOnce() -> Result<Alarms, PlatformError>,
) -> Result<Response<Body>, Failure> {
    let path = request.uri().path();
    match (request.method().as_str(), http_api::segments(path).as_slice()) {
        ("GET", ["health"]) => Ok(http_api::healthy("cron-reset")),
        ("POST", ["cron", "run"]) => run_by_request::run(platform, request, ring).await,
        _ => Err(Problem::no_such_route(request.method(), path).into()),
    }
}

/// Runs every job that is due, whichever `cron` expression fired.
pub async fn scheduled(platform: &impl Platform, _cron: &str) -> Summary {
    scheduled_within(platform, QUESTIONS_PER_RUN).await
}

/// The same with another number of questions: for hosts with other limits.
pub async fn scheduled_within(platform: &impl Platform, questions: usize) -> Summary {
    run::run(platform, &jobs::table(), questions).await
}
