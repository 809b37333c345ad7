//! How a handler fails, and how every answer leaves: with its request id, failures in the caller's format.

use crate::{Problem, ProblemShape, json};
use domain::identity::RequestId;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use platform::{Body, Clock, PlatformError, PlatformErrorKind, Randomness};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a handler did not answer as asked.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The caller can act on it.
    Refused(Problem),
    /// The host let us down; the text is for the log only.
    Host(PlatformError),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<PlatformError> for Failure {
    fn from(error: PlatformError) -> Self {
        Self::Host(error)
    }
}

impl Failure {
    fn as_problem(&self) -> Problem {
        match self {
            Self::Refused(problem) => problem.clone(),
            Self::Host(error) => match error.kind {
                PlatformErrorKind::Unavailable | PlatformErrorKind::TimedOut => Problem::unavailable(
                    "temporarily_unavailable",
                    "A part of the service cannot be reached at the moment. Retry shortly.",
                ),
                PlatformErrorKind::Malformed
                | PlatformErrorKind::Conflict
                | PlatformErrorKind::NotConfigured => Problem::internal(),
            },
        }
    }
}

pub fn new_request_id(platform: &(impl Clock + Randomness)) -> RequestId {
    let mut random = [0; 10];
    platform.fill(&mut random);
    RequestId::new(platform.now(), &random)
}

/// The path's parts: `/api/users/` is `["api", "users"]`.
pub fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

/// `GET /health`: the function runs. It asks no other part, so that a probe costs nothing.
pub fn healthy(function: &'static str) -> Response<Body> {
    json(StatusCode::OK, &serde_json::json!({ "status": "ok", "function": function }))
}

/// The answer as it leaves. What the host failed with is logged here, once, beside the request id.
pub fn finish(
    id: RequestId,
    shape: ProblemShape,
    result: Result<Response<Body>, impl Into<Failure>>,
) -> Response<Body> {
    let id = id.to_string();
    let mut response = result.unwrap_or_else(|failure| {
        let failure = failure.into();
        if let Failure::Host(error) = &failure {
            log::error!("request {id}: {error}");
        }
        let problem = failure.as_problem();
        match shape {
            // In providers' formats the header alone carries it.
            ProblemShape::OpenAi | ProblemShape::Anthropic => problem.render(shape),
            ProblemShape::ProblemJson => problem.detail("request_id", id.as_str()).render(shape),
        }
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
