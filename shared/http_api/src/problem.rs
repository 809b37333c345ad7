//! Everything that can go wrong, as a caller sees it. One table of constructors; rendered once, in the
//! caller's wire format.

use domain::account::{BudgetRefusal, LimitFigures, LimitSource, RateRefusal};
use domain::rate_limit::{RateKind, RateStatuses};
use http::{HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE, header::RETRY_AFTER};
use platform::Body;
use serde_json::{Map, Value, json};

/// A refusal or failure. The message says what is wrong and what to do; internal text never gets here.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// OpenAI's `type`: `invalid_request_error`, `server_error` …
    pub kind: &'static str,
    /// A word for programs: `budget_exceeded`.
    pub code: &'static str,
    pub message: String,
    /// The field at fault, as the caller wrote it.
    pub param: Option<String>,
    /// More members of the error object. Boxed: problems are rare, results are passed by value.
    pub details: Box<Map<String, Value>>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Which format the caller reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemShape {
    /// `{"error": {"message", "type", "param", "code", …}}`
    OpenAi,
    /// `{"type": "error", "error": {"type", "message", "param", "code", …}}`; `type` is Anthropic's word for the status.
    Anthropic,
    /// RFC 9457, `application/problem+json`.
    ProblemJson,
}

/// Nobody is asked to wait for longer: what has to, is refused for good.
const RETRY_AFTER_SECS_MAX: u64 = 3_600;
/// Limits are per minute, so that each is free again after one.
const RESET_MS_MAX: u64 = 60_000;

const REQUEST: &str = "invalid_request_error";
const SERVER: &str = "server_error";
const BUDGET: &str = "budget_error";

