//! From a fresh deployment to its first paid answer, over HTTP alone.

use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::hosts::Host;
use tokio::task::JoinSet;

const PASSWORD: &str = "correct horse battery staple";

async fn bootstrap(client: &Client, token: &str, email: &str) -> Answer {
    let body = json!({ "email": email, "password": PASSWORD });
    client.post("/admin/bootstrap", &body).bearer(token).send().await
}

async fn session(client: &Client, email: &Value) -> String {
    let body = json!({ "email": email, "password": PASSWORD });
    let answer = client.post("/admin/auth/login", &body).send().await.expect(200).json();
    answer["access_token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn a_fresh_deployment_gets_its_administrator_its_keys_and_its_first_answer_without_sql() {
    let host = Host::start_unseeded();
    let (client, token) = (host.client(), host.bootstrap_token());
    bootstrap(&client, "wrong", "admin@tests.example")
        .await
        .expect_problem_json(401, "wrong_bootstrap_token");

    // Many at once: one is made, the others hear of it.
    let mut asking = JoinSet::new();
    for n in 0..6 {
        let (client, token) = (client.clone(), token.clone());
        asking.spawn(async move { bootstrap(&client, &token, &format!("admin-{n}@tests.example")).await });
    }
    let answers = asking.join_all().await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    for answer in &refused {
        answer.expect_problem_json(409, "already_bootstrapped");
    }
    let session = session(&client, &made[0].json()["email"]).await;

    let body = json!({ "name": "first", "scopes": ["users:write", "budget:read"] });
    let service = client.post("/admin/service-keys", &body).bearer(&session).send().await.expect(201).json();
    let (id, key) = (service["id"].as_str().expect("an id"), service["key"].as_str().expect("a key"));
    let user = json!({ "email": "user@tests.example", "tenant_id": "platform", "budget_total": "1" });
    let user = client.post("/api/users", &user).header("x-api-key", key).send().await.expect(201).json();
    let user_key = user["api_key"].as_str().expect("the user's key");

    let chat = json!({ "model": "demo/echo", "messages": [{ "role": "user", "content": "Hello" }] });
    let answer = client.post("/v1/chat/completions", &chat).bearer(user_key).send().await.expect(200).json();
    assert_eq!(answer["object"], "chat.completion");
    let budget = client.get("/v1/budget").bearer(user_key).send().await.expect(200).json();
    assert_ne!(budget["used"], json!("0.00"), "{budget}");

    let path = format!("/admin/service-keys/{id}");
    client.request(http::Method::DELETE, &path).bearer(&session).send().await.expect(200);
    let path = format!("/api/users/{}/budget", user["user_id"].as_str().expect("an id"));
    let dead = client.get(&path).header("x-api-key", key).send().await;
    dead.expect_problem_json(401, "invalid_api_key");
}
