//! Wrong requests and unwelcome callers: each a clear error, and nothing reaches the provider.

use serde_json::json;
use tests::client::raw;
use tests::fixtures::{MODEL, chat_with};
use tests::seed::OTHER_TENANT;
use tests::{Scene, User, chat_body};

const PATH: &str = "/v1/chat/completions";

async fn send_text(user: &User, body: impl Into<bytes::Bytes>) -> tests::client::Answer {
    user.get(PATH).with_method("POST").body("application/json", body).send().await
}

#[tokio::test]
async fn bodies_that_are_not_json_are_refused() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let deep = "{\"a\":".repeat(100_000);
    let cases = ["", "{", "{\"model\": \"x\",}", "\u{feff}{}", "{\"a\":1}{\"b\":2}", &deep];
    for body in cases {
        let start: String = body.chars().take(40).collect();
        let answer = send_text(&user, body.to_owned()).await;
        assert_eq!(answer.status, 400, "{start}: {}", answer.text());
        answer.expect_problem(400, "invalid_json");
    }
    send_text(&user, b"{\"model\": \"\xff\xfe\"}".to_vec()).await.expect_problem(400, "invalid_json");
    scene.end().await;
}

#[tokio::test]
async fn wrong_types_and_values_name_the_field() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let cases = [
        ("model", json!(7), "invalid_type"),
        ("model", json!(""), "invalid_value"),
        ("messages", json!("hello"), "invalid_type"),
        ("messages", json!([]), "invalid_value"),
        ("stream", json!("yes"), "invalid_type"),
        ("max_tokens", json!(-1), "invalid_value"),
        ("max_tokens", json!(0), "invalid_value"),
        ("max_tokens", json!(1.5), "invalid_type"),
        ("max_tokens", json!("50"), "invalid_type"),
        ("max_tokens", json!(u64::MAX), "invalid_value"),
        ("max_tokens", json!(1e300), "invalid_value"),
        ("max_tokens", json!(100_000_000), "invalid_value"),
        ("n", json!(0), "invalid_value"),
        ("n", json!(1_000_000), "invalid_value"),
        ("stream_options", json!(3), "invalid_type"),
    ];
    for (field, value, code) in cases {
        let answer = user.chat(&chat_with(json!({field: value}))).send().await;
        assert_eq!(answer.status, 400, "{field} = {value}: {}", answer.text());
        let error = answer.expect_problem(400, code);
        assert_eq!(error["param"], field, "{field} = {value}: {error}");
    }
    for field in ["model", "messages"] {
        let mut body = chat_body(MODEL);
        body.as_object_mut().expect("an object").remove(field);
        assert_eq!(user.chat(&body).send().await.expect_problem(400, "missing_field")["param"], field);
    }
    send_text(&user, "[1, 2]").await.expect_problem(400, "invalid_type");
    scene.end().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let huge = chat_with(json!({"messages": [{"role": "user", "content": "x".repeat(9 << 20)}]}));
    user.chat(&huge).send().await.expect_problem(413, "request_too_large");
    // A large one that is within the limit is a matter of money, not of size.
    let large = chat_with(json!({"messages": [{"role": "user", "content": "x".repeat(7 << 20)}]}));
    user.chat(&large).send().await.expect_problem(403, "budget_exceeded");
    scene.end().await;
}

#[tokio::test]
async fn malformed_http_breaks_nothing() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let authority = scene.client().authority().to_owned();
    let requests = [
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n".to_owned(),
        "GET /%zz/%00 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
        format!("GET /v1/budget HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n", "é".repeat(50)),
    ];
    for request in requests {
        if let Some(answer) = raw::exchange(&authority, request.as_bytes()).await {
            assert!((400..500).contains(&answer.status), "{request}: {}", answer.text);
        }
    }
    user.chat(&chat_body("demo/echo")).send().await.expect(200);
    scene.end().await;
}

#[tokio::test]
async fn an_unknown_model_is_not_found() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let long = "m".repeat(200);
    for model in ["gpt-99", "../../etc", "demo/echo/", "Demo/Echo", "' OR 1=1 --", &long] {
        let answer = user.chat(&chat_body(model)).send().await;
        assert_eq!(answer.expect_problem(404, "model_not_found")["param"], "model", "{model}");
    }
    scene.end().await;
}

#[tokio::test]
async fn p21_missing_forged_expired_and_revoked_keys_get_one_and_the_same_answer() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let keys = format!("/api/users/{}/keys", user.id);
    let expires = json!({"name": "short", "expires_at": "2020-01-01T00:00:00Z"});
    let expired = scene.billing("POST", &keys, &expires).await;
    let revoked = scene.billing("POST", &keys, &json!({"name": "revoked"})).await.expect(201).json();
    let revoked_path = format!("{keys}/{}", revoked["api_key_id"].as_str().expect("an id"));
    scene.billing("DELETE", &revoked_path, &json!({})).await.expect(200);

    let mut refused = vec![
        "sk-nonsense".to_owned(),
        tampered(&user.key),
        revoked["api_key"].as_str().expect("a key").to_owned(),
        format!("{}x", user.key),
    ];
    // A key may also be refused at its creation, since it would be born expired.
    refused.extend(expired.json()["api_key"].as_str().map(str::to_owned));
    let missing = scene.client().post(PATH, &chat_body(MODEL)).send().await;
    missing.expect_problem(401, "invalid_api_key");
    for key in refused {
        let answer = scene.client().post(PATH, &chat_body(MODEL)).bearer(&key).send().await;
        assert_eq!((answer.status, answer.text()), (missing.status, missing.text()), "{}", key.len());
    }
    // The same user's other key is not touched.
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

