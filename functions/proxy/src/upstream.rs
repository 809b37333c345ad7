//! One call to a target: in its format, with its key, within its time.

use crate::directory::Route;
use bytes::Bytes;
use core::time::Duration;
use domain::routing::{Target, TargetKind};
use futures_util::stream;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_api::Problem;
use llm_formats::UpstreamError;
use llm_formats::demo_echo;
use llm_formats::openai_chat::{Ceiling, ChatRequest, Edits};
use platform::{Body, Chunks, Platform};

/// Longest answer that is not streamed.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Most of an error's body that is read.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// A target that said yes.
pub struct Answer {
    pub body: Body,
    pub is_stream: bool,
    timeout: Duration,
}

/// The body of a chat call from a client that speaks chat, too.
pub fn rewritten(target: &Target, chat: &ChatRequest, output_tokens_max: u64) -> Bytes {
    let server = target.server();
    chat.rewrite(&Edits {
        model: model_at(target, &chat.asked.model),
        ceiling: Some(Ceiling { field: server.ceiling_field, tokens: output_tokens_max }),
        include_usage: chat.asked.stream,
        standard_tier: server.pins_service_tier,
    })
}

/// The model's name in a call to `target`.
pub fn model_at<'a>(target: &'a Target, asked: &'a str) -> &'a str {
    match target.kind {
        TargetKind::DemoEcho => asked,
        TargetKind::OpenAiCompatible { .. } => &target.upstream_model,
    }
}

/// Sends the call. Every refusal comes back as a problem in our words; nothing is charged for it.
pub async fn send(
    platform: &impl Platform,
    route: &Route,
    body: Bytes,
    streams: bool,
    completion_id: &str,
) -> Result<Answer, Problem> {
    let target = route.target();
    match &target.kind {
        TargetKind::DemoEcho => {
            let created = u64::try_from(platform.now().as_secs()).unwrap_or(0);
            echo(&body, completion_id, created)
        }
        TargetKind::OpenAiCompatible { base_url, first_byte_timeout_ms, .. } => {
            let request = request(base_url, route.provider_key.as_deref(), streams, body)?;
            let timeout = Duration::from_millis(*first_byte_timeout_ms);
            let response = platform
                .within(timeout, platform.send(request))
                .await
                .ok_or_else(Problem::upstream_timed_out)?;
            let response = response.map_err(|error| {
                log::warn!("{} at {} is out of reach: {error}", target.provider, host(base_url));
                Problem::upstream_failed("The model's provider is out of reach. Nothing was charged; retry.")
            })?;
            accepted(response, timeout, &target.provider).await
        }
    }
}

impl Answer {
    /// The answer as it comes.
    pub fn chunks(self) -> Box<dyn Chunks> {
        match self.body {
            Body::Stream(chunks) => chunks,
            // Short enough for its host to have read it whole; targets relay nothing.
            Body::Full(bytes) => Box::new(stream::iter([Ok(bytes)])),
            Body::Relayed(relayed) => relayed.source,
        }
    }

    /// The whole answer, if it comes in time.
    pub async fn whole(self, platform: &impl Platform) -> Result<Bytes, Problem> {
        let collected = platform.within(self.timeout, self.body.collect(ANSWER_BYTES_MAX)).await;
        collected.ok_or_else(Problem::upstream_timed_out)?.map_err(|error| {
            log::warn!("an answer broke off: {error}");
            Problem::upstream_failed("The model's provider broke its answer off. Nothing was charged; retry.")
        })
    }
}

fn request(base_url: &str, key: Option<&str>, streams: bool, body: Bytes) -> Result<Request<Bytes>, Problem> {
    let mut builder = Request::builder()
        .method(Method::POST)
        .uri(format!("{base_url}/chat/completions"))
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, if streams { "application/json, text/event-stream" } else { "application/json" });
    if let Some(key) = key {
        let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| Problem::internal())?;
        value.set_sensitive(true);
        builder = builder.header(AUTHORIZATION, value);
    }
    builder.body(body).map_err(|error| {
        log::error!("the target's address cannot be used: {error}");
        Problem::internal()
    })
}

/// For the log, with its port. Where a deployment lets calls go to named hosts only, its operator reads here which one
/// was asked for.
fn host(base_url: &str) -> &str {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

async fn accepted(response: Response<Body>, timeout: Duration, provider: &str) -> Result<Answer, Problem> {
    if !response.status().is_success() {
        return Err(refused(response, provider).await);
    }
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_stream = content_type.is_some_and(|value| value.starts_with("text/event-stream"));
    Ok(Answer { body: response.into_body(), is_stream, timeout })
}

/// What the caller can mend is told in the provider's words; what only we can mend is not.
async fn refused(response: Response<Body>, provider: &str) -> Problem {
    let status = response.status();
    // As a date it is left out: clients then pause as they see fit.
    let retry_after = http_api::header(response.headers(), RETRY_AFTER.as_str()).ok().flatten();
    let retry_after: Option<u64> = retry_after.and_then(|seconds| seconds.parse().ok());
    let body = response.into_body().collect(ERROR_BYTES_MAX).await.unwrap_or_default();
    let error = UpstreamError::read(&body).unwrap_or_default();
    log::warn!("{provider} refused with {status}: {:?} {:?}", error.kind, error.code);
    match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            let said = if error.message.is_empty() { "no reason was given" } else { &error.message };
            Problem::bad_request(
                "upstream_rejected",
                format!("The model's provider refused the request: {said}"),
            )
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let problem = Problem::new(
                status,
                "rate_limit_error",
                "upstream_rate_limited",
                "The model's provider is over its rate limit. Nothing was charged; retry after a pause.",
            );
            match retry_after {
                Some(seconds) => problem.retry_after_ms(seconds.saturating_mul(1_000)),
                None => problem,
            }
        }
        _ => Problem::upstream_failed("The model's provider failed. Nothing was charged; retry."),
    }
}

fn echo(body: &Bytes, id: &str, created: u64) -> Result<Answer, Problem> {
    let chat = ChatRequest::scan(body).map_err(|_| Problem::internal())?;
    let answer = demo_echo::answer(&chat, id, created);
    let body = if chat.asked.stream {
        let chunks: Vec<_> = answer.chunks().map(Ok).collect();
        Body::stream(stream::iter(chunks))
    } else {
        Body::Full(answer.completion())
    };
    Ok(Answer { body, is_stream: chat.asked.stream, timeout: Duration::from_secs(1) })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_log_names_host_and_port_and_no_password() {
        for (base_url, host) in [
            ("https://api.example.com/v1", "api.example.com"),
            ("http://127.0.0.1:9000/v1", "127.0.0.1:9000"),
            ("https://user:password@api.example.com?x", "api.example.com"),
        ] {
            assert_eq!(super::host(base_url), host);
        }
    }
}
