//! Stripe's events.

use core::time::Duration;
use futures_executor::block_on;
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use platform::{Body, Clock, Database, Statement};
use platform_memory::MemoryPlatform;
use serde_json::{Value, json};
use sha2::Sha256;

const EVENT: &str = r#"{"id":"evt_1","type":"invoice.paid","created":1700000000,"data":{"object":{}}}"#;

fn host() -> MemoryPlatform {
    let platform = MemoryPlatform::new();
    platform.set_secret("STRIPE_WEBHOOK_SECRETS", "whsec_new, whsec_old,");
    platform
}

fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

fn send(platform: &MemoryPlatform, signature: Option<&str>, body: &str) -> (u16, Value) {
    let mut request = Request::post("/webhooks/stripe");
    if let Some(signature) = signature {
        request = request.header("stripe-signature", signature);
    }
    let request = request.body(bytes::Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let (parts, body) = block_on(stripe_webhook::handle(platform, request)).into_parts();
    let bytes = block_on(Body::collect(body, 1 << 20)).unwrap();
    (parts.status.as_u16(), serde_json::from_slice(&bytes).unwrap())
}

fn signed(platform: &MemoryPlatform, secret: &str, body: &str) -> (u16, Value) {
    send(platform, Some(&signature(secret, platform.now().as_secs(), body)), body)
}

fn recorded(platform: &MemoryPlatform) -> usize {
    block_on(platform.query(Statement::new("SELECT id FROM stripe_events"))).unwrap().len()
}

#[test]
fn p18_an_event_is_recorded_once_however_often_it_comes() {
    let platform = host();
    let first = (200, json!({ "received": true, "duplicate": false }));
    assert_eq!(signed(&platform, "whsec_old", EVENT), first);
    for _ in 0..3 {
        let again = (200, json!({ "received": true, "duplicate": true }));
        assert_eq!(signed(&platform, "whsec_new", EVENT), again);
    }
    assert_eq!(recorded(&platform), 1);
}

#[test]
fn p18_unsigned_forged_and_old_events_are_refused() {
    let platform = host();
    let now = platform.now().as_secs();
    for signature in [
        None,
        Some("nonsense".to_owned()),
        Some(signature("whsec_wrong", now, EVENT)),
        Some(signature("", now, EVENT)),
        Some(signature("whsec_new", now, "{}")),
        Some(signature("whsec_new", now - 301, EVENT)),
        Some(signature("whsec_new", now + 301, EVENT)),
    ] {
        let (status, body) = send(&platform, signature.as_deref(), EVENT);
        assert_eq!((status, &body["code"]), (400, &json!("invalid_signature")), "{signature:?}");
    }
    assert_eq!(recorded(&platform), 0);
}

#[test]
fn what_is_no_event_is_refused_although_it_is_signed() {
    let platform = host();
    for body in
        ["", "{}", "[]", r#"{"id":"","type":"a","created":1}"#, r#"{"id":"a","type":"a","created":-1}"#]
    {
        let (status, problem) = signed(&platform, "whsec_new", body);
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_event")), "{body}");
    }
    let large = "x".repeat((1 << 20) + 1);
    assert_eq!(signed(&platform, "whsec_new", &large).0, 413);
}

#[test]
fn a_failure_of_ours_is_no_200_so_that_stripe_repeats() {
    let platform = host();
    platform.set_database_down(true);
    assert_eq!(signed(&platform, "whsec_new", EVENT).0, 503);
    platform.set_database_down(false);
    platform.advance(Duration::from_secs(60));
    assert_eq!(signed(&platform, "whsec_new", EVENT).1["duplicate"], false);
}

#[test]
fn without_a_secret_nothing_is_accepted() {
    let platform = host();
    for secrets in ["", " , "] {
        platform.set_secret("STRIPE_WEBHOOK_SECRETS", secrets);
        assert_eq!(signed(&platform, "", EVENT).0, 500);
    }
    platform.remove_secret("STRIPE_WEBHOOK_SECRETS");
    assert_eq!(signed(&platform, "whsec_new", EVENT).0, 500);
}
