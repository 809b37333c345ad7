//! `POST /cron/run`: a scheduler outside asks for a run, where the host has none of its own. Running it twice, or twice
//! at once, changes nothing.

use crate::scheduled;
use domain::api_key::KeyHash;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Problem, bearer_or_api_key, json};
use platform::{Body, Platform, PlatformErrorKind};
use serde_json::json as object;

pub const PATH: &str = "/cron/run";
/// Shorter ones are taken for a mistake.
const SECRET_LENGTH_MIN: usize = 32;

pub async fn run(
    platform: &impl Platform,
    request: &Request<bytes::Bytes>,
) -> Result<Response<Body>, Failure> {
    authenticate(platform, request).await?;
    let summary = scheduled(platform, "").await;
    Ok(json(
        StatusCode::OK,
        &object!({ "done": summary.done(), "failures": summary.all_failures(), "questions": summary.questions }),
    ))
}

/// The bearer is the secret `CRON_SECRET`; hashes are compared, so that the time tells nothing.
async fn authenticate(platform: &impl Platform, request: &Request<bytes::Bytes>) -> Result<(), Failure> {
    let secret = match platform.secret("CRON_SECRET").await {
        Err(error) if error.kind == PlatformErrorKind::NotConfigured => return Err(not_configured().into()),
        secret => secret?,
    };
    if secret.expose().len() < SECRET_LENGTH_MIN {
        return Err(not_configured().into());
    }
    match bearer_or_api_key(request.headers()) {
        Some(key) if KeyHash::of(key) == KeyHash::of(secret.expose()) => Ok(()),
        _ => Err(Problem::invalid_api_key().into()),
    }
}

fn not_configured() -> Problem {
    Problem::forbidden(
        "cron_not_configured",
        format!(
            "Runs by request are off. Set CRON_SECRET to at least {SECRET_LENGTH_MIN} random characters."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use platform_memory::MemoryPlatform;

    const SECRET: &str = "not-a-secret-but-long-enough-for-one";

    fn ask(platform: &MemoryPlatform, key: Option<&str>) -> StatusCode {
        let mut request = Request::post(PATH);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        block_on(crate::handle(platform, request.body("".into()).unwrap())).status()
    }

    #[test]
    fn a_run_by_request_needs_the_secret() {
        let platform = MemoryPlatform::new();
        platform.set_secret("CRON_SECRET", SECRET);
        assert_eq!(ask(&platform, None), StatusCode::UNAUTHORIZED);
        assert_eq!(ask(&platform, Some("something else")), StatusCode::UNAUTHORIZED);
        assert_eq!([ask(&platform, Some(SECRET)), ask(&platform, Some(SECRET))], [StatusCode::OK; 2]);
    }

    #[test]
    fn without_a_secret_of_some_length_nobody_may_run() {
        let platform = MemoryPlatform::new();
        platform.set_secret("CRON_SECRET", "");
        assert_eq!(ask(&platform, Some("")), StatusCode::FORBIDDEN);
    }
}
