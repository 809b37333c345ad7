//! Every paid route is metered.

use serde_json::{Value, json};
use tests::Scene;
use tests::fixtures::{MODEL, chat_with};

/// The proxy's source, whose route table names every route.
const ROUTE_TABLE: &str = include_str!("../../functions/proxy/src/lib.rs");

/// A valid request for each paid route. A route of the table that is missing here fails the test.
fn paid_requests() -> Vec<(&'static str, Value)> {
    vec![
        ("/v1/chat/completions", chat_with(json!({}))),
        ("/v1/chat/completions", chat_with(json!({"stream": true}))),
        ("/v1/chat/completions", chat_with(json!({"model": "demo/echo"}))),
        ("/v1/chat/completions", chat_with(json!({"model": "demo/echo", "stream": true}))),
        ("/v1/messages", chat_with(json!({}))),
        ("/v1/messages", chat_with(json!({"stream": true}))),
        ("/v1/messages", chat_with(json!({"model": "demo/echo"}))),
    ]
}

/// POST routes that ask no provider and cost nothing.
const FREE: [&str; 1] = ["/v1/messages/count_tokens"];

#[tokio::test]
async fn p07_without_budget_every_paid_route_refuses_and_sends_nothing() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("0").await;
    for (path, body) in paid_requests() {
        user.post(path, &body).send().await.expect_problem(403, "budget_exceeded");
        assert_eq!(user.money().await.reserved, 0, "{path}");
    }
    for path in FREE {
        user.post(path, &chat_with(json!({}))).send().await.expect(200);
        assert_eq!(user.money().await.used, 0, "{path}");
    }
    scene.upstream().expect_calls(&[(MODEL, 0)]);
    scene.end().await;
}

#[test]
fn p07_no_post_route_of_the_proxy_is_missing_from_the_test() {
    let listed = ROUTE_TABLE.matches("Method::POST").count();
    let mut tested: Vec<_> = paid_requests().into_iter().map(|(path, _)| path).collect();
    tested.dedup();
    assert_eq!(
        listed,
        tested.len() + FREE.len(),
        "POST routes in the proxy's route table, and those tried here"
    );
}
