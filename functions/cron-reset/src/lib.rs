//! Schedules: tells accounts what they have not heard, lets due accounts begin their new period, prunes.
//!
//! Accounts reset themselves on their first command after the boundary, so nothing depends on this being
//! on time; it makes the views true. Running it twice, or twice at once, changes nothing.

mod due_accounts;
mod pending_changes;

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod on_workers;

use bytes::Bytes;
use core::time::Duration;
use http::{Request, Response};
use http_api::{Failure, Problem, ProblemShape};
use platform::{Body, Platform, PlatformError};

/// Accounts asked at the same time.
const AT_ONCE: usize = 6;
/// How long log-in counts are kept; longer than any window they count for.
const LOGIN_ATTEMPTS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

pub async fn handle(platform: &impl Platform, request: Request<Bytes>) -> Response<Body> {
    let id = http_api::new_request_id(platform);
    http_api::finish(id, ProblemShape::ProblemJson, route(&request))
}

fn route(request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let path = request.uri().path();
    match (request.method().as_str(), http_api::segments(path).as_slice()) {
        ("GET", ["health"]) => Ok(http_api::healthy("cron-reset")),
        _ => Err(Problem::no_such_route(request.method(), path).into()),
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Accounts that acknowledged a pending configuration.
    pub told: u64,
    /// Accounts whose period was over and that told when the new one ends.
    pub reset: u64,
    /// What failed, and was logged; the next run tries again.
    pub failures: u64,
}

/// Runs every schedule that is due, whichever `cron` expression fired.
pub async fn scheduled(platform: &impl Platform, _cron: &str) -> Summary {
    let mut summary = Summary::default();
    pending_changes::tell(platform, &mut summary).await;
    due_accounts::reset(platform, &mut summary).await;
    let pruned = store::login_attempts::prune(platform.now().minus(LOGIN_ATTEMPTS_KEPT));
    if let Err(error) = platform.commit(vec![pruned]).await {
        summary.failed(&error);
    }
    summary
}

impl Summary {
    fn failed(&mut self, error: &PlatformError) {
        log::error!("a scheduled step failed: {error}");
        self.failures += 1;
    }
}