impl Problem {
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            code,
            message: message.into(),
            param: None,
            details: Box::default(),
            headers: Vec::new(),
        }
    }

    #[must_use]
    pub fn about(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.into(), value.into());
        self
    }

    /// The one place where a time to wait becomes a header: at least a second, at most [`RETRY_AFTER_SECS_MAX`].
    #[must_use]
    pub fn retry_after_ms(mut self, millis: u64) -> Self {
        let seconds = millis.div_ceil(1000).clamp(1, RETRY_AFTER_SECS_MAX);
        self.headers.push((RETRY_AFTER, seconds.into()));
        self
    }

    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, REQUEST, code, message)
    }

    /// A field is missing or wrong.
    pub fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        Self::bad_request("invalid_value", message).about(field)
    }

    /// A field or parameter comes twice.
    pub fn duplicate(name: &str) -> Self {
        Self::bad_request("duplicate_field", format!("`{name}` is given twice. Send it once.")).about(name)
    }

    pub fn body_too_large(max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            REQUEST,
            "request_too_large",
            format!("The body is larger than {max} bytes. Send a shorter request."),
        )
    }

    /// Missing, forged, unknown, expired and revoked keys all get this, so that nobody learns which.
    pub fn invalid_api_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "invalid_api_key",
            "The API key is missing or not valid. Send `Authorization: Bearer sk-cf-…` with a key that is neither expired nor revoked.",
        )
    }

    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_error", code, message)
    }

    pub fn user_inactive() -> Self {
        Self::forbidden("user_inactive", "This user is not active. Ask your administrator to activate it.")
    }

    pub fn tenant_inactive() -> Self {
        Self::forbidden(
            "tenant_inactive",
            "This tenant is not active. Ask your administrator or our support.",
        )
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, REQUEST, "not_found", message)
    }

    pub fn no_such_route(method: &http::Method, path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            REQUEST,
            "unknown_url",
            format!("There is nothing at {method} {path}. See the documentation for the routes."),
        )
    }

    pub fn model_not_found(model: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            REQUEST,
            "model_not_found",
            format!(
                "The model `{model}` does not exist or you have no access to it. GET /v1/models lists yours."
            ),
        )
        .about("model")
    }

    /// The prices of this model are not all known, so it cannot be paid for.
    pub fn unpriced_model(model: &str) -> Self {
        Self::bad_request(
            "unpriced_model",
            format!("The model `{model}` has no price yet, so no call to it can be paid. Ask your administrator to set its prices."),
        )
        .about("model")
    }

    /// 403 and not 429, which clients would retry.
    pub fn budget_exceeded(refusal: &BudgetRefusal, affordable_max_tokens: Option<u64>) -> Self {
        let LimitFigures { source, limit, remaining, resets_at, .. } = &refusal.figures;
        let remedy = match affordable_max_tokens {
            Some(tokens) => format!("`max_tokens` up to {tokens} would fit"),
            None => "not even one token of output would fit".to_owned(),
        };
        let whose = match source {
            LimitSource::Key => "this API key's budget",
            LimitSource::User => "this user's budget",
            LimitSource::Tenant => "the tenant's budget",
        };
        let message = format!(
            "Budget exceeded: this call may cost up to €{}, and €{remaining} of €{limit} of {whose} is left until {}; {remedy}.",
            refusal.worst_case,
            resets_at.to_rfc3339(),
        );
        Self::new(StatusCode::FORBIDDEN, BUDGET, "budget_exceeded", message)
            .figures(&refusal.figures)
            .detail("needed", refusal.worst_case.to_string())
            .detail("affordable_max_tokens", affordable_max_tokens.map_or(Value::Null, Value::from))
    }

    /// The limit that stopped it, decimal euros as texts. `limit = used + reserved + remaining - over`.
    #[must_use]
    pub fn figures(self, figures: &LimitFigures) -> Self {
        let LimitFigures { source, limit, used, reserved, remaining, over, resets_at } = figures;
        self.detail("limit_source", source.as_str())
            .detail("limit", limit.to_string())
            .detail("used", used.to_string())
            .detail("reserved", reserved.to_string())
            .detail("remaining", remaining.to_string())
            .detail("over", over.to_string())
            .detail("currency", "EUR")
            .detail("resets_at", resets_at.to_rfc3339())
    }

    /// What passes after a while is 429 with `Retry-After`; what never does is [`Self::exceeds_limit`].
    pub fn rate_limited(refusal: &RateRefusal, affordable_max_tokens: Option<u64>) -> Self {
        let (unit, kind) = match refusal.kind {
            RateKind::Requests => ("requests", "requests_per_minute"),
            RateKind::Tokens => ("tokens", "tokens_per_minute"),
        };
        let whose = refusal.source.as_str();
        let mut problem = match refusal.retry_after_ms {
            None => Self::exceeds_limit(
                (whose, kind),
                (refusal.limit, refusal.needed),
                &format!("{unit} per minute"),
                affordable_max_tokens,
            ),
            Some(millis) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                "rate_limit_exceeded",
                format!(
                    "The {whose}'s limit of {} {unit} per minute is reached. Retry after the time in `Retry-After`.",
                    refusal.limit
                ),
            )
            .detail("limit_source", whose)
            .detail("kind", kind)
            .detail("limit", refusal.limit)
            .retry_after_ms(millis),
        };
        problem.headers.extend(rate_limit_headers(&refusal.statuses));
        problem
    }

    /// More than the whole limit is needed. 403 and not 429: clients would retry for ever what can never pass.
    fn exceeds_limit(
        (source, kind): (&str, &str),
        (limit, needed): (u64, u64),
        unit: &str,
        affordable_max_tokens: Option<u64>,
    ) -> Self {
        let remedy = match affordable_max_tokens {
            Some(tokens) => {
                format!("Send `max_tokens` up to {tokens}, or ask your administrator to raise the limit.")
            }
            None => "Ask your administrator to raise the limit.".to_owned(),
        };
        let message = format!(
            "This call needs {needed} {unit}, which is more than the {source}'s whole limit of {limit}, so that it can never pass. {remedy}"
        );
        Self::new(StatusCode::FORBIDDEN, "rate_limit_error", "exceeds_limit", message)
            .detail("limit_source", source)
            .detail("kind", kind)
            .detail("limit", limit)
            .detail("needed", needed)
            .detail("affordable_max_tokens", affordable_max_tokens.map_or(Value::Null, Value::from))
    }

    pub fn too_many_holds(max: u32) -> Self {
        let (source, kind) = (LimitSource::User.as_str(), "concurrency");
        if max == 0 {
            return Self::exceeds_limit((source, kind), (0, 1), "call open at once", None);
        }
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_error",
            "concurrency_limit",
            format!(
                "{max} calls of this user are open at once, which is the limit. Retry when some have ended."
            ),
        )
        .detail("limit_source", source)
        .detail("kind", kind)
        .detail("limit", max)
        .retry_after_ms(1_000)
    }

    /// The ledger cannot be asked: nothing was sent upstream.
    pub fn ledger_unavailable() -> Self {
        Self::unavailable(
            "ledger_unavailable",
            "Your budget cannot be checked at the moment, so the call was not made. Retry shortly.",
        )
    }

    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, code, message).retry_after_ms(1_000)
    }

    pub fn upstream_failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, SERVER, "upstream_error", message)
    }

    pub fn upstream_timed_out() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            SERVER,
            "upstream_timeout",
            "The model's provider did not answer in time. Nothing was charged; retry.",
        )
    }

    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            SERVER,
            "internal_error",
            "Something went wrong on our side. Retry; if it stays, tell us the request id.",
        )
    }

    pub fn render(self, shape: ProblemShape) -> Response<Body> {
        let (content_type, body) = match shape {
            ProblemShape::OpenAi => ("application/json", self.as_openai()),
            ProblemShape::Anthropic => ("application/json", self.as_anthropic()),
            ProblemShape::ProblemJson => ("application/problem+json", self.as_problem_json()),
        };
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().extend(self.headers);
        response
    }

    fn as_openai(&self) -> Value {
        json!({ "error": self.error_object(self.kind) })
    }

    fn as_anthropic(&self) -> Value {
        let kind = match self.status.as_u16() {
            _ if self.kind == BUDGET => "billing_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            504 => "timeout_error",
            529 => "overloaded_error",
            400..=499 => REQUEST,
            _ => "api_error",
        };
        json!({ "type": "error", "error": self.error_object(kind) })
    }

    fn error_object(&self, kind: &str) -> Map<String, Value> {
        let mut error = (*self.details).clone();
        error.insert("message".into(), self.message.clone().into());
        error.insert("type".into(), kind.into());
        error.insert("param".into(), self.param.clone().into());
        error.insert("code".into(), self.code.into());
        error
    }

    fn as_problem_json(&self) -> Value {
        let mut problem = (*self.details).clone();
        problem.insert("type".into(), "about:blank".into());
        problem.insert("title".into(), self.status.canonical_reason().unwrap_or("Error").into());
        problem.insert("status".into(), self.status.as_u16().into());
        problem.insert("detail".into(), self.message.clone().into());
        problem.insert("code".into(), self.code.into());
        if let Some(param) = &self.param {
            problem.insert("param".into(), param.clone().into());
        }
        Value::Object(problem)
    }
}

