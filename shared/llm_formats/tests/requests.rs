//! Which chat requests are taken, with what facts, and how others are refused.

use bytes::Bytes;
use llm_formats::RequestError;
use llm_formats::input::{MESSAGE_TOKENS, REQUEST_TOKENS, TOOL_TOKENS};
use llm_formats::openai_chat::ChatRequest;
use llm_formats::{CHOICES_MAX, OUTPUT_TOKENS_MAX};

fn scan(body: &str) -> Result<ChatRequest, RequestError> {
    ChatRequest::scan(&Bytes::copy_from_slice(body.as_bytes()))
}

/// A valid request with `members` added.
fn with(members: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}],{members}}}"#)
}

fn message(message: &str) -> String {
    format!(r#"{{"model":"m","messages":[{message}]}}"#)
}

fn part(part: &str) -> String {
    message(&format!(r#"{{"role":"user","content":[{{"type":"text","text":"See:"}},{part}]}}"#))
}

#[test]
fn a_plain_request_is_read() {
    let request = scan(include_str!("../fixtures/openai_chat_request/hello.json")).unwrap();
    assert_eq!(request.asked.model, "demo/echo");
    assert!(!request.asked.stream && !request.asked.include_usage);
    assert_eq!((request.asked.output_tokens_max, request.asked.choices), (None, 1));
    assert_eq!(request.asked.content_bytes, 5);
    // "user" and "Hello".
    assert_eq!(request.asked.input.tokens_max(), 9 + MESSAGE_TOKENS + REQUEST_TOKENS);
    assert_eq!(request.last_user_text().as_deref(), Some("Hello"));
}

#[test]
fn every_text_feature_is_read() {
    let body = include_str!("../fixtures/openai_chat_request/all_text_features.json");
    let request = scan(body).unwrap();
    assert_eq!(request.asked.model, "fast");
    assert!(request.asked.stream && request.asked.include_usage);
    assert_eq!((request.asked.output_tokens_max, request.asked.choices), (Some(900), 3));
    assert_eq!(request.last_user_text().as_deref(), Some("What is the weather in Köln?"));
    assert_eq!(request.asked.content_bytes, (9 + 29 + 6) as u64);
    // Nearly all of this body is text that the model reads.
    let overhead = REQUEST_TOKENS + 4 * MESSAGE_TOKENS + 2 * TOOL_TOKENS;
    let bytes = request.asked.input.tokens_max() - overhead;
    assert!(bytes > body.len() as u64 / 2 && bytes < body.len() as u64, "{bytes} of {}", body.len());
}

#[test]
fn values_that_leave_the_price_alone_are_taken() {
    let request = scan(include_str!("../fixtures/openai_chat_request/harmless_values.json")).unwrap();
    assert_eq!((request.asked.output_tokens_max, request.asked.choices), (None, 1));
    assert!(!request.asked.stream);
}

#[test]
fn escapes_in_keys_and_values_are_seen_through() {
    let request = scan(include_str!("../fixtures/openai_chat_request/escapes.json")).unwrap();
    assert_eq!(request.asked.model, "fäst");
    assert!(request.asked.stream);
    assert_eq!(request.last_user_text().as_deref(), Some("a\nü😀"));
    assert!(request.asked.content_bytes >= "a\nü😀".len() as u64);
}

#[test]
fn the_input_bound_counts_text_that_we_do_not_know() {
    let known = scan(&with(r#""temperature":1"#)).unwrap().asked.input.tokens_max();
    let unknown =
        scan(&with(&format!(r#""documents":["{}"]"#, "x".repeat(5_000)))).unwrap().asked.input.tokens_max();
    assert!(unknown >= known + 5_000);
    let metadata = scan(&with(&format!(r#""metadata":{{"a":"{}"}}"#, "x".repeat(5_000)))).unwrap();
    assert!(metadata.asked.input.tokens_max() < known + 5);
}

#[test]
fn ceilings_and_choices_are_taken_up_to_their_limits() {
    let request = scan(&with(&format!(r#""max_tokens":{OUTPUT_TOKENS_MAX},"n":{CHOICES_MAX}"#))).unwrap();
    assert_eq!(
        (request.asked.output_tokens_max, request.asked.choices),
        (Some(OUTPUT_TOKENS_MAX), CHOICES_MAX)
    );
    const { assert!(OUTPUT_TOKENS_MAX * CHOICES_MAX < domain::price::Usage::UNITS_MAX) };
    let both = scan(&with(r#""max_tokens":7,"max_completion_tokens":7"#)).unwrap();
    assert_eq!(both.asked.output_tokens_max, Some(7));
    let null = scan(&with(r#""max_tokens":7,"max_completion_tokens":null"#)).unwrap();
    assert_eq!(null.asked.output_tokens_max, Some(7));
}

#[test]
fn p30_a_member_that_is_null_is_absent() {
    let fields = [
        "max_tokens",
        "max_completion_tokens",
        "n",
        "stream",
        "stream_options",
        "tools",
        "best_of",
        "service_tier",
        "modalities",
        "audio",
        "prediction",
        "web_search_options",
        "background",
    ];
    let plain = scan(&with(r#""temperature":1"#)).unwrap();
    for field in fields {
        let null = scan(&with(&format!(r#""{field}":null"#))).expect(field);
        assert_eq!((null.asked.output_tokens_max, null.asked.choices), (None, 1), "{field}");
        assert!(!null.asked.stream && !null.asked.include_usage, "{field}");
        assert!(null.asked.input.tokens_max() <= plain.asked.input.tokens_max(), "{field}");
    }
    let all: Vec<_> = fields.iter().map(|field| format!(r#""{field}":null"#)).collect();
    assert!(scan(&with(&all.join(","))).is_ok());
    let usage = scan(&with(r#""stream":true,"stream_options":{"include_usage":null}"#)).unwrap();
    assert!(usage.asked.stream && !usage.asked.include_usage);
}

#[test]
fn whole_numbers_may_be_written_as_fractions() {
    for (members, ceiling, choices) in [
        (r#""max_tokens":64.0,"n":1.0"#, 64, 1),
        (r#""max_tokens":1e3,"n":2e0"#, 1_000, 2),
        (r#""max_completion_tokens":6.4e1,"n":30e-1"#, 64, 3),
        (r#""max_tokens":64.0,"max_completion_tokens":64,"best_of":1.0"#, 64, 1),
    ] {
        let request = scan(&with(members)).expect(members);
        assert_eq!(
            (request.asked.output_tokens_max, request.asked.choices),
            (Some(ceiling), choices),
            "{members}"
        );
    }
}

#[test]
fn bad_requests_are_refused_by_field() {
    let bad: &[(&str, &str, &str)] = &[
        (r#"[1]"#, "invalid_type", ""),
        (r#""text""#, "invalid_type", ""),
        (r#"{}"#, "missing_field", "model"),
        (r#"{"model":null,"messages":[{"role":"user","content":"Hi"}]}"#, "missing_field", "model"),
        (r#"{"model":"m"}"#, "missing_field", "messages"),
        (r#"{"model":5,"messages":[]}"#, "invalid_type", "model"),
        (r#"{"model":"","messages":[]}"#, "invalid_value", "model"),
        (r#"{"model":"\ud800","messages":[]}"#, "invalid_value", "model"),
        (r#"{"model":"m","messages":{}}"#, "invalid_type", "messages"),
        (r#"{"model":"m","messages":[]}"#, "invalid_value", "messages"),
        (&message("5"), "invalid_type", "messages[0]"),
        (&message(r#"{"content":"Hi"}"#), "missing_field", "messages[0].role"),
        (&message(r#"{"role":1,"content":"Hi"}"#), "invalid_type", "messages[0].role"),
        (&message(r#"{"role":"user","content":5}"#), "invalid_type", "messages[0].content"),
        (&part("5"), "invalid_type", "messages[0].content[1]"),
        (&part(r#"{"text":"x"}"#), "missing_field", "messages[0].content[1].type"),
        (&part(r#"{"type":1}"#), "invalid_type", "messages[0].content[1].type"),
        (&with(r#""stream":"yes""#), "invalid_type", "stream"),
        (&with(r#""stream_options":[]"#), "invalid_type", "stream_options"),
        (&with(r#""stream_options":{"include_usage":1}"#), "invalid_type", "stream_options.include_usage"),
        (&with(r#""max_tokens":"5""#), "invalid_type", "max_tokens"),
        (&with(r#""max_tokens":5.5"#), "invalid_type", "max_tokens"),
        (&with(r#""max_tokens":1e-3"#), "invalid_type", "max_tokens"),
        (&with(r#""max_tokens":1e300"#), "invalid_value", "max_tokens"),
        (&with(r#""n":1.5"#), "invalid_type", "n"),
        (&with(r#""max_tokens":0"#), "invalid_value", "max_tokens"),
        (&with(r#""max_tokens":-1"#), "invalid_value", "max_tokens"),
        (&with(r#""max_tokens":1000000001"#), "invalid_value", "max_tokens"),
        (
            &with(r#""max_completion_tokens":99999999999999999999999"#),
            "invalid_value",
            "max_completion_tokens",
        ),
        (&with(r#""max_tokens":5,"max_completion_tokens":6"#), "invalid_value", "max_tokens"),
        (&with(r#""n":0"#), "invalid_value", "n"),
        (&with(r#""n":129"#), "invalid_value", "n"),
        (&with(r#""n":true"#), "invalid_type", "n"),
        (&with(r#""tools":{}"#), "invalid_type", "tools"),
        (&with(r#""tools":[5]"#), "invalid_type", "tools[0]"),
        (&with(r#""tools":[{"function":{}}]"#), "missing_field", "tools[0].type"),
        (&with(r#""tools":[{"type":null}]"#), "invalid_type", "tools[0].type"),
        (&with(r#""model":"other""#), "duplicate_field", "model"),
        (&with(r#""m\u006fdel":"other""#), "duplicate_field", "model"),
        (&with(r#""max_tokens":5,"max_tokens":5000"#), "duplicate_field", "max_tokens"),
        (&with(r#""max_tokens":null,"max_tokens":5000"#), "duplicate_field", "max_tokens"),
        (&with(r#""service_tier":null,"service_tier":null"#), "duplicate_field", "service_tier"),
        (
            &with(r#""stream_options":{"include_usage":true,"include_usage":false}"#),
            "duplicate_field",
            "stream_options.include_usage",
        ),
    ];
    for (body, code, param) in bad {
        let error = scan(body).expect_err(body);
        assert_eq!((error.code, error.param.as_deref().unwrap_or("")), (*code, *param), "{body}: {error}");
    }
}

#[test]
fn features_without_a_price_are_refused_by_field() {
    let unpriced: &[(&str, &str)] = &[
        (&with(r#""best_of":2"#), "best_of"),
        (&with(r#""service_tier":"priority""#), "service_tier"),
        (&with(r#""service_tier":"flex""#), "service_tier"),
        (&with(r#""prediction":{"type":"content","content":"x"}"#), "prediction"),
        (&with(r#""modalities":["text","audio"]"#), "modalities"),
        (&with(r#""audio":{"voice":"alloy","format":"wav"}"#), "audio"),
        (&with(r#""web_search_options":{}"#), "web_search_options"),
        (&with(r#""search_parameters":{"mode":"on"}"#), "search_parameters"),
        (&with(r#""plugins":[{"id":"web"}]"#), "plugins"),
        (&with(r#""models":["a","b"]"#), "models"),
        (&with(r#""previous_response_id":"resp_1""#), "previous_response_id"),
        (&with(r#""conversation":"conv_1""#), "conversation"),
        (&with(r#""background":true"#), "background"),
        (&with(r#""tools":[{"type":"function","function":{}},{"type":"web_search"}]"#), "tools[1]"),
        (&with(r#""tools":[{"type":"function","type":"code_interpreter"}]"#), "tools[0]"),
        (&part(r#"{"type":"input_audio","input_audio":{"data":""}}"#), "messages[0].content[1]"),
        (&part(r#"{"type":"file","file":{"file_id":"file-1"}}"#), "messages[0].content[1]"),
        (&part(r#"{"type":"image_url","file":{"file_data":"x"}}"#), "messages[0].content[1]"),
        (&part(r#"{"type":"something_new"}"#), "messages[0].content[1]"),
        (&message(r#"{"role":"assistant","audio":{"id":"audio_1"}}"#), "messages[0].audio"),
    ];
    for (body, param) in unpriced {
        let error = scan(body).expect_err(body);
        assert_eq!(
            (error.code, error.param.as_deref()),
            ("unpriced_feature", Some(*param)),
            "{body}: {error}"
        );
        assert!(error.message.contains(param), "{error}");
    }
}

#[test]
fn broken_json_is_refused_with_its_place() {
    let places: &[(&[u8], &str)] = &[
        (b"", "line 1, column 1"),
        (b"{\"model\":\"m\",\n  \"messages\":]}", "line 2, column 14"),
        (b"{\"model\":\"m\"", "line 1, column 13"),
        (b"{\"model\":\"m\",}", "line 1, column 14"),
        (b"{\"model\":\"\xff\"}", "line 1, column 11"),
        (b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]} x", "line 1, column 44"),
    ];
    for (body, place) in places {
        let error =
            ChatRequest::scan(&Bytes::copy_from_slice(body)).expect_err(&body.escape_ascii().to_string());
        assert_eq!((error.code, &error.param), ("invalid_json", &None), "{error}");
        assert!(error.message.contains(place), "{}: {error}", body.escape_ascii());
    }
    let deep = with(&format!(r#""x":{}{}"#, "[".repeat(200_000), "]".repeat(200_000)));
    assert_eq!(scan(&deep).unwrap_err().code, "invalid_json");
}
