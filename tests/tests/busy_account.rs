//! An account whose calls meet: their commands share calls to the ledger.

use tests::load::{self, Load, Until};
use tests::{Scene, chat_body};

const CALLERS: usize = 64;
/// So many that what the host compiles for speed is compiled for speed.
const CALLS_EACH: usize = 160;
/// Answers without a provider, who would be what is waited for.
const MODEL: &str = "demo/echo";

#[tokio::test]
async fn p01_p05_a_busy_account_answers_every_call_and_books_each_once() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("100").await;
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    let one = user.money().await.used;
    let bearer = format!("Bearer {}", user.key);
    let authority = scene.client().authority().to_owned();
    let mut requests = Vec::new();
    for stream in [false, true] {
        let mut body = chat_body(MODEL);
        body["stream"] = stream.into();
        let headers = [("authorization", bearer.as_str())];
        requests.push(load::post(&authority, "/v1/chat/completions", &headers, &body.to_string()));
    }
    let load = Load { authority, requests, connections: CALLERS, until: Until::Requests(CALLS_EACH) };
    let measured = load::run(&load).await;
    assert_eq!(
        (measured.failures, measured.requests()),
        (0, CALLERS * CALLS_EACH),
        "{:?}",
        measured.first_failure
    );
    let money = user.money().await;
    let calls = 1 + CALLERS * CALLS_EACH;
    assert_eq!((money.used, money.reserved), (one * i64::try_from(calls).unwrap(), 0));
    scene.end().await;
}
