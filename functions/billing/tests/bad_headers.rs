//! Headers and parameters that cannot be taken as meant: refused by name on every route, and nothing has changed.

mod scene;

use futures_executor::block_on;
use http::{HeaderName, HeaderValue, Request};
use scene::{Answer, KEY, MODEL, Scene, User};
use serde_json::{Value, json};

type Headers<'a> = &'a [(&'a str, &'a [u8])];

fn send(scene: &Scene, method: &str, path: &str, headers: Headers<'_>, body: &Value) -> Answer {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut request = Request::builder().method(method).uri(path).body(text.into()).unwrap();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    let (parts, body) = block_on(billing::handle(&scene.platform, request)).into_parts();
    let bytes = block_on(body.collect(1 << 20)).unwrap();
    Answer { status: parts.status, body: serde_json::from_slice(&bytes).unwrap_or_default() }
}

/// Every route with a request that it would take.
fn routes(user: &User) -> Vec<(&'static str, String, Value)> {
    let User { id, key_id, .. } = user;
    let order = |name: &str| json!({ "amount": "0.1", "reason": "x", "operation_id": name });
    vec![
        ("POST", "/api/check-budget".into(), json!({ "user_id": id, "estimated_cost": "0.1", "hold": true })),
        ("DELETE", format!("/api/holds/h?user_id={id}"), Value::Null),
        ("POST", format!("/api/holds/h/release?user_id={id}"), Value::Null),
        (
            "POST",
            "/api/usage/log".into(),
            json!({ "request_id": "r", "user_id": id, "model": MODEL, "tokens_input": 1, "tokens_output": 1 }),
        ),
        ("GET", format!("/api/usage?user_id={id}"), Value::Null),
        ("GET", format!("/api/usage/summary?user_id={id}"), Value::Null),
        ("GET", format!("/api/usage/export?user_id={id}"), Value::Null),
        (
            "POST",
            "/api/provider-bills".into(),
            json!({ "provider": "p", "model": "m", "day": "2026-03-01", "amount_nano_usd": 1 }),
        ),
        ("GET", "/api/reconciliation?from=2026-03-01&to=2026-03-02".into(), Value::Null),
        (
            "POST",
            "/api/users".into(),
            json!({ "email": "n@example.com", "tenant_id": "demo", "budget_total": 1 }),
        ),
        ("PATCH", format!("/api/users/{id}"), json!({ "budget_total": 7 })),
        ("GET", format!("/api/users/{id}/budget"), Value::Null),
        ("POST", format!("/api/users/{id}/keys"), Value::Null),
        ("PATCH", format!("/api/users/{id}/keys/{key_id}"), json!({ "clamp": true })),
        ("POST", format!("/api/users/{id}/keys/{key_id}/rotate"), json!({ "grace_seconds": 60 })),
        ("POST", format!("/api/users/{id}/adjustments"), order("a")),
        ("POST", format!("/api/users/{id}/top-ups"), order("t")),
        ("POST", format!("/api/users/{id}/refunds"), order("f")),
        ("POST", format!("/api/users/{id}/resets"), json!({ "reason": "x", "operation_id": "z" })),
        ("GET", "/api/tenants/demo/budget".into(), Value::Null),
        ("PATCH", "/api/tenants/demo".into(), json!({ "budget_total": 7 })),
        ("POST", "/api/tenants/demo/webhooks".into(), json!({ "url": "https://example.com/hook" })),
        ("GET", "/api/tenants/demo/webhooks".into(), Value::Null),
        ("DELETE", format!("/api/users/{id}/keys/{key_id}"), Value::Null),
        ("DELETE", format!("/api/users/{id}"), Value::Null),
    ]
}

fn fingerprint(scene: &Scene, user: &User) -> (Value, i64) {
    let rows = "SELECT (SELECT count(*) FROM audit_log) * 1000 + (SELECT count(*) FROM operations) AS n";
    (scene.budget(user), scene.number(rows))
}

#[test]
fn p30_a_key_that_comes_twice_or_cannot_be_read_is_named_on_every_route() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let before = fingerprint(&scene, &user);
    let (key, joined) = (KEY.as_bytes(), format!("{KEY}, {KEY}"));
    for (method, path, body) in routes(&user) {
        for headers in [
            &[("x-api-key", key), ("x-api-key", key)][..],
            &[("x-api-key", joined.as_bytes())],
            &[("x-api-key", b"k\xe4y")],
            &[("x-api-key", "k\u{fffd}".as_bytes())],
        ] {
            let refused = send(&scene, method, &path, headers, &body).expect_code(400, "invalid_value");
            assert_eq!(refused["param"], "x-api-key", "{method} {path}");
        }
    }
    assert_eq!(fingerprint(&scene, &user), before);
}

