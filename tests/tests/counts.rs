//! How many there may be, however many are made at once; and what a request that is repeated makes.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::Scene;
use tests::seed::{OTHER_TENANT, TENANT_ON_A_PLAN, USERS_OF_PLAN};
use tokio::task::JoinSet;

const AT_ONCE: usize = 40;
const WEBHOOKS_MAX: usize = 5;
const KEYS_MAX: usize = 32;

/// Posts the bodies all at once. How many made something; each of the others must be refused like this.
async fn made_of(scene: &Scene, path: &str, bodies: Vec<Value>, status: u16, code: &str) -> usize {
    let mut requests = JoinSet::new();
    for body in bodies {
        let request = scene.client().post(path, &body).header("x-api-key", &scene.facts().billing_api_key);
        requests.spawn(request.send());
    }
    let mut made = 0;
    while let Some(answer) = requests.join_next().await {
        let answer = answer.expect("no panic");
        if answer.status == 201 {
            made += 1;
        } else {
            answer.expect_problem_json(status, code);
        }
    }
    made
}

#[tokio::test]
async fn of_forty_webhooks_at_once_exactly_five_are_made() {
    let scene = Scene::start().await;
    let path = format!("/api/tenants/{OTHER_TENANT}/webhooks");
    let bodies = vec![json!({"url": "https://example.com/hook"}); AT_ONCE];
    assert_eq!(made_of(&scene, &path, bodies, 409, "too_many_webhooks").await, WEBHOOKS_MAX);
    let listed = scene.billing("GET", &path, &Value::Null).await.expect(200).json();
    assert_eq!(listed["webhooks"].as_array().map(Vec::len), Some(WEBHOOKS_MAX));
    scene.end().await;
}

#[tokio::test]
async fn of_forty_keys_at_once_as_many_are_made_as_a_user_may_have() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let path = format!("/api/users/{}/keys", user.id);
    let made = made_of(&scene, &path, vec![json!({}); AT_ONCE], 409, "too_many_keys").await;
    assert_eq!(made, KEYS_MAX - 1, "the user had one");
    user.get("/v1/models").send().await.expect(200);
    scene.end().await;
}

#[tokio::test]
async fn of_forty_users_at_once_as_many_are_made_as_the_tenants_plan_has() {
    let scene = Scene::start().await;
    let body =
        |n| json!({"email": format!("u{n}@plan.example"), "tenant_id": TENANT_ON_A_PLAN, "budget_total": 1});
    let made = made_of(&scene, "/api/users", (0..AT_ONCE).map(body).collect(), 403, "user_limit").await;
    assert_eq!(made, USERS_OF_PLAN);
    let refused = scene.billing("POST", "/api/users", &body(AT_ONCE)).await;
    let refused = refused.expect_problem_json(403, "user_limit");
    assert_eq!((&refused["limit_source"], &refused["limit"]), (&json!("product"), &json!(USERS_OF_PLAN)));
    scene.end().await;
}

#[tokio::test]
async fn p29_of_forty_repetitions_at_once_under_one_id_one_makes_a_key() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let path = format!("/api/users/{}/keys", user.id);
    let mut requests = JoinSet::new();
    for _ in 0..AT_ONCE {
        let request = scene.client().post(&path, &json!({"name": "ci"}));
        let request = request.header("x-api-key", &scene.facts().billing_api_key);
        requests.spawn(request.header("idempotency-key", "only-once").send());
    }
    let (mut ids, mut secrets) = (BTreeSet::new(), 0);
    while let Some(answer) = requests.join_next().await {
        let answer = answer.expect("no panic");
        assert!(answer.status.is_success(), "{}", answer.status);
        let body = answer.json();
        ids.insert(body["api_key_id"].to_string());
        secrets += usize::from(body["api_key"].is_string());
    }
    assert_eq!((ids.len(), secrets), (1, 1));
    scene.end().await;
}

#[tokio::test]
async fn p29_an_edit_repeated_hours_later_answers_what_it_answered() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let edit = json!({"period_days": 30, "budget_total": 2});
    let first = user.change(&edit).await.json();
    scene.host().set_clock_ahead(6 * 60 * 60 * 1_000).await;
    let again = user.change(&edit).await.json();
    assert_eq!(again, first);
    scene.host().set_clock_ahead(0).await;
    scene.end().await;
}

#[tokio::test]
async fn usage_is_walked_in_the_order_in_which_it_arrived() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let report = async |id: &str| {
        let report = json!({
            "request_id": id, "user_id": user.id, "model": "m", "cost": "0.01", "tokens_input": 1,
            "tokens_output": 1,
        });
        scene.billing("POST", "/api/usage/log", &report).await.expect(200);
    };
    let (mut seen, mut after) = (Vec::new(), "0".to_owned());
    for round in 0..3 {
        for n in 0..2 {
            report(&format!("r{round}-{n}")).await;
        }
        tests::eventually("the rows of this round", async || {
            let path = format!("/api/usage?user_id={}&after={after}&limit=1", user.id);
            let page = scene.billing("GET", &path, &Value::Null).await.expect(200).json();
            for row in page["rows"].as_array().expect("rows") {
                seen.push(row["request_id"].as_str().expect("an id").to_owned());
            }
            after = page["next_after"].as_str().expect("a place").to_owned();
            (seen.len() == 2 * (round + 1)).then_some(())
        })
        .await;
    }
    assert_eq!(seen, ["r0-0", "r0-1", "r1-0", "r1-1", "r2-0", "r2-1"]);
    scene.end().await;
}
