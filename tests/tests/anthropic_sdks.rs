//! The official Anthropic SDKs, unmodified, against the proxy, whose targets speak chat completions. Each scenario
//! runs with every SDK.

use serde_json::{Value, json};
use tests::fixtures::MODEL;
use tests::sdk::{self, Sdk};
use tests::upstream::Reply;
use tests::{Scene, User};

fn run(scene: &Scene, sdk: Sdk, user: &User, scenario: &str, arguments: &Value) -> Value {
    sdk.run_messages(&scene.facts().base_url, &user.key, scenario, arguments)
}

#[tokio::test]
async fn messages_answer_whole_and_streamed_with_usage() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    for sdk in sdk::ALL {
        for scenario in ["whole", "stream"] {
            let seen = run(&scene, sdk, &user, scenario, &json!({"model": MODEL}));
            assert_eq!(seen["blocks"][0]["text"], "Hello from here", "{sdk:?}: {seen}");
            assert_eq!(seen["stop_reason"], "end_turn", "{sdk:?}");
            assert_eq!(seen["usage"], json!({"input": 9, "output": 3}), "{sdk:?} {scenario}");
        }
    }
    scene.upstream().expect_calls(&[(MODEL, 4)]);
    assert!(user.money().await.used > 0);
    scene.end().await;
}

#[tokio::test]
async fn demo_echo_speaks_messages_with_nothing_behind_it() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let model = json!({"model": "demo/echo", "system": "Be brief."});
    for sdk in sdk::ALL {
        for scenario in ["whole", "stream"] {
            let seen = run(&scene, sdk, &user, scenario, &model);
            assert_eq!(seen["blocks"][0]["text"], "You said: Say hello", "{sdk:?}: {seen}");
        }
        assert!(run(&scene, sdk, &user, "count", &model)["input_tokens"].as_u64() > Some(0), "{sdk:?}");
    }
    scene.end().await;
}

/// Two calls side by side, their arguments in fragments.
const CALLS: &str = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"weather","arguments":""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Köln\"}"}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}}]}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}

data: [DONE]

"#;

#[tokio::test]
async fn tools_are_called_in_a_stream_and_their_results_go_back() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let tools = json!([{"name": "weather", "description": "Of a city.", "input_schema": schema}]);
    for sdk in sdk::ALL {
        scene.upstream().next(MODEL, stream_of_calls());
        let seen = run(&scene, sdk, &user, "stream", &json!({"model": MODEL, "tools": tools}));
        let calls = seen["blocks"].as_array().expect("blocks");
        let inputs: Vec<&Value> = calls.iter().map(|call| &call["input"]).collect();
        assert_eq!(inputs, [&json!({"city": "Köln"}), &json!({"city": "Rome"})], "{sdk:?}: {seen}");
        assert_eq!(seen["stop_reason"], "tool_use", "{sdk:?}");
        let results = json!([
            {"type": "tool_result", "tool_use_id": "call_1", "content": "12 °C"},
            {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "24 °C"}]}
        ]);
        let messages = json!([
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": calls},
            {"role": "user", "content": results}
        ]);
        let seen =
            run(&scene, sdk, &user, "whole", &json!({"model": MODEL, "tools": tools, "messages": messages}));
        assert_eq!(seen["blocks"][0]["text"], "Hello from here", "{sdk:?}");
        let sent = scene.upstream().calls().pop().expect("a call").body;
        let roles: Vec<&Value> =
            sent["messages"].as_array().unwrap().iter().map(|said| &said["role"]).collect();
        assert_eq!(roles, ["user", "assistant", "tool", "tool"], "{sdk:?}: {sent}");
    }
    scene.upstream().expect_calls(&[(MODEL, 4)]);
    scene.end().await;
}

fn stream_of_calls() -> Reply {
    let headers = vec![("content-type", "text/event-stream".to_owned())];
    Reply::Exactly { status: 200, headers, body: CALLS.to_owned() }
}

#[tokio::test]
async fn images_reach_the_target() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("10").await;
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}});
    let messages = json!([{"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]}]);
    for sdk in sdk::ALL {
        run(&scene, sdk, &user, "whole", &json!({"model": MODEL, "messages": messages}));
        let sent = scene.upstream().calls().pop().expect("a call").body;
        let url = &sent["messages"][0]["content"][0]["image_url"]["url"];
        assert_eq!(url, "data:image/png;base64,iVBORw0KGgo=", "{sdk:?}");
    }
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}

#[tokio::test]
async fn errors_have_the_classes_of_the_sdk() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let poor = scene.user_with_budget("0.000001").await;
    scene.upstream().always(MODEL, Reply::error(500, "broken"));
    for sdk in sdk::ALL {
        let unknown = run(&scene, sdk, &user, "error", &json!({"model": "nobody"}));
        let wanted = json!({"class": "NotFoundError", "status": 404, "type": "not_found_error", "code": "model_not_found"});
        assert_eq!(unknown, wanted, "{sdk:?}");
        let rejected = run(&scene, sdk, &user, "error", &json!({"model": MODEL, "max_tokens": 0}));
        let wanted = json!({"class": "BadRequestError", "status": 400, "type": "invalid_request_error", "code": "invalid_value"});
        assert_eq!(rejected, wanted, "{sdk:?}");
        let refused = run(&scene, sdk, &poor, "error", &json!({"model": MODEL}));
        assert_eq!(refused["code"], "budget_exceeded", "{sdk:?}: {refused}");
        let failed = run(&scene, sdk, &user, "error", &json!({"model": MODEL}));
        assert_eq!(
            (&failed["type"], &failed["code"]),
            (&json!("api_error"), &json!("upstream_error")),
            "{sdk:?}"
        );
    }
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}
