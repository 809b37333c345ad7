//! Who may call what.

mod scene;

use scene::{KEY_OF_OTHER, READING_KEY, Scene};
use serde_json::{Value, json};

const ROUTES: [(&str, &str); 23] = [
    ("POST", "/api/check-budget"),
    ("POST", "/api/usage/log"),
    ("GET", "/api/usage"),
    ("GET", "/api/usage/summary"),
    ("GET", "/api/usage/export"),
    ("POST", "/api/provider-bills"),
    ("GET", "/api/reconciliation"),
    ("POST", "/api/users"),
    ("PATCH", "/api/users/x"),
    ("GET", "/api/users/x/budget"),
    ("POST", "/api/users/x/keys"),
    ("DELETE", "/api/users/x/keys/y"),
    ("PATCH", "/api/tenants/x"),
    ("DELETE", "/api/holds/x"),
    ("POST", "/api/holds/x/release"),
    ("DELETE", "/api/users/x"),
    ("PATCH", "/api/users/x/keys/y"),
    ("POST", "/api/users/x/keys/y/rotate"),
    ("POST", "/api/users/x/adjustments"),
    ("POST", "/api/users/x/resets"),
    ("POST", "/api/users/x/top-ups"),
    ("POST", "/api/users/x/refunds"),
    ("GET", "/api/tenants/x/budget"),
];

#[test]
fn health_needs_no_key_and_everything_else_does() {
    let scene = Scene::new();
    scene.send(None, "GET", "/health", &Value::Null).expect(200);
    for (method, path) in ROUTES {
        for key in [None, Some("wrong")] {
            scene.send(key, method, path, &json!({})).expect_code(401, "invalid_api_key");
        }
    }
}

#[test]
fn a_revoked_or_expired_service_key_is_dead_at_once() {
    for change in ["revoked_at = 1", "expires_at = 1"] {
        let scene = Scene::new();
        scene.get("/api/users/x/budget").expect_code(404, "not_found");
        scene.platform.execute_sql(&format!("UPDATE service_keys SET {change}"));
        scene.get("/api/users/x/budget").expect_code(401, "invalid_api_key");
    }
}

#[test]
fn a_key_does_only_what_its_scopes_say() {
    let scene = Scene::new();
    for (method, path) in ROUTES {
        let reads_budgets = path.ends_with("budget");
        let answer = scene.send(Some(READING_KEY), method, path, &json!({}));
        assert_eq!(answer.status == 403, !reads_budgets, "{method} {path}: {}", answer.body);
    }
}

#[test]
fn p22_a_key_of_one_tenant_sees_no_other() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let order = json!({ "amount": 1, "reason": "x", "operation_id": "x" });
    for (method, path, body) in [
        ("POST", "/api/check-budget".to_owned(), json!({ "user_id": user.id, "estimated_cost": 0 })),
        (
            "POST",
            "/api/usage/log".to_owned(),
            json!({ "user_id": user.id, "request_id": "r", "model": "m", "cost": 1, "tokens_input": 1, "tokens_output": 1 }),
        ),
        ("GET", format!("/api/usage?user_id={}", user.id), Value::Null),
        ("GET", "/api/usage?tenant_id=demo".to_owned(), Value::Null),
        ("GET", "/api/usage/summary?tenant_id=demo".to_owned(), Value::Null),
        ("GET", format!("/api/usage/export?user_id={}", user.id), Value::Null),
        (
            "POST",
            "/api/users".to_owned(),
            json!({ "email": "b@example.com", "tenant_id": "demo", "budget_total": 1 }),
        ),
        ("PATCH", format!("/api/users/{}", user.id), json!({ "budget_total": 9 })),
        ("GET", format!("/api/users/{}/budget", user.id), Value::Null),
        ("POST", format!("/api/users/{}/keys", user.id), Value::Null),
        ("DELETE", format!("/api/users/{}/keys/{}", user.id, user.key_id), Value::Null),
        ("PATCH", "/api/tenants/demo".to_owned(), json!({ "status": "suspended" })),
        ("GET", "/api/tenants/demo/budget".to_owned(), Value::Null),
        ("DELETE", format!("/api/holds/h?user_id={}", user.id), Value::Null),
        ("DELETE", format!("/api/users/{}", user.id), Value::Null),
        ("PATCH", format!("/api/users/{}/keys/{}", user.id, user.key_id), json!({ "clamp": true })),
        (
            "POST",
            format!("/api/users/{}/keys/{}/rotate", user.id, user.key_id),
            json!({ "grace_seconds": 0 }),
        ),
        ("POST", format!("/api/users/{}/adjustments", user.id), order.clone()),
        ("POST", format!("/api/users/{}/resets", user.id), json!({ "reason": "x" })),
        ("POST", format!("/api/users/{}/top-ups", user.id), order.clone()),
        ("POST", format!("/api/users/{}/refunds", user.id), order.clone()),
    ] {
        scene.send(Some(KEY_OF_OTHER), method, &path, &body).expect_code(404, "not_found");
    }
    let admin = json!({ "email": "c@example.com", "role": "admin", "budget_total": 1 });
    scene.send(Some(KEY_OF_OTHER), "POST", "/api/users", &admin).expect_code(403, "role_too_high");
    let own = json!({ "email": "c@example.com", "budget_total": 1 });
    assert_eq!(scene.send(Some(KEY_OF_OTHER), "POST", "/api/users", &own).expect(201)["tenant_id"], "other");
}

#[test]
fn unknown_routes_and_large_bodies_are_refused() {
    let scene = Scene::new();
    scene.get("/api").expect_code(404, "unknown_url");
    scene.send(None, "PUT", "/api/users", &json!({})).expect_code(404, "unknown_url");
    let body = json!({ "email": "x".repeat(http_api::BODY_BYTES_MAX) });
    scene.post("/api/users", &body).expect_code(413, "request_too_large");
}

#[test]
fn what_the_host_cannot_do_is_503_and_says_nothing_internal() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    scene.platform.set_state_down(true);
    let body =
        scene.get(&format!("/api/users/{}/budget", user.id)).expect_code(503, "temporarily_unavailable");
    assert!(!body.to_string().contains("test"), "{body}");
    scene.platform.set_state_down(false);
    scene.platform.set_database_down(true);
    scene.get(&format!("/api/users/{}/budget", user.id)).expect(503);
}