/// The same key with one character of its secret changed.
fn tampered(key: &str) -> String {
    let at = key.len() / 2;
    let other = if key.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &key[..at], &key[at + 1..])
}

#[tokio::test]
async fn p21_a_revoked_key_is_dead_for_every_later_call() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    let path = format!("/api/users/{}/keys/{}", user.id, user.key_id);
    scene.billing("DELETE", &path, &json!({})).await.expect(200);
    for _ in 0..100 {
        user.chat(&chat_body(MODEL)).send().await.expect_problem(401, "invalid_api_key");
    }
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_key_is_taken_from_each_place_where_clients_put_it() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    for header in ["x-api-key", "api-key"] {
        scene.client().get("/v1/budget").header(header, &user.key).send().await.expect(200);
    }
    scene.end().await;
}

#[tokio::test]
async fn suspended_and_pending_users_are_refused_until_they_are_active_again() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    for status in ["suspended", "pending"] {
        user.change(&json!({"status": status})).await;
        user.chat(&chat_body(MODEL)).send().await.expect_problem(403, "user_inactive");
        user.get("/v1/budget").send().await.expect_problem(403, "user_inactive");
    }
    user.change(&json!({"status": "active"})).await;
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn users_of_a_suspended_tenant_are_refused() {
    let scene = Scene::start().await;
    let user = scene.user(json!({"budget_total": "1", "tenant_id": OTHER_TENANT})).await;
    let tenant = format!("/api/tenants/{OTHER_TENANT}");
    scene.billing("PATCH", &tenant, &json!({"status": "suspended"})).await.expect(200);
    user.chat(&chat_body(MODEL)).send().await.expect_problem(403, "tenant_inactive");
    scene.billing("PATCH", &tenant, &json!({"status": "active"})).await.expect(200);
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn p16_requests_per_minute_are_counted_before_anything_is_sent() {
    let scene = Scene::start().await;
    let user = scene.user(json!({"budget_total": "1", "requests_per_minute": 3})).await;
    let calls = (0..12).map(|_| tokio::spawn(user.chat(&chat_body(MODEL)).send()));
    let mut admitted = 0;
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.expect("no panic");
        if answer.status == 200 {
            admitted += 1;
            assert_eq!(answer.header("x-ratelimit-limit-requests"), "3");
        } else {
            answer.expect_problem(429, "rate_limit_exceeded");
            assert!(
                answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=60).contains(&seconds))
            );
        }
    }
    assert_eq!(admitted, 3);
    scene.upstream().expect_calls(&[(MODEL, 3)]);
    scene.end().await;
}

/// A header's name and its values, each on a line of its own.
type Lines<'a> = (&'a str, &'a [&'a [u8]]);

fn with_lines(request: tests::client::Request, (name, values): Lines<'_>) -> tests::client::Request {
    values.iter().fold(request, |request, value| request.header_bytes(name, value))
}

#[tokio::test]
async fn p30_an_order_whose_id_cannot_be_read_is_refused_by_name_and_its_id_stays_free() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let order = async |lines: Lines<'_>| {
        let body = json!({"amount": "0.25", "reason": "a credit"});
        let request = scene.client().post(&format!("/api/users/{}/top-ups", user.id), &body);
        with_lines(request.header("x-api-key", &scene.facts().billing_api_key), lines).send().await
    };
    for ids in [
        &["gutschrift-ä".as_bytes()][..],
        &[b"gutschrift-\xe4"],
        &[b"k1", b"k1"],
        &[b"k1", b"k2"],
        &[b"k1, k1"],
        &[b""],
    ] {
        let problem = order(("idempotency-key", ids)).await.expect_problem_json(400, "invalid_value");
        assert_eq!(problem["param"], "Idempotency-Key", "{ids:?}: {problem}");
    }
    // A control character, which no client library sends: whoever refuses it, it is not taken for absent.
    let authority = scene.client().authority().to_owned();
    let body = r#"{"amount":"0.25","reason":"a credit"}"#;
    let request = format!(
        "POST /api/users/{}/adjustments HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\nidempotency-key: k\u{1}1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        user.id,
        scene.facts().billing_api_key,
        body.len(),
    );
    if let Some(answer) = raw::exchange(&authority, request.as_bytes()).await {
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
    let path = format!("/api/users/{}/budget", user.id);
    let budget = scene.billing("GET", &path, &json!(null)).await.expect(200).json();
    assert_eq!((&budget["top_up"], &budget["budget_used"]), (&json!("0.00"), &json!("0.00")));
    for repeated in [false, true] {
        assert_eq!(order(("idempotency-key", &[b"k1"])).await.expect(200).json()["repeated"], repeated);
    }
    let budget = scene.billing("GET", &path, &json!(null)).await.expect(200).json();
    assert_eq!(budget["top_up"], "0.25");
    scene.end().await;
}

