//! Requests that make something under an id of the caller's own: each makes it once.

use bytes::Bytes;
use domain::identity::RequestId;
use http::{Request, StatusCode};
use http_api::{Failure, Problem, idempotency_key};
use platform::{Platform, PlatformError, Statement};
use serde_json::Value;
use store::idempotent_requests::{self, Made};

const HEADER: &str = "Idempotency-Key";

/// What a request says of itself so that its repetition is recognised.
pub struct Once {
    /// None: every request makes another.
    id: Option<RequestId>,
    content: String,
}

impl Once {
    /// `place` names what is made, and whose it is: the same id elsewhere is another.
    pub fn of(request: &Request<Bytes>, place: &str) -> Result<Self, Problem> {
        let id = idempotency_key(request.headers())?.map(|id| RequestId::of_foreign(place, id));
        let body = String::from_utf8_lossy(request.body());
        Ok(Self { id, content: RequestId::of_foreign("content", &body).to_string() })
    }

    /// What an earlier request made under this id, without secrets and with `repeated`. The same id with another body
    /// is 409 `idempotency_key_reused`.
    pub async fn made(&self, platform: &impl Platform) -> Result<Option<Value>, Failure> {
        let Some(id) = self.id else { return Ok(None) };
        let Some(Made { content, answer }) = idempotent_requests::find(platform, id).await? else {
            return Ok(None);
        };
        if content != self.content {
            return Err(reused().into());
        }
        let answer = serde_json::from_str::<Value>(&answer);
        let mut answer =
            answer.map_err(|_| PlatformError::malformed("an answer that was kept is no JSON"))?;
        answer["repeated"] = true.into();
        Ok(Some(answer))
    }

    /// For the commit that makes it; it violates a constraint when the id was used meanwhile. `answer` must be without
    /// secrets.
    pub fn statement(&self, answer: &Value, now: domain::time::Timestamp) -> Option<Statement> {
        let made = Made { content: self.content.clone(), answer: answer.to_string() };
        self.id.map(|id| idempotent_requests::insert(id, &made, now))
    }
}

fn reused() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "invalid_request_error",
        "idempotency_key_reused",
        "This `Idempotency-Key` came with another body before. Use another for another request.",
    )
    .about(HEADER)
}
