//! Who may call what.

mod scene;

use scene::{KEY_OF_OTHER, READING_KEY, Scene, service_key};
use serde_json::{Value, json};

const ROUTES: [(&str, &str); 26] = [
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
    ("POST", "/api/tenants/x/webhooks"),
    ("GET", "/api/tenants/x/webhooks"),
    ("DELETE", "/api/tenants/x/webhooks/y"),
];

const SCOPES: [&str; 9] = [
    "budget:read",
    "usage:read",
    "usage:write",
    "users:write",
    "tenants:write",
    "webhooks:write",
    "ledger:write",
    "reconciliation:read",
    "reconciliation:write",
];

/// The source, whose route table names every route.
const ROUTE_TABLE: &str = include_str!("../src/lib.rs");

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

/// Who may do what: a route's request on tenant `demo` and its user, and the scope that it takes.
struct Rule {
    method: &'static str,
    path: String,
    body: Value,
    scope: &'static str,
    /// What a key of tenant `demo` itself is told.
    own: u16,
    /// What a key of another tenant is told.
    foreign: u16,
    platform: u16,
}

fn rules(user: &scene::User) -> Vec<Rule> {
    let users = format!("/api/users/{}", user.id);
    let key = format!("{users}/keys/{}", user.key_id);
    let order = json!({ "amount": 1, "reason": "x", "operation_id": "x" });
    let reset = json!({ "reason": "x", "operation_id": "x" });
    let new_user = json!({ "email": "b@example.com", "tenant_id": "demo", "budget_total": 1 });
    let check = json!({ "user_id": user.id, "estimated_cost": 0 });
    let log = json!({
        "user_id": user.id, "request_id": "r", "model": "m", "cost": 0, "tokens_input": 1, "tokens_output": 1,
    });
    let bill = json!({ "provider": "p", "model": "m", "day": "2026-03-01", "amount_nano_usd": 1 });
    let webhooks = "/api/tenants/demo/webhooks";
    let none = Value::Null;
    let rule = |method, path: &str, body: &Value, scope, own, foreign, platform| Rule {
        method,
        path: path.to_owned(),
        body: body.clone(),
        scope,
        own,
        foreign,
        platform,
    };
    let tenant = |body: Value, own| rule("PATCH", "/api/tenants/demo", &body, "tenants:write", own, 404, 200);
    vec![
        rule("POST", "/api/check-budget", &check, "budget:read", 200, 404, 200),
        rule("POST", "/api/usage/log", &log, "usage:write", 200, 404, 200),
        rule("GET", "/api/usage?tenant_id=demo", &none, "usage:read", 200, 404, 200),
        rule("GET", "/api/usage?tenant_id=demo&after=0", &none, "usage:read", 200, 404, 200),
        rule("GET", &format!("/api/usage?user_id={}&after=0", user.id), &none, "usage:read", 200, 404, 200),
        rule("GET", "/api/usage/summary?tenant_id=demo", &none, "usage:read", 200, 404, 200),
        rule("GET", "/api/usage/export?tenant_id=demo", &none, "usage:read", 200, 404, 200),
        rule("POST", "/api/provider-bills", &bill, "reconciliation:write", 403, 403, 200),
        rule(
            "GET",
            "/api/reconciliation?from=2026-03-01&to=2026-03-02",
            &none,
            "reconciliation:read",
            403,
            403,
            200,
        ),
        rule("POST", "/api/users", &new_user, "users:write", 201, 404, 201),
        rule("PATCH", &users, &json!({ "name": "x" }), "users:write", 200, 404, 200),
        rule("GET", &format!("{users}/budget"), &none, "budget:read", 200, 404, 200),
        rule("POST", &format!("{users}/keys"), &none, "users:write", 201, 404, 201),
        rule("PATCH", &key, &json!({ "name": "x" }), "users:write", 200, 404, 200),
        rule("POST", &format!("{key}/rotate"), &json!({ "grace_seconds": 9 }), "users:write", 201, 404, 201),
        rule("DELETE", &key, &none, "users:write", 200, 404, 200),
        rule("DELETE", &users, &none, "users:write", 200, 404, 200),
        rule("POST", &format!("{users}/adjustments"), &order, "ledger:write", 200, 404, 200),
        rule("POST", &format!("{users}/resets"), &reset, "ledger:write", 200, 404, 200),
        rule("POST", &format!("{users}/top-ups"), &order, "ledger:write", 200, 404, 200),
        rule("POST", &format!("{users}/refunds"), &order, "ledger:write", 200, 404, 200),
        rule("DELETE", &format!("/api/holds/h?user_id={}", user.id), &none, "usage:write", 200, 404, 200),
        rule(
            "POST",
            &format!("/api/holds/h/release?user_id={}", user.id),
            &none,
            "usage:write",
            200,
            404,
            200,
        ),
        rule("GET", "/api/tenants/demo/budget", &none, "budget:read", 200, 404, 200),
        tenant(json!({ "clamp": true }), 200),
        tenant(json!({ "status": "active" }), 403),
        tenant(json!({ "budget_total": 9_999 }), 403),
        tenant(json!({ "budget_total": null }), 403),
        tenant(json!({ "reset_day": 2 }), 403),
        tenant(json!({ "requests_per_minute": null }), 403),
        tenant(json!({ "tokens_per_minute": 7 }), 403),
        tenant(json!({ "clamp": true, "tokens_per_minute": null }), 403),
        rule("POST", webhooks, &json!({ "url": "https://example.com/" }), "webhooks:write", 201, 404, 201),
        rule("GET", webhooks, &none, "webhooks:write", 200, 404, 200),
        // There is no such webhook; the other tenant hears that there is no such tenant.
        rule("DELETE", &format!("{webhooks}/wh_x"), &none, "webhooks:write", 404, 404, 404),
    ]
}

