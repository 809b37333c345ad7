//! Stripe's webhooks: signed, fresh, and recorded once. The suite's host has two secrets, as during a rotation.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use tests::Scene;
use tests::client::{Answer, Request};
use tests::stripe::{signature, unix_now};
use tokio::task::JoinSet;

fn event() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = format!("evt_test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let object = json!({"object": "invoice", "amount_paid": 999});
    json!({"id": id, "type": "invoice.paid", "created": 1_750_000_000, "data": {"object": object}})
        .to_string()
}

fn delivery(scene: &Scene, signature: Option<&str>, body: &str) -> Request {
    let request = scene.client().get("/webhooks/stripe").with_method("POST");
    let request = request.body("application/json", body.to_owned());
    signature.into_iter().fold(request, |request, value| request.header("stripe-signature", value))
}

async fn deliver(scene: &Scene, signature: Option<&str>, body: &str) -> Answer {
    delivery(scene, signature, body).send().await
}

fn secrets(scene: &Scene) -> Vec<String> {
    let secrets: Vec<String> = scene.facts().stripe_webhook_secret.split(',').map(str::to_owned).collect();
    assert_eq!(secrets.len(), 2);
    secrets
}

#[tokio::test]
async fn p18_an_event_is_recorded_once_however_often_it_is_delivered() {
    let scene = Scene::start().await;
    let secret = &secrets(&scene)[0];
    let body = event();
    let header = signature(&[secret], unix_now(), &body);
    let first = deliver(&scene, Some(&header), &body).await.expect(200).json();
    assert_eq!((&first["received"], &first["duplicate"]), (&json!(true), &json!(false)));
    for _ in 0..3 {
        // Stripe signs each delivery anew.
        let again = signature(&[secret], unix_now(), &body);
        let again = deliver(&scene, Some(&again), &body).await.expect(200).json();
        assert_eq!(again["duplicate"], true);
    }
    scene.end().await;
}

#[tokio::test]
async fn p18_of_parallel_deliveries_one_is_new() {
    let scene = Scene::start().await;
    let body = event();
    let header = signature(&[&secrets(&scene)[0]], unix_now(), &body);
    let deliveries: JoinSet<Answer> =
        (0..20).map(|_| delivery(&scene, Some(&header), &body).send()).collect();
    let answers = deliveries.join_all().await.into_iter().map(|answer| answer.expect(200).json());
    let new = answers.filter(|answer| answer["duplicate"] == false).count();
    assert_eq!(new, 1);
    scene.end().await;
}

#[tokio::test]
async fn p18_unsigned_forged_old_and_changed_events_are_refused() {
    let scene = Scene::start().await;
    let secret = &secrets(&scene)[0];
    let (body, now) = (event(), unix_now());
    let good = signature(&[secret], now, &body);
    let headers = [
        None,
        Some(String::new()),
        Some("t=,v1=".to_owned()),
        Some(format!("t={now}")),
        Some(good.replace("v1=", "v0=")),
        Some(signature(&["whsec_of_somebody_else"], now, &body)),
        Some(signature(&[secret], now - 400, &body)),
        Some(signature(&[secret], now + 400, &body)),
        Some(good.replace(&format!("t={now}"), &format!("t={}", now + 1))),
    ];
    for header in &headers {
        let answer = deliver(&scene, header.as_deref(), &body).await;
        answer.expect_problem_json(400, "invalid_signature");
    }
    let changed = body.replace("999", "1");
    deliver(&scene, Some(&good), &changed).await.expect_problem_json(400, "invalid_signature");
    // None of them left a trace: the event is still new.
    let first: Value = deliver(&scene, Some(&good), &body).await.expect(200).json();
    assert_eq!(first["duplicate"], false);
    scene.end().await;
}

#[tokio::test]
async fn both_secrets_count_while_one_is_rotated() {
    let scene = Scene::start().await;
    let [old, new] = &secrets(&scene)[..] else { panic!("two secrets") };
    for signers in [vec![old.as_str()], vec![new], vec![old, new], vec!["whsec_of_somebody_else", new]] {
        let body = event();
        let header = signature(&signers, unix_now(), &body);
        deliver(&scene, Some(&header), &body).await.expect(200);
    }
    scene.end().await;
}

#[tokio::test]
async fn signed_nonsense_is_refused() {
    let scene = Scene::start().await;
    let secret = &secrets(&scene)[0];
    for body in ["", "{", "[]", "{\"id\": 7}", "{\"id\": \"\", \"type\": \"x\", \"created\": 1}"] {
        let header = signature(&[secret], unix_now(), body);
        deliver(&scene, Some(&header), body).await.expect_problem_json(400, "invalid_event");
    }
    scene.client().get("/webhooks/health").send().await.expect(200);
    scene.end().await;
}