#[tokio::test]
async fn p30_a_calls_header_that_cannot_be_taken_as_meant_is_refused_by_name() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let long = "t".repeat(65);
    let cases: [Lines<'_>; 8] = [
        ("x-usage-tags", &[b"team-a,K\xf6ln"]),
        ("x-usage-tags", &[b"1,2,3,4,5", b"6,7,8,9"]),
        ("x-usage-tags", &[long.as_bytes()]),
        ("x-budget-clamp", &[b"alow"]),
        ("x-budget-clamp", &[b"allow", b"allow"]),
        ("authorization", &[b"Bearer another"]),
        ("x-api-key", &[b"k\xe4y"]),
        ("x-api-key", &[b"one", b"two"]),
    ];
    for lines in cases {
        let answer = with_lines(user.chat(&chat_body(MODEL)), lines).send().await;
        let error = answer.expect_problem(400, "invalid_value");
        assert_eq!(error["param"], lines.0, "{lines:?}: {error}");
    }
    let other = user.chat(&chat_body(MODEL)).header("x-api-key", "another").send().await;
    other.expect_problem(400, "conflicting_credentials");
    let compressed = user.chat(&chat_body(MODEL)).header("content-encoding", "gzip").send().await;
    assert_eq!(compressed.header("accept-encoding"), "identity");
    compressed.expect_problem(415, "unsupported_content_encoding");
    scene.upstream().expect_calls(&[]);
    scene.end().await;
}

#[tokio::test]
async fn p30_tags_arrive_as_they_were_sent_in_every_alphabet() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let lines: Lines<'_> = ("x-usage-tags", &["team-a, Köln".as_bytes(), "日本,😀".as_bytes()]);
    let answer = with_lines(user.chat(&chat_body(MODEL)), lines).send().await.expect(200);
    let path = format!("/v1/usage/{}", answer.header("x-request-id"));
    let usage = user.get(&path).send().await.expect(200).json();
    assert_eq!(usage["rows"][0]["tags"], json!(["team-a", "Köln", "日本", "😀"]));
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn p30_a_member_that_is_null_doubled_unknown_or_huge_is_refused_by_name_and_the_id_stays_free() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let (id, key) = (&user.id, scene.facts().billing_api_key.clone());
    let report = format!(r#""request_id":"r1","user_id":"{id}","model":"{MODEL}""#);
    let (log, top_ups, of_user) =
        ("/api/usage/log", format!("/api/users/{id}/top-ups"), format!("/api/users/{id}"));
    let cases = [
        ("POST", log, format!(r#"{{{report},"tokens_input":null,"tokens_output":null}}"#), "tokens_input"),
        ("POST", log, format!(r#"{{{report},"tokens_input":1e999,"tokens_output":1}}"#), "tokens_input"),
        ("POST", log, format!(r#"{{{report},"cost":"0.1","cost_total":"0.2"}}"#), "cost_total"),
        ("POST", &top_ups, r#"{"amount":1,"amount":100,"reason":"x","operation_id":"t"}"#.into(), "amount"),
        ("POST", &top_ups, r#"{"amount":1e12,"reason":"x","operation_id":"t"}"#.into(), "amount"),
        ("PATCH", &of_user, r#"{"name":"x","budget_total":null}"#.into(), "budget_total"),
        ("PATCH", &of_user, r#"{"name":"x","budget":9}"#.into(), "budget"),
        ("GET", "/api/usage?form=2027-01-01T00:00:00Z", String::new(), "form"),
        ("GET", "/api/usage?limit=1&limit=2", String::new(), "limit"),
    ];
    for (method, path, body, param) in cases {
        let request = scene.client().get(path).with_method(method).header("x-api-key", &key);
        let request = if body.is_empty() { request } else { request.body("application/json", body.clone()) };
        let answer = request.send().await.expect(400);
        assert_eq!(answer.json()["param"], param, "{path} {body}: {}", answer.text());
    }
    let path = format!("/api/users/{id}/budget");
    let budget = scene.billing("GET", &path, &json!(null)).await.expect(200).json();
    assert_eq!((&budget["budget_used"], &budget["top_up"]), (&json!("0.00"), &json!("0.00")));
    let right = json!({"request_id": "r1", "user_id": id, "model": MODEL, "tokens_input": 1e3, "tokens_output": 64.0});
    let taken = scene.billing("POST", log, &right).await.expect(200).json();
    assert_eq!(taken["repeated"], false);
    assert_ne!(taken["cost_eur"], "0.00");
    scene.end().await;
}