#[test]
fn p30_unknown_and_doubled_parameters_and_compressed_bodies_are_named_on_every_route() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let before = fingerprint(&scene, &user);
    let key = ("x-api-key", KEY.as_bytes());
    for (method, path, body) in routes(&user) {
        let mark = if path.contains('?') { '&' } else { '?' };
        for (query, code, param) in [
            ("form=2027-01-01T00:00:00Z", "unknown_field", "form"),
            ("dry_run=1", "unknown_field", "dry_run"),
            ("%E4=1", "unknown_field", "\u{fffd}"),
        ] {
            let refused = send(&scene, method, &format!("{path}{mark}{query}"), &[key], &body);
            assert_eq!(refused.expect_code(400, code)["param"], param, "{method} {path}");
        }
        if let Some((_, query)) = path.split_once('?') {
            let name = query.split('=').next().unwrap();
            let refused = send(&scene, method, &format!("{path}&{query}"), &[key], &body);
            assert_eq!(refused.expect_code(400, "duplicate_field")["param"], name, "{method} {path}");
            let refused = send(&scene, method, &path.replace('=', "=%E4"), &[key], &body);
            assert_eq!(refused.expect_code(400, "invalid_value")["param"], name, "{method} {path}");
        }
        if !body.is_null() {
            let refused = send(&scene, method, &path, &[key, ("content-encoding", b"gzip")], &body);
            let refused = refused.expect_code(415, "unsupported_content_encoding");
            assert_eq!(refused["param"], "content-encoding");
        } else if method != "GET" {
            let refused = send(&scene, method, &path, &[key], &json!({ "user_id": user.id }));
            assert_eq!(refused.expect_code(400, "unknown_field")["param"], "user_id", "{method} {path}");
        }
    }
    assert_eq!(fingerprint(&scene, &user), before);
}

#[test]
fn p30_each_wrong_parameter_is_refused_by_its_name() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let of_user = format!("user_id={}", user.id);
    let long = "x".repeat(1_025);
    for (path, cases) in [
        ("/api/usage", &["from", "to", "model", "kind", "tag", "limit", "cursor", "after"][..]),
        ("/api/usage/export", &["from", "to", "model", "kind", "tag", "format"]),
        ("/api/usage/summary", &["from", "to", "by", "group", "limit", "cursor"]),
    ] {
        for name in cases {
            for value in ["", &long, "%E4"] {
                let answer = scene.get(&format!("{path}?{of_user}&{name}={value}"));
                assert_eq!(answer.expect_code(400, "invalid_value")["param"], *name, "{path} {name}={value}");
            }
        }
        for instant in ["9999-12-31T23:59:59-01:00", "1969-12-31T23:59:59Z", "10000-01-01T00:00:00Z"] {
            let answer = scene.get(&format!("{path}?{of_user}&to={instant}"));
            assert_eq!(answer.expect_code(400, "invalid_value")["param"], "to", "{path} {instant}");
        }
    }
    let path = "/api/reconciliation?from=2026-03-01&to=2026-03-02";
    for name in ["provider=", "provider=%E4"] {
        assert_eq!(scene.get(&format!("{path}&{name}")).expect(400)["param"], "provider");
    }
    scene.send(Some(KEY), "DELETE", &format!("/api/holds/%E4?{of_user}"), &Value::Null).expect(400);
}

fn order(scene: &Scene, user: &User, kind: &str, ids: &[&[u8]]) -> Answer {
    let mut headers = vec![("x-api-key", KEY.as_bytes())];
    headers.extend(ids.iter().map(|id| ("idempotency-key", *id)));
    let body = match kind {
        "resets" => json!({ "reason": "x" }),
        _ => json!({ "amount": "0.1", "reason": "x" }),
    };
    send(scene, "POST", &format!("/api/users/{}/{kind}", user.id), &headers, &body)
}

#[test]
fn p30_an_idempotency_key_that_is_not_one_plain_word_is_refused_and_never_made_up() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let long = "k".repeat(1_025);
    for kind in ["adjustments", "top-ups", "refunds", "resets"] {
        let before = fingerprint(&scene, &user);
        let id = format!("k1 of {kind}");
        let joined = format!("{id}, {id}");
        for ids in [
            &["gutschrift-ä".as_bytes()][..],
            &[b"gutschrift-\xe4"],
            &["gutschrift-\u{fffd}".as_bytes()],
            &[id.as_bytes(), id.as_bytes()],
            &[id.as_bytes(), b"k2"],
            &[joined.as_bytes()],
            &[b"k1,k2"],
            &[b"k\t1"],
            &[b""],
            &[long.as_bytes()],
        ] {
            let refused = order(&scene, &user, kind, ids).expect_code(400, "invalid_value");
            assert_eq!(refused["param"], "Idempotency-Key", "{kind} {ids:?}");
        }
        assert_eq!(fingerprint(&scene, &user), before);
        // An id that was refused in another form is free, takes effect, and once.
        assert_eq!(order(&scene, &user, kind, &[id.as_bytes()]).expect(200)["repeated"], false, "{kind}");
        assert_eq!(order(&scene, &user, kind, &[id.as_bytes()]).expect(200)["repeated"], true, "{kind}");
    }
}

#[test]
fn p30_what_is_made_under_an_id_is_not_made_while_its_id_cannot_be_read() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let keys = format!("/api/users/{}/keys", user.id);
    for (path, body) in [
        ("/api/users", json!({ "email": "n@example.com", "tenant_id": "demo", "budget_total": 1 })),
        (&keys, json!({})),
        ("/api/tenants/demo/webhooks", json!({ "url": "https://example.com/hook" })),
    ] {
        let before = fingerprint(&scene, &user);
        let make = |ids: &[&[u8]]| {
            let mut headers = vec![("x-api-key", KEY.as_bytes())];
            headers.extend(ids.iter().map(|id| ("idempotency-key", *id)));
            send(&scene, "POST", path, &headers, &body)
        };
        for ids in [&["ä".as_bytes()][..], &[b"\xe4"], &[b"k", b"k"], &[b"k, k"], &[b""]] {
            assert_eq!(
                make(ids).expect_code(400, "invalid_value")["param"],
                "Idempotency-Key",
                "{path} {ids:?}"
            );
        }
        assert_eq!(fingerprint(&scene, &user), before, "{path}");
        make(&[b"k"]).expect(201);
        assert_eq!(make(&[b"k"]).expect(200)["repeated"], true, "{path}");
    }
}
