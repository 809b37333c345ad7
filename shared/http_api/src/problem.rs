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
    /// RFC 9457, `application/problem+json`.
    ProblemJson,
}

const REQUEST: &str = "invalid_request_error";
const SERVER: &str = "server_error";

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

    fn retry_after_ms(mut self, millis: u64) -> Self {
        self.headers.push((RETRY_AFTER, millis.div_ceil(1000).max(1).into()));
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
        Self::new(StatusCode::FORBIDDEN, "budget_error", "budget_exceeded", message)
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

    pub fn rate_limited(refusal: &RateRefusal) -> Self {
        let unit = match refusal.kind {
            RateKind::Requests => "requests",
            RateKind::Tokens => "tokens",
        };
        let mut problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_error",
            "rate_limit_exceeded",
            format!(
                "The {}'s limit of {} {unit} per minute is reached. Retry after the time in `Retry-After`.",
                refusal.source.as_str(),
                refusal.limit
            ),
        )
        .detail("limit_source", refusal.source.as_str())
        .retry_after_ms(refusal.retry_after_ms);
        problem.headers.extend(rate_limit_headers(&refusal.statuses));
        problem
    }

    pub fn too_many_holds(max: u32) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_error",
            "concurrency_limit",
            format!(
                "{max} calls of this user are open at once, which is the limit. Retry when some have ended."
            ),
        )
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
            ProblemShape::ProblemJson => ("application/problem+json", self.as_problem_json()),
        };
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().extend(self.headers);
        response
    }

    fn as_openai(&self) -> Value {
        let mut error = (*self.details).clone();
        error.insert("message".into(), self.message.clone().into());
        error.insert("type".into(), self.kind.into());
        error.insert("param".into(), self.param.clone().into());
        error.insert("code".into(), self.code.into());
        json!({ "error": error })
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
        if let Ok(value) = HeaderValue::from_str(&format!("{}ms", status.reset_ms)) {
            headers.push((HeaderName::from_static(reset), value));
        }
    }
    headers
}
