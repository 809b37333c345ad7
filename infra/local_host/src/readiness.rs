//! Whether the product is there for its users: seeded, with the demo user. Until then nobody is told that it is healthy.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

/// Of a host that has just started. xtask opens it when everything is in.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    pub fn open(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// The body of the 503 that a question for health gets until then; none for other requests, which are answered, so
    /// that xtask can make the demo user.
    pub fn refusal(&self, path: &str) -> Option<Value> {
        let closed = is_health(path) && !self.0.load(Ordering::Acquire);
        closed.then(|| json!({ "status": "starting" }))
    }
}

/// `/health`, and `/billing/health` and its like.
fn is_health(path: &str) -> bool {
    let mut words = path.split('/').skip(1);
    matches!(
        (words.next(), words.next(), words.next()),
        (Some("health"), None, None) | (Some(_), Some("health"), None)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_questions_for_health_wait_until_the_host_is_opened() {
        let readiness = Readiness::default();
        for path in ["/health", "/billing/health", "/cron/health"] {
            assert!(readiness.refusal(path).is_some(), "{path}");
        }
        for path in ["/", "/api/users", "/healthy", "/v1/health/x", "/api/users/health/keys"] {
            assert!(readiness.refusal(path).is_none(), "{path}");
        }
        readiness.open();
        assert!(readiness.refusal("/health").is_none());
    }
}
