//! A chat request through the proxy, and what the client learns of its money.

use serde_json::json;
use tests::fixtures::{MODEL, chat_with};
use tests::money::{nano, nano_of};
use tests::{Completion, Scene, chat_body};

#[tokio::test]
async fn an_unstreamed_answer_carries_its_cost_and_what_remains() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let answer = user.chat(&chat_body(MODEL)).send().await.expect(200);
    let body = answer.json();
    assert_eq!(body["choices"][0]["message"]["content"], "Hello from here");
    assert_eq!(body["usage"]["completion_tokens"], 3);
    let cost = nano_of(answer.header("x-cost-eur"));
    assert!(cost > 0);
    assert_eq!(nano_of(answer.header("x-budget-remaining-eur")), 1_000_000_000 - cost);
    let usage = user.usage(answer.header("x-request-id")).await;
    assert_eq!(nano(&usage["cost_eur"]), cost);
    assert_eq!(user.money().await.used, cost);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_stream_without_include_usage_has_no_usage_chunk() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let stream = user.chat(&chat_with(json!({"stream": true}))).stream().await;
    assert!(stream.header("content-type").starts_with("text/event-stream"));
    let held = nano_of(stream.header("x-budget-held-eur"));
    assert_eq!(nano_of(stream.header("x-budget-remaining-eur")), 1_000_000_000 - held);
    let request_id = stream.header("x-request-id").to_owned();
    let events = stream.rest().await.expect("a complete stream");
    assert_eq!(events.text(), "Hello from here");
    assert!(events.is_done());
    assert_eq!(events.usage(), None);
    assert!(
        events.chunks().iter().all(|chunk| chunk["choices"][0].is_object()),
        "an empty chunk: {events:?}"
    );
    assert_eq!(events.finish_reason().as_deref(), Some("stop"));
    // Asked for on our own account, to settle by it.
    let call = scene.upstream().call(0).await;
    assert_eq!(call.body["stream_options"]["include_usage"], true);
    assert_eq!(user.usage(&request_id).await["tokens_output"], 3);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_stream_ends_in_its_cost_and_with_the_header_it_stands_in_the_usage() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let body = chat_with(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let with_cost = user.chat(&body).header("x-usage-cost", "include");
    for (call, request) in [user.chat(&body), with_cost].into_iter().enumerate() {
        let stream = request.stream().await;
        let held = nano_of(stream.header("x-budget-held-eur"));
        let request_id = stream.header("x-request-id").to_owned();
        let events = stream.rest().await.expect("a complete stream");
        assert!(events.is_done());
        let usage = events.usage().expect("a usage chunk");
        assert_eq!(usage["completion_tokens"], 3);
        let cost = nano_of(events.cost.as_deref().expect("a comment with the cost"));
        assert!(0 < cost && cost <= held);
        assert_eq!(nano(&user.usage(&request_id).await["cost_eur"]), cost);
        let told = usage.get("cost_eur").map(nano);
        assert_eq!(told, (call == 1).then_some(cost));
    }
    let wrong = user.chat(&body).header("x-usage-cost", "yes").send().await;
    assert_eq!(wrong.expect_problem(400, "invalid_value")["param"], "x-usage-cost");
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}

#[tokio::test]
async fn a_streamed_and_an_unstreamed_answer_cost_the_same() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Completion::words(20).bills(33, 20));
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    let unstreamed = user.money().await.used;
    let body = chat_with(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let events = user.chat(&body).stream().await.rest().await.expect("a complete stream");
    assert_eq!(nano_of(events.cost.as_deref().expect("a comment with the cost")), unstreamed);
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}

