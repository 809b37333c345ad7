//! Nothing that a client or a provider sends makes the reading panic.

use bytes::Bytes;
use domain::routing::CeilingField;
use llm_formats::UpstreamError;
use llm_formats::openai_chat::{
    Ceiling, ChatRequest, Edits, Piece, StreamMeter, StreamOptions, read_completion,
};
use proptest::prelude::*;

/// Bytes that are nearly a request or a chunk.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        "[\\[\\]{}:,\" \n]{1,3}",
        "\"(model|messages|role|user|content|type|text|stream|stream_options|include_usage|max_tokens)\":?",
        "\"(tools|function|usage|prompt_tokens|completion_tokens|choices|delta|finish_reason|error|index)\":?",
        "null|true|false|-?[0-9]{1,20}|1e9|\"\\\\ud8",
        "data: |\r\n|\n\n|\\[DONE\\]|: ping",
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

const VALID: &str = r#"{"max_tokens":5,"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"é\n"}]}],
    "stream":true,"stream_options":{"include_usage":false},"n":2,"tools":[{"type":"function","function":{}}]}"#;

fn scan_all(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    if let Ok(request) = ChatRequest::scan(&body) {
        let ceiling = Some(Ceiling { field: CeilingField::MaxCompletionTokens, tokens: 7 });
        let edits = Edits { model: "other", ceiling, include_usage: true, standard_tier: true };
        let rewritten = request.rewrite(&edits);
        let again = ChatRequest::scan(&rewritten).expect("a rewritten request is a request");
        assert_eq!((again.asked.model.as_str(), again.asked.output_tokens_max), ("other", Some(7)));
        assert_eq!(again.asked.include_usage, request.asked.stream);
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&rewritten).is_ok());
        let _ = request.last_user_text();
    }
    let _ = (read_completion(bytes), UpstreamError::read(bytes));
    let options = StreamOptions { client_wants_usage: true, choices: 1, output_tokens_max: Some(9) };
    let mut meter = StreamMeter::new(options);
    for half in [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
        meter.push(Bytes::copy_from_slice(half));
        while let Some(piece) = meter.next_piece() {
            if let Piece::Usage(event) = piece {
                let _ = event.with_members("\"a\":1");
            }
        }
    }
    meter.end_of_upstream();
    while meter.next_piece().is_some() {}
    let _ = meter.clean_end(None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        scan_all(&bytes);
    }

    #[test]
    fn nearly_valid_text_is_survived(text in nearly_json()) {
        scan_all(text.as_bytes());
        scan_all(format!("data: {text}\n\n").as_bytes());
    }

    #[test]
    fn a_mutilated_request_is_survived(at in 0..VALID.len(), length in 0usize..4, bytes: Vec<u8>) {
        let mut body = VALID.as_bytes().to_vec();
        let end = (at + length).min(body.len());
        body.splice(at..end, bytes.into_iter().take(3));
        scan_all(&body);
    }
}
