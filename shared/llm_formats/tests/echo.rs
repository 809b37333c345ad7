//! The built-in model behaves like a real one.

use bytes::Bytes;
use llm_formats::demo_echo::{self, EchoAnswer};
use llm_formats::openai_chat::{ChatRequest, Piece, StreamMeter, StreamOptions, read_completion};
use proptest::prelude::*;
use serde_json::{Value, json};

fn answer(request: Value) -> EchoAnswer {
    let request = ChatRequest::scan(&Bytes::from(request.to_string())).unwrap();
    demo_echo::answer(&request, "chatcmpl-1", 1_750_000_000)
}

fn request(content: &str) -> Value {
    json!({"model": "demo/echo", "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": content}]})
}

#[test]
fn it_says_what_it_was_told() {
    let answer = answer(request("Guten Tag"));
    let body: Value = serde_json::from_slice(&answer.completion()).unwrap();
    assert_eq!(
        body,
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_750_000_000, "model": "demo/echo",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "You said: Guten Tag", "refusal": null},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            // 17 bytes in; `You `, `said: `, `Guten ` and `Tag` are 1, 2, 2 and 1.
            "usage": {
                "prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
            },
        })
    );
    assert_eq!(read_completion(&answer.completion()).unwrap().usage, Some(answer.usage));
}

#[test]
fn it_streams_the_same_word_by_word() {
    let mut request = request("Guten Tag");
    request["stream"] = json!(true);
    request["stream_options"] = json!({"include_usage": true});
    let events: Vec<Bytes> = answer(request).chunks().collect();
    let data: Vec<&str> = events
        .iter()
        .map(|event| {
            std::str::from_utf8(event).unwrap().strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap()
        })
        .collect();
    assert_eq!(data.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> =
        data[..data.len() - 1].iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["content"]).collect();
    assert_eq!(
        deltas,
        [
            &json!(""),
            &json!("You "),
            &json!("said: "),
            &json!("Guten "),
            &json!("Tag"),
            &Value::Null,
            &Value::Null
        ]
    );
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks[5]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[6]["usage"]["total_tokens"], 11);
    assert!(
        chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == "chatcmpl-1")
    );
}

#[test]
fn it_keeps_to_its_ceiling_and_gives_each_choice() {
    let mut request = request("Guten Tag");
    request["max_tokens"] = json!(4);
    request["n"] = json!(2);
    let answer = answer(request);
    assert_eq!(answer.text(), "You said: Gute");
    assert_eq!(answer.usage.output, 8);
    let body: Value = serde_json::from_slice(&answer.completion()).unwrap();
    assert_eq!(body["choices"][1]["finish_reason"], "length");
    assert_eq!(body["choices"][1]["index"], 1);
}

#[test]
fn nothing_said_is_answered_too() {
    let answer = answer(json!({"model": "demo/echo", "messages": [{"role": "system", "content": "x"}]}));
    assert_eq!(answer.text(), "You said nothing.");
}

proptest! {
    #[test]
    fn it_stays_within_what_is_reserved_and_the_meter_agrees(content: String, max_tokens in 1u64..40, n in 1u64..4) {
        let request = json!({
            "model": "demo/echo", "messages": [{"role": "user", "content": content}],
            "max_tokens": max_tokens, "n": n, "stream": true, "stream_options": {"include_usage": true},
        });
        let request = ChatRequest::scan(&Bytes::from(request.to_string())).unwrap();
        let answer = demo_echo::answer(&request, "chatcmpl-1", 1);
        prop_assert!(answer.usage.input <= request.asked.input.tokens_max());
        prop_assert!(answer.usage.output <= max_tokens * n);
        let mut meter = StreamMeter::new(StreamOptions {
            client_wants_usage: true,
            choices: n,
            output_tokens_max: Some(max_tokens * n),
        });
        for event in answer.chunks() {
            meter.push(event);
            while let Some(piece) = meter.next_piece() {
                prop_assert_ne!(piece, Piece::CeilingReached);
            }
        }
        prop_assert_eq!(meter.usage(), Some(&answer.usage));
        prop_assert!(meter.is_complete());
    }
}
