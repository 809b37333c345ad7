//! `POST /cron/run`: a scheduler outside asks for a run, where the host has none of its own. Running it twice, or twice
//! at once, changes nothing.

use crate::scheduled;
use domain::api_key::KeyHash;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Problem, Query, bearer_or_api_key, json};
use platform::{Body, Platform, PlatformError, PlatformErrorKind};
use serde_json::json as object;

/// Shorter ones are taken for a mistake.
const SECRET_LENGTH_MIN: usize = 32;

/// What became of the machines' alarms, where a run rings them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    pub rung: u64,
    pub failures: u64,
    /// Whether some were left for the next run.
    pub more: bool,
}

/// Jobs first, then alarms: the jobs wake machines, too. Fails when the alarms cannot be read, so that whoever watches
/// the scheduler hears of it.
pub async fn run(
    platform: &impl Platform,
    request: &Request<bytes::Bytes>,
    ring: impl AsyncFnOnce() -> Result<Alarms, PlatformError>,
) -> Result<Response<Body>, Failure> {
    authenticate(platform, request).await?;
    Query::none(request.uri())?;
    let summary = scheduled(platform, "").await;
    let alarms = ring().await?;
    let answer = object!({
        "done": summary.done(),
        "failures": summary.all_failures() + alarms.failures,
        "questions": summary.questions,
        "alarms": { "rung": alarms.rung, "failures": alarms.failures, "more": alarms.more },
    });
    Ok(json(StatusCode::OK, &answer))
}

/// The bearer is the secret `CRON_SECRET`; hashes are compared, so that the time tells nothing.
async fn authenticate(platform: &impl Platform, request: &Request<bytes::Bytes>) -> Result<(), Failure> {
    let secret = match platform.secret("CRON_SECRET").await {
        Err(error) if error.kind == PlatformErrorKind::NotConfigured => return Err(not_configured().into()),
        secret => secret?,
    };
    // Nobody could send one with a comma: see `http_api::comma_free_header`.
    if secret.expose().len() < SECRET_LENGTH_MIN || secret.expose().contains(',') {
        return Err(not_configured().into());
    }
    match bearer_or_api_key(request.headers())? {
        Some(key) if KeyHash::of(key) == KeyHash::of(secret.expose()) => Ok(()),
        _ => Err(Problem::invalid_api_key().into()),
    }
}

fn not_configured() -> Problem {
    Problem::forbidden(
        "cron_not_configured",
        format!(
            "Runs by request are off. Set CRON_SECRET to at least {SECRET_LENGTH_MIN} random characters without a comma."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use platform_memory::MemoryPlatform;

    const PATH: &str = "/cron/run";
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
    fn p30_a_secret_that_comes_twice_and_a_parameter_are_refused_by_name() {
        let platform = MemoryPlatform::new();
        platform.set_secret("CRON_SECRET", SECRET);
        let bearer = format!("Bearer {SECRET}");
        let run = |path: &str, keys: &[&str]| {
            let mut request = Request::post(path);
            for key in keys {
                request = request.header("authorization", *key);
            }
            let answer = block_on(crate::handle(&platform, request.body("".into()).unwrap()));
            let status = answer.status();
            let Body::Full(bytes) = answer.into_body() else { panic!("a small answer") };
            (status, serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["param"].clone())
        };
        let twice = run(PATH, &[&bearer, &bearer]);
        assert_eq!(twice, (StatusCode::BAD_REQUEST, object!("authorization")));
        assert_eq!(run("/cron/run?job=notices", &[&bearer]), (StatusCode::BAD_REQUEST, object!("job")));
        assert_eq!(run("/cron/run?job=notices", &[]).0, StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn alarms_that_failed_are_told_and_alarms_that_cannot_be_read_fail_the_run() {
        let platform = MemoryPlatform::new();
        platform.set_secret("CRON_SECRET", SECRET);
        let run = |alarms: Result<Alarms, PlatformError>| {
            let request =
                Request::post(PATH).header("authorization", format!("Bearer {SECRET}")).body("".into());
            let answer = block_on(crate::handle_with(&platform, request.unwrap(), async || alarms));
            let status = answer.status();
            let Body::Full(bytes) = answer.into_body() else { panic!("a small answer") };
            (status, serde_json::from_slice::<serde_json::Value>(&bytes).unwrap())
        };
        let (status, answer) = run(Ok(Alarms { rung: 7, failures: 2, more: true }));
        assert_eq!((status, &answer["failures"]), (StatusCode::OK, &object!(2)));
        assert_eq!(answer["alarms"], object!({ "rung": 7, "failures": 2, "more": true }));
        assert!(run(Err(PlatformError::unavailable("the ledger"))).0.is_server_error());
    }

    #[test]
    fn without_a_secret_of_some_length_nobody_may_run() {
        let platform = MemoryPlatform::new();
        platform.set_secret("CRON_SECRET", "");
        assert_eq!(ask(&platform, Some("")), StatusCode::FORBIDDEN);
        platform.set_secret("CRON_SECRET", &format!("{SECRET},"));
        assert_eq!(ask(&platform, Some(SECRET)), StatusCode::FORBIDDEN);
    }
}
