//! What unstreamed answers and error bodies say.

use domain::price::Usage;
use llm_formats::UpstreamError;
use llm_formats::openai_chat::usage::write_usage;
use llm_formats::openai_chat::{read_completion, usage_of_completion};

const FIVE_OF_ALL: Usage = Usage {
    input: 5,
    cached_input: 16,
    cache_write: 0,
    output: 3,
    reasoning: 2,
    audio_input: 0,
    audio_output: 0,
};

#[test]
fn recorded_completions_are_read() {
    let plain = read_completion(include_bytes!("../fixtures/openai_chat_completion/plain.json")).unwrap();
    assert_eq!((plain.usage, plain.choices, plain.error), (Some(FIVE_OF_ALL), 1, None));
    let bare =
        read_completion(include_bytes!("../fixtures/openai_chat_completion/without_usage.json")).unwrap();
    // `Bread needs "time".` has 19 bytes.
    assert_eq!((bare.usage, bare.output_estimate), (None, 5));
    let two = read_completion(include_bytes!("../fixtures/openai_chat_completion/two_choices.json")).unwrap();
    assert_eq!(two.usage, Some(Usage { input: 12, output: 10, ..Usage::default() }));
    assert_eq!((two.choices, two.output_estimate), (2, 10));
    let error =
        read_completion(include_bytes!("../fixtures/openai_chat_completion/error_with_status_200.json"));
    let error = error.unwrap().error.unwrap();
    assert_eq!((error.message.as_str(), error.code.as_deref()), ("Provider returned error", Some("502")));
}

#[test]
fn a_broken_answer_is_an_error() {
    for body in ["", "null", "[]", "<html>", r#"{"choices":[}"#, r#"{"usage":{"prompt_tokens":1}"#, "{} {}"] {
        assert!(read_completion(body.as_bytes()).is_err(), "{body}");
        assert_eq!(usage_of_completion(body.as_bytes()), None);
    }
}

#[test]
fn a_usage_that_lies_never_comes_out_below_what_it_says() {
    let most = Usage::UNITS_MAX;
    let cases: &[(&str, Option<Usage>)] = &[
        (r#"{"prompt_tokens":3,"completion_tokens":2}"#, Some(usage(3, 2))),
        (r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#, Some(usage(0, 0))),
        // The total says more than its parts: reasoning that was left out.
        (r#"{"prompt_tokens":3,"completion_tokens":2,"total_tokens":9}"#, Some(usage(3, 6))),
        (
            r#"{"prompt_tokens":3,"completion_tokens":2,"total_tokens":9,"completion_tokens_details":{"reasoning_tokens":4}}"#,
            Some(Usage { reasoning: 4, ..usage(3, 2) }),
        ),
        (r#"{"prompt_tokens":3,"completion_tokens":2,"total_tokens":1}"#, Some(usage(3, 2))),
        (r#"{"prompt_tokens":3,"total_tokens":9}"#, Some(usage(3, 6))),
        (r#"{"completion_tokens":3,"total_tokens":9}"#, Some(usage(6, 3))),
        (r#"{"total_tokens":9}"#, None),
        (r#"{"prompt_tokens":3}"#, None),
        (r#"{"prompt_tokens":-3,"completion_tokens":2}"#, None),
        (r#"{"prompt_tokens":"3","completion_tokens":2}"#, None),
        (r#"{"prompt_tokens":null,"completion_tokens":2,"total_tokens":5}"#, Some(usage(3, 2))),
        (r#"{"prompt_tokens":2.1,"completion_tokens":20.00}"#, Some(usage(3, 20))),
        (r#"{"prompt_tokens":1e3,"completion_tokens":2}"#, None),
        (
            r#"{"prompt_tokens":1099511627776.5,"completion_tokens":99999999999999999999}"#,
            Some(usage(most, most)),
        ),
        // A discount larger than the whole is no discount.
        (
            r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":11}}"#,
            Some(usage(10, 2)),
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":6,"cache_write_tokens":3,"audio_tokens":1}}"#,
            Some(Usage { cached_input: 6, cache_write: 3, audio_input: 1, ..usage(0, 2) }),
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":50,"audio_tokens":-1}}"#,
            Some(Usage { reasoning: 2, ..usage(10, 0) }),
        ),
        ("null", None),
        ("[]", None),
        ("7", None),
        ("{}", None),
    ];
    for (json, expected) in cases {
        let body = format!(r#"{{"choices":[],"usage":{json}}}"#);
        assert_eq!(usage_of_completion(body.as_bytes()), *expected, "{json}");
    }
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

#[test]
fn a_usage_is_written_as_it_is_read() {
    let written = format!(r#"{{"usage":{}}}"#, write_usage(&FIVE_OF_ALL, r#""cost_eur":"0.000123""#));
    assert_eq!(usage_of_completion(written.as_bytes()), Some(FIVE_OF_ALL));
    let value: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(value["usage"]["cost_eur"], "0.000123");
    assert_eq!(value["usage"]["total_tokens"], 26);
}

#[test]
fn error_bodies_of_all_shapes_are_read() {
    /// Message, type and code.
    type Read<'a> = Option<(&'a str, Option<&'a str>, Option<&'a str>)>;
    let cases: &[(&str, Read)] = &[
        (
            r#"{"error":{"message":"No money","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            Some(("No money", Some("insufficient_quota"), Some("insufficient_quota"))),
        ),
        (r#"{"error":"model not found"}"#, Some(("model not found", None, None))),
        (
            r#"{"object":"error","message":"too long","type":"x","code":400}"#,
            Some(("too long", Some("x"), Some("400"))),
        ),
        (r#"{"detail":"Unauthorized"}"#, Some(("Unauthorized", None, None))),
        (r#"{"error":null}"#, None),
        (r#"{"id":1}"#, None),
        ("<html>", None),
    ];
    for (body, expected) in cases {
        let error = UpstreamError::read(body.as_bytes());
        let error = error.as_ref().map(|e| (e.message.as_str(), e.kind.as_deref(), e.code.as_deref()));
        assert_eq!(error, *expected, "{body}");
    }
    let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "é".repeat(10_000));
    assert_eq!(UpstreamError::read(long.as_bytes()).unwrap().message.len(), 500);
}
