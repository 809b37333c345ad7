//! How many there may be, however many are made at once.

mod scene;

use domain::account::KEYS_MAX;
use futures_executor::block_on;
use futures_util::future::join_all;
use http::{Request, StatusCode};
use scene::{KEY, Scene};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::webhook_endpoints::ENDPOINTS_MAX;

const AT_ONCE: usize = 40;

/// Sends them all at once, each question of one between those of the others. How often each status came, and the code
/// of each refusal.
fn send_at_once(scene: &Scene, requests: Vec<(String, Value)>) -> BTreeMap<(u16, String), usize> {
    scene.platform.take_turns(true);
    let send = |(path, body): (String, Value)| async move {
        let request = Request::post(path).header("x-api-key", KEY).body(body.to_string().into()).unwrap();
        let (parts, body) = billing::handle(&scene.platform, request).await.into_parts();
        let body: Value = serde_json::from_slice(&body.collect(1 << 20).await.unwrap()).unwrap();
        (parts.status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    let answers: Vec<(StatusCode, String)> = block_on(join_all(requests.into_iter().map(send)));
    scene.platform.take_turns(false);
    let mut counted = BTreeMap::new();
    for (status, code) in answers {
        *counted.entry((status.as_u16(), code)).or_default() += 1;
    }
    counted
}

fn expected(made: usize, status: u16, code: &str) -> BTreeMap<(u16, String), usize> {
    [((201, String::new()), made), ((status, code.to_owned()), AT_ONCE - made)].into()
}

fn user(n: usize) -> Value {
    json!({ "email": format!("u{n}@example.com"), "tenant_id": "demo", "budget_total": 1 })
}

#[test]
fn of_many_webhooks_at_once_exactly_as_many_are_made_as_there_may_be() {
    let scene = Scene::new();
    let path = "/api/tenants/demo/webhooks".to_owned();
    let requests = vec![(path, json!({ "url": "https://example.com/" })); AT_ONCE];
    let most = usize::try_from(ENDPOINTS_MAX).unwrap();
    assert_eq!(send_at_once(&scene, requests), expected(most, 409, "too_many_webhooks"));
    assert_eq!(scene.number("SELECT COUNT(*) AS n FROM webhook_endpoints"), ENDPOINTS_MAX);
    let audited = "SELECT COUNT(*) AS n FROM audit_log WHERE action = 'webhook.create'";
    assert_eq!(scene.number(audited), ENDPOINTS_MAX);
}

#[test]
fn of_many_keys_at_once_exactly_as_many_are_made_as_there_may_be() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let requests = vec![(format!("/api/users/{}/keys", user.id), json!({})); AT_ONCE];
    assert_eq!(send_at_once(&scene, requests), expected(KEYS_MAX - 1, 409, "too_many_keys"));
    assert_eq!(scene.configuration(&user).keys.len(), KEYS_MAX);
}

#[test]
fn of_many_rotations_at_once_one_takes_place() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let path = format!("/api/users/{}/keys/{}/rotate", user.id, user.key_id);
    let requests = vec![(path, json!({ "grace_seconds": 60 })); AT_ONCE];
    assert_eq!(send_at_once(&scene, requests), expected(1, 409, "already_rotated"));
    assert_eq!(scene.number("SELECT COUNT(*) AS n FROM api_keys"), 2);
}

#[test]
fn of_many_users_at_once_exactly_as_many_are_made_as_tenant_and_plan_allow() {
    for (own, of_plan, most, source) in [
        ("7", "NULL", 7, "tenant"),
        ("NULL", "5", 5, "product"),
        ("7", "5", 5, "product"),
        ("3", "5", 3, "tenant"),
    ] {
        let scene = Scene::new();
        limit_users(&scene, own, of_plan);
        let requests = (0..AT_ONCE).map(|n| ("/api/users".to_owned(), user(n))).collect();
        assert_eq!(send_at_once(&scene, requests), expected(most, 403, "user_limit"), "{own} {of_plan}");
        assert_eq!(scene.number("SELECT COUNT(*) AS n FROM users"), most as i64);
        let refused = scene.post("/api/users", &user(AT_ONCE)).expect_code(403, "user_limit");
        assert_eq!((&refused["limit_source"], &refused["limit"]), (&json!(source), &json!(most)));
    }
}

fn limit_users(scene: &Scene, own: &str, of_plan: &str) {
    scene.platform.execute_sql(&format!(
        "INSERT INTO products (id, name, max_users, created_at, updated_at) VALUES ('plan', 'P', {of_plan}, 0, 0)
           ON CONFLICT (id) DO UPDATE SET max_users = excluded.max_users;
         UPDATE tenants SET max_users = {own}, billing_plan = 'plan' WHERE id = 'demo'"
    ));
}

#[test]
fn a_plan_without_a_limit_limits_nobody_and_a_plan_limits_its_own_tenants_only() {
    let scene = Scene::new();
    limit_users(&scene, "NULL", "NULL");
    for n in 0..3 {
        scene.post("/api/users", &user(n)).expect(201);
    }
    limit_users(&scene, "NULL", "1");
    scene.post("/api/users", &user(3)).expect_code(403, "user_limit");
    for n in 4..6 {
        let mut elsewhere = user(n);
        elsewhere["tenant_id"] = "other".into();
        // A product that a user has limits that user alone.
        elsewhere["product_id"] = "plan".into();
        scene.post("/api/users", &elsewhere).expect(201);
    }
}

#[test]
fn nobody_is_activated_whom_the_tenant_has_no_room_for() {
    let scene = Scene::new();
    let [first, second] = ["a@example.com", "b@example.com"].map(|email| scene.user(email, &json!({})));
    let path = format!("/api/users/{}", second.id);
    for status in ["suspended", "pending"] {
        limit_users(&scene, "NULL", "NULL");
        scene.patch(&path, &json!({ "status": status })).expect(200);
        limit_users(&scene, "NULL", "1");
        let activated = json!({ "status": "active", "name": "Bea" });
        let refused = scene.patch(&path, &activated).expect_code(403, "user_limit");
        assert_eq!((&refused["param"], &refused["limit_source"]), (&json!("status"), &json!("product")));
        assert_eq!(scene.budget(&second)["user_status"], status);
        assert_eq!(scene.number("SELECT COUNT(*) AS n FROM users WHERE name = 'Bea'"), 0);
        assert_eq!(scene.pending(), 0);
    }
    // Everything else may change; who is active stays so.
    scene.patch(&path, &json!({ "name": "Bob" })).expect(200);
    scene.patch(&format!("/api/users/{}", first.id), &json!({ "status": "active", "name": "A" })).expect(200);
    scene.delete(&format!("/api/users/{}", first.id)).expect(200);
    scene.patch(&path, &json!({ "status": "active" })).expect(200);
}
