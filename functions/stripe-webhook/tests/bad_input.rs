//! What is not an event as Stripe sends it, by name, and nothing is recorded.

use futures_executor::block_on;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, Request};
use platform::{Body, Clock, Database, Statement};
use platform_memory::MemoryPlatform;
use serde_json::Value;
use sha2::Sha256;

const EVENT: &str = r#"{"id":"evt_1","type":"invoice.paid","created":1700000000}"#;
const SECRET: &str = "whsec_1";

fn signature(platform: &MemoryPlatform, body: &str) -> String {
    let seconds = platform.now().as_secs();
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

fn send(platform: &MemoryPlatform, headers: &[(&'static str, &[u8])], body: &str) -> (u16, Value) {
    let mut request = Request::post("/webhooks/stripe").body(body.to_owned().into()).unwrap();
    let mut sent = HeaderMap::new();
    for (name, value) in headers {
        sent.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    *request.headers_mut() = sent;
    let (parts, body) = block_on(stripe_webhook::handle(platform, request)).into_parts();
    let bytes = block_on(Body::collect(body, 1 << 20)).unwrap();
    (parts.status.as_u16(), serde_json::from_slice(&bytes).unwrap())
}

#[test]
fn p30_a_signature_that_comes_twice_or_cannot_be_read_is_named_and_the_event_stays_new() {
    let platform = MemoryPlatform::new();
    platform.set_secret("STRIPE_WEBHOOK_SECRETS", SECRET);
    let right = signature(&platform, EVENT);
    let joined = format!("{right}, {right}");
    let name = "stripe-signature";
    for headers in [
        &[][..],
        &[(name, right.as_bytes()), (name, right.as_bytes())],
        &[(name, joined.as_bytes())],
        &[(name, b"t=1,v1=\xe4")],
        &[(name, b"")],
    ] {
        let (status, body) = send(&platform, headers, EVENT);
        assert_eq!((status, body["param"].as_str()), (400, Some(name)), "{body}");
    }
    let compressed = send(&platform, &[(name, right.as_bytes()), ("content-encoding", b"gzip")], EVENT);
    assert_eq!((compressed.0, &compressed.1["param"]), (415, &"content-encoding".into()));
    assert!(block_on(platform.query(Statement::new("SELECT id FROM stripe_events"))).unwrap().is_empty());
    assert_eq!(send(&platform, &[(name, right.as_bytes())], EVENT).1["duplicate"], false);
}

#[test]
fn p30_members_that_are_doubled_null_or_huge_are_no_event() {
    let platform = MemoryPlatform::new();
    platform.set_secret("STRIPE_WEBHOOK_SECRETS", SECRET);
    for body in [
        r#"{"id":"evt_1","id":"evt_2","type":"invoice.paid","created":1700000000}"#,
        r#"{"id":"evt_1","type":"a","type":"invoice.paid","created":1700000000}"#,
        r#"{"id":null,"type":"invoice.paid","created":1700000000}"#,
        r#"{"id":"evt_1","type":"invoice.paid","created":null}"#,
        r#"{"id":"evt_1","type":"invoice.paid","created":1e300}"#,
    ] {
        let signature = signature(&platform, body);
        let (status, answer) = send(&platform, &[("stripe-signature", signature.as_bytes())], body);
        assert_eq!((status, answer["code"].as_str()), (400, Some("invalid_event")), "{body}");
    }
    assert!(block_on(platform.query(Statement::new("SELECT id FROM stripe_events"))).unwrap().is_empty());
}
