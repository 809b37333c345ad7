//! Headers and members of a chat call that cannot be taken as meant: refused by name, nothing is sent or charged.

mod scene;

use http::{HeaderName, HeaderValue, Request};
use scene::{Scene, chat_request, provider, question};
use serde_json::{Value, json};

fn with_headers(mut request: Request<bytes::Bytes>, headers: &[(&str, &[u8])]) -> Request<bytes::Bytes> {
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    request
}

#[test]
fn p30_each_header_that_cannot_be_taken_as_meant_is_named_and_costs_nothing() {
    let scene = Scene::new();
    let (nine, long) = (["tag"; 9].join(","), "t".repeat(65));
    let bearer = format!("Bearer {}", scene.key);
    for (name, value) in [
        ("x-usage-tags", b"team-a,K\xf6ln".as_slice()),
        ("x-usage-tags", "team-a,K\u{fffd}ln".as_bytes()),
        ("x-usage-tags", nine.as_bytes()),
        ("x-usage-tags", long.as_bytes()),
        ("x-budget-clamp", b"alow"),
        ("x-budget-clamp", b""),
        ("x-budget-clamp", b"allow, allow"),
        ("x-budget-clamp", b"\xff"),
        ("x-api-key", b"k\xe4y"),
        ("x-api-key", b"one, two"),
        ("api-key", b"\xff"),
        ("authorization", bearer.as_bytes()),
    ] {
        let request = with_headers(scene.request(&question(10)), &[(name, value)]);
        let error = scene.send(request).expect_error(400, "invalid_value");
        assert_eq!(error["param"], name, "{}", value.escape_ascii());
    }
    let twice = &[("x-budget-clamp", b"allow".as_slice()), ("x-budget-clamp", b"allow")];
    let error =
        scene.send(with_headers(scene.request(&question(10)), twice)).expect_error(400, "invalid_value");
    assert_eq!(error["param"], "x-budget-clamp");
    let other = with_headers(scene.request(&question(10)), &[("x-api-key", b"another")]);
    assert_eq!(scene.send(other).expect_error(400, "conflicting_credentials")["param"], "authorization");
    let gzip = with_headers(scene.request(&question(10)), &[("content-encoding", b"gzip")]);
    let refused = scene.send(gzip);
    assert_eq!(refused.expect_error(415, "unsupported_content_encoding")["param"], "content-encoding");
    assert_eq!(refused.header("accept-encoding"), "identity");
    assert_eq!(scene.platform.upstream_calls(), 0);
    scene.expect_untouched();
}

#[test]
fn p30_tags_arrive_as_they_were_sent_in_every_alphabet() {
    let scene = Scene::new();
    scene.platform.answer_next(provider::completion(20, 5));
    let headers = &[("x-usage-tags", "team-a, Köln".as_bytes()), ("x-usage-tags", "日本,".as_bytes())];
    scene.send(with_headers(scene.request(&question(10)), headers)).expect_ok();
    assert_eq!(scene.only_row().tags, ["team-a", "Köln", "日本"]);
}

#[test]
fn p30_one_key_in_two_places_is_one_key() {
    let scene = Scene::new();
    scene.platform.answer_next(provider::completion(20, 5));
    let headers = &[("x-api-key", scene.key.as_bytes()), ("api-key", scene.key.as_bytes())];
    scene.send(with_headers(scene.request(&question(10)), headers)).expect_ok();
}

#[test]
fn p30_a_bad_header_tells_nothing_to_who_has_no_good_key() {
    let scene = Scene::new();
    let forged = scene::issue_key(&scene.platform, scene.account, 9);
    let request = chat_request(Some(&forged), question(10).to_string());
    scene.send(with_headers(request, &[("x-usage-tags", b"\xff")])).expect_error(401, "invalid_api_key");
}

#[test]
fn p30_members_that_are_doubled_or_beyond_measure_are_named_and_cost_nothing() {
    let scene = Scene::new();
    let body = question(10).to_string();
    for (member, code, param) in [
        ("\"max_tokens\":10", "duplicate_field", "max_tokens"),
        ("\"max_tokens\":null", "duplicate_field", "max_tokens"),
        ("\"model\":\"priced\"", "duplicate_field", "model"),
        ("\"messages\":[{\"role\":\"user\"}]", "duplicate_field", "messages"),
        ("\"n\":1,\"n\":100", "duplicate_field", "n"),
        ("\"stream\":true,\"stream\":false", "duplicate_field", "stream"),
        ("\"tools\":[],\"tools\":null", "duplicate_field", "tools"),
        ("\"best_of\":1,\"best_of\":5", "duplicate_field", "best_of"),
        ("\"max_completion_tokens\":1e999", "invalid_value", "max_completion_tokens"),
        ("\"n\":1e99", "invalid_value", "n"),
        ("\"n\":1.5", "invalid_type", "n"),
        ("\"max_completion_tokens\":-1e5", "invalid_value", "max_completion_tokens"),
    ] {
        // In front, so that the doubled one is the second, whichever a reader would take.
        let body = body.replacen('{', &format!("{{{member},"), 1);
        let error = scene.send(chat_request(Some(&scene.key), body)).expect_error(400, code);
        assert_eq!(error["param"], param, "{member}");
    }
    assert_eq!(scene.platform.upstream_calls(), 0);
    scene.expect_untouched();
}

#[test]
fn p30_members_that_are_null_are_absent_and_whole_numbers_may_be_fractions() {
    let scene = Scene::new();
    let mut body = question(10);
    body["max_tokens"] = json!(64.0);
    for name in ["n", "stream", "stream_options", "tools", "max_completion_tokens", "service_tier", "audio"] {
        body[name] = Value::Null;
    }
    scene.platform.answer_next(provider::completion(20, 5));
    scene.chat(&body).expect_ok();
    let mut body = question(10);
    body["n"] = json!(2.0);
    scene.platform.answer_next(provider::completion(20, 5));
    scene.chat(&body).expect_ok();
    let sent = scene.platform.upstream_requests();
    let ceilings: Vec<Value> = sent.iter().map(|sent| serde_json::from_slice(sent.body()).unwrap()).collect();
    assert_eq!((&ceilings[0]["max_tokens"], &ceilings[1]["n"]), (&json!(64), &json!(2)));
}
