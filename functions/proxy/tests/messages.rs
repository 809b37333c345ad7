//! Clients that speak Anthropic's messages, to a target that speaks chat completions.

mod scene;

use domain::money::NanoEur;
use http::Request;
use platform_memory::{Answer as Upstream, Ending};
use scene::{MODEL, Scene, provider};
use serde_json::{Value, json};

fn ask(scene: &Scene, path: &str, body: &Value) -> scene::Answer {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("x-api-key", &scene.key)
        .header("anthropic-version", "2023-06-01");
    scene.send(request.body(body.to_string().into()).unwrap())
}

fn question() -> Value {
    json!({
        "model": MODEL, "max_tokens": 100, "system": "Be brief.",
        "messages": [{ "role": "user", "content": "How many words?" }],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut body = question();
    body[name] = value;
    body
}

/// The `data` of each event, which must bear its name.
fn events(text: &str) -> Vec<Value> {
    let event = |block: &str| {
        let (name, data) = block.strip_prefix("event: ")?.split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"], name, "{data}");
        Some(data)
    };
    text.split("\n\n").filter_map(event).collect()
}

#[track_caller]
fn expect_error(answer: &scene::Answer, status: u16, kind: &str, code: &str) -> Value {
    let error = answer.expect_error(status, code);
    assert_eq!((&answer.json()["type"], &error["type"]), (&json!("error"), &json!(kind)));
    error
}

#[test]
fn an_answer_is_a_message_and_is_charged_as_reported() {
    let scene = Scene::new();
    scene.platform.answer_next(provider::completion(20, 4));
    let answer = ask(&scene, "/v1/messages", &question()).expect_ok();
    let message = answer.json();
    let row = scene.only_row();
    assert_eq!(message["content"], json!([{ "type": "text", "text": "Nine words." }]));
    assert_eq!((&message["model"], &message["stop_reason"]), (&json!(MODEL), &json!("end_turn")));
    assert_eq!(
        (&message["usage"]["input_tokens"], &message["usage"]["output_tokens"]),
        (&json!(20), &json!(4))
    );
    assert_eq!((row.usage.total_input(), row.usage.total_output(), row.estimated), (20, 4, false));
    assert_eq!(answer.money("x-cost-eur"), row.cost);
    let sent: Value = serde_json::from_slice(scene.platform.upstream_requests()[0].body()).unwrap();
    assert_eq!(sent["messages"][0], json!({ "role": "system", "content": "Be brief." }));
    assert_eq!((&sent["max_tokens"], &sent["model"]), (&json!(100), &json!("priced-2026")));
}

#[test]
fn a_stream_is_a_message_event_by_event() {
    let scene = Scene::new();
    scene.platform.answer_next(provider::stream(3, 20, 6));
    let answer = ask(&scene, "/v1/messages", &with("stream", true.into())).expect_ok();
    let events = events(&answer.text);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let [start, block, end] = ["message_start", "content_block_start", "content_block_stop"];
    let delta = "content_block_delta";
    assert_eq!(kinds, [start, block, delta, delta, delta, end, "message_delta", "message_stop"]);
    assert_eq!(events[2]["delta"], json!({ "type": "text_delta", "text": "two toks" }));
    assert_eq!(
        (&events[6]["delta"]["stop_reason"], &events[6]["usage"]["output_tokens"]),
        (&json!("end_turn"), &json!(6))
    );
    let row = scene.only_row();
    assert_eq!((row.usage.total_output(), row.outcome.as_str()), (6, "completed"));
    assert!(answer.text.ends_with(&format!(": cost_eur={}\n\n", row.cost)), "{}", answer.text);
}

#[test]
fn p10_a_stream_that_ignores_its_ceiling_ends_in_order_with_max_tokens() {
    let scene = Scene::new();
    scene.platform.answer_next(provider::stream(200, 20, 400));
    let mut body = with("stream", true.into());
    body["max_tokens"] = 10.into();
    let events = events(&ask(&scene, "/v1/messages", &body).expect_ok().text);
    scene.finish_background();
    let end = &events[events.len() - 2];
    assert_eq!(
        (&end["delta"]["stop_reason"], &events[events.len() - 1]["type"]),
        (&json!("max_tokens"), &json!("message_stop"))
    );
    assert_eq!(scene.only_row().outcome, "stopped_at_hold");
}

#[test]
fn p09_a_stream_that_breaks_off_ends_with_an_error_and_is_charged_for_what_came() {
    let scene = Scene::new();
    scene.platform.answer_next(Upstream::sse(provider::deltas(4), Ending::Clean));
    let events = events(&ask(&scene, "/v1/messages", &with("stream", true.into())).expect_ok().text);
    scene.finish_background();
    let error = &events[events.len() - 1]["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("api_error"), &json!("upstream_truncated")));
    let row = scene.only_row();
    assert_eq!(
        (row.usage.total_output(), row.outcome.as_str()),
        (4 * provider::TOKENS_PER_DELTA, "truncated")
    );
}

#[test]
fn tools_go_there_and_back() {
    let scene = Scene::new();
    let call = json!({ "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Köln\"}" } });
    let body = json!({
        "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": { "role": "assistant", "content": null, "tool_calls": [call] } }],
        "usage": { "prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29 },
    });
    scene.platform.answer_next(Upstream::json(200, &body.to_string()));
    let tool = json!({ "name": "weather", "input_schema": { "type": "object", "properties": { "city": { "type": "string" } } } });
    let message = ask(&scene, "/v1/messages", &with("tools", json!([tool]))).expect_ok().json();
    assert_eq!(message["stop_reason"], "tool_use");
    let call = json!({ "type": "tool_use", "id": "call_1", "name": "weather", "input": { "city": "Köln" } });
    assert_eq!(message["content"], json!([call]));
    let sent: Value = serde_json::from_slice(scene.platform.upstream_requests()[0].body()).unwrap();
    assert_eq!(sent["tools"][0]["function"]["parameters"], tool["input_schema"]);
}

#[test]
fn refusals_are_in_the_clients_format_and_cost_nothing() {
    let scene = Scene::with_budget(NanoEur::new(1).unwrap());
    let refused = ask(&scene, "/v1/messages", &question());
    let error = expect_error(&refused, 403, "billing_error", "budget_exceeded");
    assert!(error["message"].is_string());
    let scene = Scene::new();
    let pdf = json!([{ "role": "user", "content": [{ "type": "document", "source": { "type": "base64", "media_type": "application/pdf", "data": "JVBERi0=" } }] }]);
    for (body, code, param) in [
        (json!({ "model": MODEL, "messages": [] }), "invalid_value", "messages"),
        (json!({ "model": MODEL, "messages": question()["messages"] }), "missing_field", "max_tokens"),
        (with("max_tokens", 0.into()), "invalid_value", "max_tokens"),
        (with("max_tokens", 5_000.into()), "invalid_value", "max_tokens"),
        (with("mcp_servers", json!([{}])), "unsupported_field", "mcp_servers"),
        (
            with("tools", json!([{ "type": "web_search_20250305", "name": "web_search" }])),
            "unsupported_field",
            "tools[0].type",
        ),
        (with("messages", pdf), "unpriced_feature", "messages[].content[].source"),
    ] {
        let answer = ask(&scene, "/v1/messages", &body);
        assert_eq!(expect_error(&answer, 400, "invalid_request_error", code)["param"], param, "{body}");
    }
    let unknown = ask(&scene, "/v1/messages", &with("model", "nobody".into()));
    expect_error(&unknown, 404, "not_found_error", "model_not_found");
    scene.expect_untouched();
}

#[test]
fn what_the_target_has_no_words_for_is_refused_by_name_and_its_hold_ends() {
    let scene = Scene::new();
    let image = json!({ "type": "image", "source": { "type": "url", "url": "https://example.com/a.png" } });
    let result = json!({ "type": "tool_result", "tool_use_id": "call_1", "content": [image] });
    let call = json!({ "type": "tool_use", "id": "call_1", "name": "radar", "input": {} });
    let messages = json!([{ "role": "user", "content": "Rain?" }, { "role": "assistant", "content": [call] }, { "role": "user", "content": [result] }]);
    let answer = ask(&scene, "/v1/messages", &with("messages", messages));
    let error = expect_error(&answer, 400, "invalid_request_error", "unsupported_field");
    assert_eq!(error["param"], "messages[].content[].content[]");
    scene.finish_background();
    assert_eq!((scene.balance().used, scene.balance().open_holds), (NanoEur::ZERO, 0));
}

#[test]
fn tokens_are_counted_without_a_provider_and_without_a_charge() {
    let scene = Scene::new();
    let body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "x".repeat(400) }] });
    let answer = ask(&scene, "/v1/messages/count_tokens", &body).expect_ok();
    assert_eq!(answer.json(), json!({ "input_tokens": 100 }));
    scene.expect_untouched();
}
