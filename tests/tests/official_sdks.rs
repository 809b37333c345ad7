//! The official OpenAI SDKs, unmodified, against the proxy. Each scenario runs with every SDK.

use serde_json::{Value, json};
use tests::fixtures::MODEL;
use tests::money::nano;
use tests::sdk::{self, Sdk};
use tests::upstream::Reply;
use tests::{Completion, Scene, User};

fn run(scene: &Scene, sdk: Sdk, user: &User, scenario: &str, arguments: &Value) -> Value {
    sdk.run(&scene.facts().base_url, &user.key, scenario, arguments)
}

#[tokio::test]
async fn chat_answers_with_usage_request_id_and_cost() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    for sdk in sdk::ALL {
        let seen = run(&scene, sdk, &user, "chat", &json!({"model": MODEL}));
        assert_eq!(seen["text"], "Hello from here", "{sdk:?}");
        assert_eq!((&seen["prompt_tokens"], &seen["completion_tokens"]), (&json!(9), &json!(3)), "{sdk:?}");
        assert!(nano(&seen["cost_eur"]) > 0, "{sdk:?}: {seen}");
        let row = user.usage(seen["request_id"].as_str().expect("a request id")).await;
        assert_eq!(nano(&row["cost_eur"]), nano(&seen["cost_eur"]), "{sdk:?}");
    }
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}

#[tokio::test]
async fn streams_are_read_to_the_end_with_usage_only_where_asked_for() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Completion::words(12));
    for sdk in sdk::ALL {
        let plain = run(&scene, sdk, &user, "stream", &json!({"model": MODEL}));
        assert_eq!(
            (plain["text"].as_str().map(str::len), &plain["usage"]),
            (Some(36), &Value::Null),
            "{sdk:?}"
        );
        let asked = json!({
            "model": MODEL, "stream_options": {"include_usage": true}, "extra_headers": {"x-usage-cost": "include"}
        });
        let asked = run(&scene, sdk, &user, "stream", &asked);
        assert_eq!(asked["text"], plain["text"], "{sdk:?}");
        assert_eq!(asked["usage"]["completion_tokens"], 12, "{sdk:?}");
        assert!(nano(&asked["usage"]["cost_eur"]) > 0, "{sdk:?}: {asked}");
        assert_eq!(asked["chunks"].as_u64(), plain["chunks"].as_u64().map(|chunks| chunks + 1), "{sdk:?}");
    }
    scene.upstream().expect_calls(&[(MODEL, 4)]);
    scene.end().await;
}

#[tokio::test]
async fn demo_echo_works_with_nothing_behind_it() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    for sdk in sdk::ALL {
        for scenario in ["chat", "stream"] {
            let seen = run(&scene, sdk, &user, scenario, &json!({"model": "demo/echo"}));
            assert!(seen["text"].as_str().is_some_and(|text| text.contains("Say hello")), "{sdk:?}: {seen}");
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn models_are_listed_and_retrieved() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    for sdk in sdk::ALL {
        let ids = run(&scene, sdk, &user, "models", &json!({}))["ids"].take();
        let ids = ids.as_array().expect("a list");
        assert!(ids.contains(&json!(MODEL)) && ids.contains(&json!("demo/echo")), "{sdk:?}: {ids:?}");
        let model = run(&scene, sdk, &user, "model", &json!({"model": "demo/echo"}));
        assert_eq!(model["id"], "demo/echo", "{sdk:?}");
    }
    scene.end().await;
}

/// Runs a failing chat with every SDK and compares what it raises.
fn raises(scene: &Scene, user: &User, arguments: Value, class: &str, status: u16, code: &str) -> Vec<Value> {
    let errors = sdk::ALL.map(|sdk| {
        let error = run(scene, sdk, user, "error", &arguments);
        let facts = (&error["class"], &error["status"], &error["code"]);
        assert_eq!(facts, (&json!(class), &json!(status), &json!(code)), "{sdk:?}");
        assert!(error["request_id"].is_string(), "{sdk:?}: {error}");
        error
    });
    errors.into()
}

#[tokio::test]
async fn refusals_raise_the_right_classes() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let bad = json!({"model": MODEL, "max_tokens": -1});
    for error in raises(&scene, &user, bad, "BadRequestError", 400, "invalid_value") {
        assert_eq!(error["param"], "max_tokens");
    }
    let unknown = json!({"model": "no-such-model"});
    raises(&scene, &user, unknown, "NotFoundError", 404, "model_not_found");
    let poor = scene.user_with_budget("0").await;
    raises(&scene, &poor, json!({"model": MODEL}), "PermissionDeniedError", 403, "budget_exceeded");
    // More than the whole limit: no SDK tries that again.
    let narrow = scene.user(json!({"budget_total": "1", "tokens_per_minute": 1_000})).await;
    let large = json!({"model": MODEL, "max_tokens": 2_000});
    raises(&scene, &narrow, large, "PermissionDeniedError", 403, "exceeds_limit");
    let mut stranger = user.clone();
    stranger.key = "sk-cf-forged".into();
    raises(&scene, &stranger, json!({"model": MODEL}), "AuthenticationError", 401, "invalid_api_key");
    scene.end().await;
}

#[tokio::test]
async fn a_provider_that_fails_raises_the_right_classes() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Reply::error(500, "server_error"));
    raises(&scene, &user, json!({"model": MODEL}), "InternalServerError", 502, "upstream_error");
    scene.upstream().always(MODEL, Reply::error(429, "rate_limit_exceeded").header("retry-after", "3"));
    raises(&scene, &user, json!({"model": MODEL}), "RateLimitError", 429, "upstream_rate_limited");
    let calls = scene.upstream().calls().len();
    scene.upstream().expect_calls(&[(MODEL, calls)]);
    scene.end().await;
}

#[tokio::test]
async fn a_ledger_that_cannot_be_asked_raises_internal_server_error() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.host().break_ledger(&user.id, "fail").await;
    raises(&scene, &user, json!({"model": MODEL}), "InternalServerError", 503, "ledger_unavailable");
    scene.host().mend_ledger(&user.id).await;
    scene.end().await;
}
