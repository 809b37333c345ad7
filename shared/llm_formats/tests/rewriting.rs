//! The body that a provider gets: only the members that must change do.

use bytes::Bytes;
use domain::routing::CeilingField;
use llm_formats::openai_chat::{Ceiling, ChatRequest, Edits};

const UNCHANGED: Edits = Edits { model: "m", ceiling: None, include_usage: false, standard_tier: false };

fn new(tokens: u64) -> Option<Ceiling> {
    Some(Ceiling { field: CeilingField::MaxCompletionTokens, tokens })
}

fn old(tokens: u64) -> Option<Ceiling> {
    Some(Ceiling { field: CeilingField::MaxTokens, tokens })
}

#[test]
fn only_the_members_that_must_change_do() {
    const MESSAGES: &str = r#""messages":[{"role":"user","content":"Hi é"}]"#;
    let cases: &[(Edits, &str, &str)] = &[
        (
            Edits { model: "gpt \"4\"", ..UNCHANGED },
            r#"{ "model" : "m" ,M }"#,
            r#"{ "model" : "gpt \"4\"" ,M }"#,
        ),
        (
            Edits { ceiling: new(9), ..UNCHANGED },
            r#"{"model":"m",M}"#,
            r#"{"max_completion_tokens":9,"model":"m",M}"#,
        ),
        (Edits { ceiling: old(9), ..UNCHANGED }, r#"{"model":"m",M}"#, r#"{"max_tokens":9,"model":"m",M}"#),
        (
            Edits { ceiling: new(9), ..UNCHANGED },
            r#"{"model":"m","max_tokens": 20 ,M}"#,
            r#"{"model":"m","max_completion_tokens":9 ,M}"#,
        ),
        (
            Edits { ceiling: new(9), ..UNCHANGED },
            r#"{"max_tokens":9 , "max_completion_tokens":null,M,"model":"m"}"#,
            r#"{ "max_completion_tokens":9,M,"model":"m"}"#,
        ),
        (
            Edits { ceiling: old(9), standard_tier: true, ..UNCHANGED },
            r#"{"max_completion_tokens":12,M,"model":"m","max_tokens":12}"#,
            r#"{"service_tier":"default",M,"model":"m","max_tokens":9}"#,
        ),
        (
            Edits { ceiling: old(9), ..UNCHANGED },
            r#"{M,"model":"m","max_tokens":9 , "max_completion_tokens":9}"#,
            r#"{M,"model":"m","max_tokens":9 }"#,
        ),
        (UNCHANGED, r#"{"model":"m","n":2,M}"#, r#"{"model":"m","n":2,M}"#),
        (UNCHANGED, r#"{"model":"m","n":null,M}"#, r#"{"model":"m","n":null,M}"#),
        (
            Edits { ceiling: old(64), ..UNCHANGED },
            r#"{"model":"m","n": 20e-1 ,"max_tokens":64.0,M}"#,
            r#"{"model":"m","n": 2 ,"max_tokens":64,M}"#,
        ),
        (
            Edits { include_usage: true, ..UNCHANGED },
            r#"{"model":"m","stream":true,M}"#,
            r#"{"stream_options":{"include_usage":true},"model":"m","stream":true,M}"#,
        ),
        (
            Edits { include_usage: true, ..UNCHANGED },
            r#"{"model":"m","stream":true,"stream_options":{ },M}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true },M}"#,
        ),
        (
            Edits { include_usage: true, ..UNCHANGED },
            r#"{"model":"m","stream":true,"stream_options":{"include_obfuscation":false},M}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},M}"#,
        ),
        (
            Edits { include_usage: true, ..UNCHANGED },
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":false,"x":1},M}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"x":1},M}"#,
        ),
        (
            Edits { include_usage: true, ..UNCHANGED },
            r#"{"model":"m","stream":true,"stream_options":null,M}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},M}"#,
        ),
        (
            Edits { standard_tier: true, ..UNCHANGED },
            r#"{"model":"m","service_tier":"auto",M}"#,
            r#"{"model":"m","service_tier":"default",M}"#,
        ),
    ];
    for (edits, before, after) in cases {
        let (before, after) = (before.replace('M', MESSAGES), after.replace('M', MESSAGES));
        let body = Bytes::from(before.clone());
        let rewritten = ChatRequest::scan(&body).unwrap().rewrite(edits);
        assert_eq!(std::str::from_utf8(&rewritten).unwrap(), after, "from {before}");
        // It is as the edits want it now, so it stays the same bytes.
        let again = ChatRequest::scan(&rewritten).unwrap().rewrite(edits);
        assert_eq!(again.as_ptr(), rewritten.as_ptr());
    }
}

#[test]
fn a_body_that_needs_no_change_is_not_copied() {
    let body = Bytes::from_static(
        br#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":5,"stream":true,
            "stream_options":{"include_usage":true},"service_tier":"default"}"#,
    );
    let edits = Edits { ceiling: old(5), include_usage: true, standard_tier: true, ..UNCHANGED };
    let rewritten = ChatRequest::scan(&body).unwrap().rewrite(&edits);
    assert_eq!((rewritten.as_ptr(), rewritten.len()), (body.as_ptr(), body.len()));
}