#[tokio::test]
async fn unknown_fields_pass_through_unchanged() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let extra = json!({"temperature": 0.25, "x_new_field": {"deep": [1, 2.50, null]}, "user": "end-user-7"});
    user.chat(&chat_with(extra.clone())).send().await.expect(200);
    let call = scene.upstream().call(0).await;
    for (field, value) in extra.as_object().expect("an object") {
        assert_eq!(&call.body[field], value, "{field}");
    }
    assert_eq!(call.path, "/v1/chat/completions");
    assert!(!format!("{:?}", call.headers).contains(&user.key), "the caller's key reached the provider");
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_call_without_a_ceiling_is_sent_upstream_with_the_models_default() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let mut body = chat_body(MODEL);
    body.as_object_mut().expect("an object").remove("max_tokens");
    user.chat(&body).send().await.expect(200);
    let call = scene.upstream().call(0).await;
    let ceiling = call.body["max_completion_tokens"].as_u64().or(call.body["max_tokens"].as_u64());
    assert_eq!(ceiling, Some(4096), "{}", call.body);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn demo_echo_answers_streams_and_costs_without_any_provider() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let answer = user.chat(&chat_body("demo/echo")).send().await.expect(200);
    assert!(
        answer.json()["choices"][0]["message"]["content"]
            .as_str()
            .is_some_and(|text| text.contains("Say hello"))
    );
    assert!(nano_of(answer.header("x-cost-eur")) > 0);
    let mut body = chat_body("demo/echo");
    body["stream"] = true.into();
    let events = user.chat(&body).stream().await.rest().await.expect("a complete stream");
    assert!(events.is_done() && events.text().contains("Say hello"), "{events:?}");
    scene.end().await;
}

#[tokio::test]
async fn models_are_listed_and_found_by_id() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let list = user.get("/v1/models").send().await.expect(200).json();
    assert_eq!(list["object"], "list");
    let ids: Vec<&str> =
        list["data"].as_array().expect("a list").iter().filter_map(|m| m["id"].as_str()).collect();
    assert!(ids.contains(&MODEL) && ids.contains(&"demo/echo"), "{ids:?}");
    for id in [MODEL, "demo/echo", "demo%2Fecho"] {
        let model = user.get(&format!("/v1/models/{id}")).send().await.expect(200).json();
        assert_eq!((&model["id"], &model["object"]), (&json!(id.replace("%2F", "/")), &json!("model")));
    }
    user.get("/v1/models/no-such-model").send().await.expect_problem(404, "model_not_found");
    scene.client().get("/v1/models").send().await.expect_problem(401, "invalid_api_key");
    scene.end().await;
}

#[tokio::test]
async fn the_budget_is_told_before_during_and_after_a_call() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("0.5").await;
    let budget = async || user.get("/v1/budget").send().await.expect(200).json();
    let before = budget().await;
    assert_eq!(
        (nano(&before["limit"]), nano(&before["used"]), nano(&before["reserved"])),
        (500_000_000, 0, 0)
    );
    let gate = tests::Gate::closed();
    scene.upstream().always(MODEL, Completion::words(3).pieces_behind(&gate));
    let stream = user.chat(&chat_with(json!({"stream": true}))).stream().await;
    let held = nano_of(stream.header("x-budget-held-eur"));
    assert_eq!(nano(&budget().await["reserved"]), held);
    gate.open_wide();
    stream.rest().await.expect("a complete stream");
    let after = tests::eventually("the call to be settled", async || {
        Some(budget().await).filter(|view| nano(&view["reserved"]) == 0)
    })
    .await;
    assert_eq!(nano(&after["remaining"]), 500_000_000 - nano(&after["used"]));
    assert!(nano(&after["used"]) > 0);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_usage_row_is_shown_to_its_owner_only() {
    let scene = Scene::start().await;
    let (owner, stranger) = (scene.user_with_budget("1").await, scene.user_with_budget("1").await);
    let answer = owner.chat(&chat_body(MODEL)).send().await.expect(200);
    let request_id = answer.header("x-request-id");
    let row = owner.usage(request_id).await;
    assert_eq!(
        (&row["model"], &row["provider"], &row["kind"]),
        (&json!(MODEL), &json!("openai"), &json!("call"))
    );
    assert_eq!((&row["tokens_input"], &row["tokens_output"]), (&json!(9), &json!(3)));
    stranger.get(&format!("/v1/usage/{request_id}")).send().await.expect_problem(404, "not_found");
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn health_needs_no_key_and_every_answer_has_a_request_id() {
    let scene = Scene::start().await;
    let health = scene.client().get("/health").send().await.expect(200);
    assert!(!health.header("x-request-id").is_empty());
    let nowhere = scene.client().get("/v1/no/such/route").send().await;
    nowhere.expect_problem(404, "unknown_url");
    scene.end().await;
}