#[test]
fn p22_every_route_takes_its_own_scope_only_and_no_tenant_moves_its_own_limits() {
    let count = rules(&scene::User { id: String::new(), key: String::new(), key_id: String::new() }).len();
    for at in 0..count {
        for (owner, tenant) in [("own", "'demo'"), ("foreign", "'other'"), ("platform", "NULL")] {
            // Each has a world of its own: what one makes, another could not make again.
            let scene = Scene::new();
            let user = scene.user("a@example.com", &json!({}));
            let Rule { method, path, body, scope, own, foreign, platform } = rules(&user).swap_remove(at);
            let body = if body.is_null() { String::new() } else { body.to_string() };
            for other in SCOPES.into_iter().filter(|other| *other != scope) {
                service_key(&scene.platform, other, tenant, &format!("[\"{other}\"]"));
                let answer = scene.send_text(Some(other), method, &path, &body);
                let answer = answer.expect_code(403, "missing_scope");
                assert!(answer["detail"].as_str().unwrap().contains(&format!("`{scope}`")), "{answer}");
            }
            service_key(&scene.platform, scope, tenant, &format!("[\"{scope}\"]"));
            let status = scene.raw(Some(scope), method, &path, &body).status().as_u16();
            let expected = match owner {
                "own" => own,
                "foreign" => foreign,
                _ => platform,
            };
            assert_eq!(status, expected, "{owner} key: {method} {path} {body}");
            if status == 403 {
                scene.send_text(Some(scope), method, &path, &body).expect_code(403, "platform_only");
            }
        }
    }
}

#[test]
fn a_tenants_own_key_is_told_which_field_and_scope_it_lacks_and_nothing_changes() {
    let scene = Scene::new();
    let before =
        scene.number("SELECT COUNT(*) AS n FROM tenants WHERE budget_nano_eur IS NULL AND updated_at = 0");
    let change = json!({ "budget_total": 1_000_000, "clamp": true });
    let refused = scene.send(Some(KEY_OF_OTHER), "PATCH", "/api/tenants/other", &change);
    let refused = refused.expect_code(403, "platform_only");
    assert_eq!(refused["param"], "budget_total");
    assert!(refused["detail"].as_str().unwrap().contains("`tenants:write`"), "{refused}");
    let after = "SELECT COUNT(*) AS n FROM tenants WHERE budget_nano_eur IS NULL AND updated_at = 0";
    assert_eq!(scene.number(after), before);
    scene.platform.execute_sql("UPDATE tenants SET status = 'suspended' WHERE id = 'other'");
    let rise = json!({ "status": "active" });
    scene.send(Some(KEY_OF_OTHER), "PATCH", "/api/tenants/other", &rise).expect_code(403, "platform_only");
}

#[test]
fn p22_no_route_is_missing_from_the_tables() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let in_source = ROUTE_TABLE.matches("[\"api\",").count();
    assert_eq!(in_source, ROUTES.len(), "routes in the source, and those of the test");
    // A path of the source's table is as long as one of the rules', and begins alike.
    let shape = |path: &str| {
        let path = path.split('?').next().unwrap();
        let words = path.split('/').skip(2);
        words
            .map(|word| {
                if word.len() > 20 || ["x", "y", "h", "demo", "wh_x"].contains(&word) { "*" } else { word }
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    let rules = rules(&user);
    for (method, path) in ROUTES {
        let found = rules.iter().any(|rule| rule.method == method && shape(&rule.path) == shape(path));
        assert!(found, "{method} {path} has no rule");
    }
}
