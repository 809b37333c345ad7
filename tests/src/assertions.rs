//! What stories assert in common, and how they wait: for an event, up to a deadline, never for a time.

use crate::client::Answer;
use serde_json::Value;
use std::time::Duration;

/// Longer than anything takes on a slow and busy machine; reached only by a failing test.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How often `eventually` looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The future's value; panics, saying what was awaited, after [`DEADLINE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} for {what}"),
    }
}

/// Looks until there is something; for what is delivered in the background.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    within(what, async {
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    })
    .await
}

impl Answer {
    /// Asserts an OpenAI-shaped error with this status and code; returns the error object.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        let mut body = self.json();
        let error = body["error"].take();
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        assert!(error["type"].as_str().is_some_and(|kind| !kind.is_empty()), "{error}");
        assert!(error.get("param").is_some(), "{error}");
        assert!(self.headers.contains_key("x-request-id"), "an error without x-request-id");
        error
    }

    /// The same for the APIs of people and machines, which speak problem+json (RFC 9457).
    #[track_caller]
    pub fn expect_problem_json(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{problem}");
        problem
    }
}
