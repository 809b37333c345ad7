use bytes::Bytes;
use domain::stripe_signature::{self, SignatureError};
use domain::time::Timestamp;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Problem, json};
use platform::{Body, Platform, PlatformError};
use serde::Deserialize;
use store::stripe_events::{self, StripeEvent};

/// The endpoint's signing secrets, separated by commas, so that one can be rotated.
const SECRETS: &str = "STRIPE_WEBHOOK_SECRETS";
const SECRETS_MAX: usize = 8;
/// Seconds since 1970 that a timestamp in milliseconds can hold as a JavaScript number.
const SECONDS_MAX: i64 = 9_007_199_254_740;

/// The members that every event has; the rest stays as it was signed.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
}

/// `POST /webhooks/stripe`: 200 with `received` and whether it is a `duplicate`; Stripe repeats an event
/// until it sees a 200. Unsigned, old, forged or malformed: 400.
pub async fn receive(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    verify(platform, request).await?;
    let payload = core::str::from_utf8(request.body()).map_err(|_| malformed())?;
    let event: Event = serde_json::from_str(payload).map_err(|_| malformed())?;
    if event.id.is_empty() || event.kind.is_empty() || !(0..=SECONDS_MAX).contains(&event.created) {
        return Err(malformed().into());
    }
    let record = StripeEvent {
        id: &event.id,
        kind: &event.kind,
        created: Timestamp::from_millis(event.created * 1_000),
        payload,
    };
    let new = stripe_events::record(platform, &record, platform.now()).await?;
    Ok(json(StatusCode::OK, &serde_json::json!({ "received": true, "duplicate": !new })))
}

async fn verify(platform: &impl Platform, request: &Request<Bytes>) -> Result<(), Failure> {
    let secrets = platform.secret(SECRETS).await?;
    let secrets: Vec<&str> =
        secrets.expose().split(',').map(str::trim).filter(|s| !s.is_empty()).take(SECRETS_MAX).collect();
    if secrets.is_empty() {
        return Err(PlatformError::not_configured(SECRETS).into());
    }
    let header = http_api::header(request.headers(), "stripe-signature")?.ok_or(SignatureError::Malformed);
    header
        .and_then(|header| stripe_signature::verify(header, request.body(), &secrets, platform.now()))
        .map_err(|error| {
            Problem::bad_request("invalid_signature", sentence(&error)).about("stripe-signature").into()
        })
}

fn sentence(error: &SignatureError) -> String {
    format!("The event is not accepted: {error}. Sign it with this endpoint's secret.")
}

fn malformed() -> Problem {
    Problem::bad_request(
        "invalid_event",
        "The body is not a Stripe event: a JSON object with the texts `id` and `type` and the Unix time `created`.",
    )
}