/// `x-ratelimit-*` as OpenAI sends them.
pub fn rate_limit_headers(statuses: &RateStatuses) -> Vec<(HeaderName, HeaderValue)> {
    let names = [
        (
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
            statuses.requests,
        ),
        (
            "x-ratelimit-limit-tokens",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset-tokens",
            statuses.tokens,
        ),
    ];
    let mut headers = Vec::new();
    for (limit, remaining, reset, status) in names {
        let Some(status) = status else { continue };
        headers.push((HeaderName::from_static(limit), status.limit.into()));
        headers.push((HeaderName::from_static(remaining), status.remaining.into()));
        if let Ok(value) = HeaderValue::from_str(&format!("{}ms", status.reset_ms.min(RESET_MS_MAX))) {
            headers.push((HeaderName::from_static(reset), value));
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::rate_limit::RateStatus;

    fn refusal(retry_after_ms: Option<u64>) -> RateRefusal {
        let status = RateStatus { limit: u64::MAX, remaining: 0, reset_ms: u64::MAX };
        RateRefusal {
            source: LimitSource::Tenant,
            kind: RateKind::Tokens,
            limit: 1_000,
            retry_after_ms,
            statuses: RateStatuses { requests: Some(status), tokens: Some(status) },
            needed: 4_096,
            affordable_output: None,
        }
    }

    fn sent<'a>(problem: &'a Problem, name: &str) -> Option<&'a str> {
        let (_, value) = problem.headers.iter().find(|(known, _)| known == name)?;
        value.to_str().ok()
    }

    #[test]
    fn no_answer_carries_an_absurd_time() {
        let waits = [(0, "1"), (1_001, "2"), (60_000, "60"), (u64::MAX, "3600")];
        for (millis, seconds) in waits {
            let problem = Problem::rate_limited(&refusal(Some(millis)), None);
            assert_eq!(
                (problem.status, sent(&problem, "retry-after")),
                (StatusCode::TOO_MANY_REQUESTS, Some(seconds))
            );
            assert_eq!(sent(&problem, "x-ratelimit-reset-tokens"), Some("60000ms"));
            assert_eq!(sent(&problem, "x-ratelimit-reset-requests"), Some("60000ms"));
        }
    }

    /// SDKs try 408, 409, 429 and 5xx again.
    #[test]
    fn what_can_never_pass_is_refused_so_that_nobody_tries_again() {
        for (problem, kind, limit, needed) in [
            (Problem::rate_limited(&refusal(None), Some(700)), "tokens_per_minute", 1_000, 4_096),
            (Problem::too_many_holds(0), "concurrency", 0, 1),
        ] {
            assert_eq!((problem.status, problem.code), (StatusCode::FORBIDDEN, "exceeds_limit"));
            assert_eq!(sent(&problem, "retry-after"), None);
            assert_eq!(problem.details["kind"], kind);
            assert_eq!(
                (&problem.details["limit"], &problem.details["needed"]),
                (&json!(limit), &json!(needed))
            );
            assert!(
                problem.details.contains_key("limit_source")
                    && problem.details.contains_key("affordable_max_tokens")
            );
        }
    }
}
