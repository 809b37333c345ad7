//! The golden fixtures with one value exchanged: whatever comes, every format reads it or refuses it, and what was
//! read can be counted and written.

use domain::routing::{CeilingField, OpenAiServer, OpenAiVendor};
use llm_formats::conversation::Conversation;
use llm_formats::exchange::{EventReader, Wish};
use llm_formats::{Asked, RequestError, anthropic_messages, openai_chat};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// All golden files of a kind with this end.
fn fixtures(kind: &str, end: &str) -> Vec<PathBuf> {
    let cases = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden").join(kind));
    let files = cases.unwrap().flat_map(|case| fs::read_dir(case.unwrap().path()).unwrap());
    let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.into_iter().filter(|file| file.to_string_lossy().ends_with(end)).collect()
}

fn values(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Array(elements) => elements.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    };
    1 + inside
}

/// Puts `other` in the place of the value that is `left` further on, in writing order.
fn exchange(value: &mut Value, left: &mut usize, other: &Value) {
    if *left == 0 {
        *value = other.clone();
    }
    *left = left.wrapping_sub(1);
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| exchange(element, left, other)),
        Value::Object(members) => members.values_mut().for_each(|member| exchange(member, left, other)),
        _ => {}
    }
}

fn broken(text: &str, at: Index, other: &Value) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    let mut left = at.index(values(&value));
    exchange(&mut value, &mut left, other);
    value.to_string()
}

fn any_value() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("text"),
        json!("data:x;base64,"),
        json!([]),
        json!({}),
        json!([null]),
        json!([{"type": "text", "text": ""}]),
        json!({"type": "thinking", "thinking": []}),
        json!({"index": u64::MAX, "error": null}),
    ])
}

fn follow(read: Result<Conversation, RequestError>) {
    let Ok(conversation) = read else { return };
    let _ = Asked::of(&conversation, openai_chat::request::name_of).map(|asked| asked.input.tokens_max());
    let wish = Wish { model: "m", output_tokens_max: 7 };
    for vendor in [
        OpenAiVendor::OpenAi,
        OpenAiVendor::Mistral,
        OpenAiVendor::Groq,
        OpenAiVendor::OpenRouter,
        OpenAiVendor::Compatible,
    ] {
        let server = OpenAiServer { vendor, ceiling_field: CeilingField::MaxTokens, pins_service_tier: true };
        if let Ok(body) = openai_chat::request::write(&conversation, &wish, &server) {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((&body["model"], &body["max_tokens"]), (&json!("m"), &json!(7)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn requests_are_read_or_refused(
        chat in select(fixtures("requests", "openai_chat.client.json")),
        messages in select(fixtures("requests", "anthropic_messages.client.json")),
        at: Index,
        other in any_value(),
    ) {
        let broken = |file: PathBuf| broken(&fs::read_to_string(file).unwrap(), at, &other);
        follow(openai_chat::request::read(broken(chat).as_bytes()));
        follow(anthropic_messages::request::read(broken(messages).as_bytes()));
    }

    #[test]
    fn answers_and_chunks_are_survived(
        answer in select(fixtures("answers", "openai_chat.target.json")),
        stream in select(fixtures("streams", "openai_chat.target.sse")),
        event: Index,
        at: Index,
        other in any_value(),
    ) {
        let answer = broken(&fs::read_to_string(answer).unwrap(), at, &other);
        let _ = openai_chat::answer::read(answer.as_bytes());
        let stream = fs::read_to_string(stream).unwrap();
        let chunks: Vec<&str> = stream.split("\n\n").filter(|chunk| chunk.starts_with("data: {")).collect();
        let broken_one = event.index(chunks.len());
        let (mut reader, mut events) = (openai_chat::stream::Reader::default(), Vec::new());
        for (index, chunk) in chunks.iter().enumerate() {
            let data = &chunk["data: ".len()..];
            let data = if index == broken_one { broken(data, at, &other) } else { data.to_owned() };
            reader.push(format!("data: {data}\n\n").as_bytes(), &mut events);
        }
        reader.end(&mut events);
    }
}
