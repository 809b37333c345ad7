//! What the scripted provider says.

use platform_memory::{Answer, Ending};
use serde_json::{Value, json};

/// A whole answer that reports this usage.
pub fn completion(input: u64, output: u64) -> Answer {
    let body = json!({
        "id": "chatcmpl-scripted", "object": "chat.completion", "created": 1, "model": "priced-2026",
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": "Nine words." },
        }],
        "usage": usage(input, output),
    });
    Answer::json(200, &body.to_string())
}

/// One streamed chunk whose text counts as two tokens.
pub fn delta() -> String {
    event(&json!([{ "index": 0, "delta": { "content": "two toks" }, "finish_reason": null }]), &Value::Null)
}

pub const TOKENS_PER_DELTA: u64 = 2;

pub fn deltas(count: usize) -> Vec<String> {
    vec![delta(); count]
}

/// How an orderly stream ends: a reason, the usage, `[DONE]`.
pub fn orderly_end(input: u64, output: u64) -> Vec<String> {
    vec![
        event(&json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]), &Value::Null),
        event(&json!([]), &usage(input, output)),
        "data: [DONE]\n\n".into(),
    ]
}

/// An orderly stream of `count` deltas that reports this usage.
pub fn stream(count: usize, input: u64, output: u64) -> Answer {
    Answer::sse([deltas(count), orderly_end(input, output)].concat(), Ending::Clean)
}

/// The bytes of [`stream`].
pub fn stream_text(count: usize, input: u64, output: u64) -> String {
    [deltas(count), orderly_end(input, output)].concat().concat()
}

fn event(choices: &Value, usage: &Value) -> String {
    let chunk = json!({
        "id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1, "model": "priced-2026",
        "choices": choices, "usage": usage,
    });
    format!("data: {chunk}\n\n")
}

fn usage(input: u64, output: u64) -> Value {
    json!({ "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output })
}
