//! Endpoints of tenants for webhooks.

mod scene;

use futures_executor::block_on;
use platform::{Database, Statement};
use scene::{KEY, KEY_OF_OTHER, READING_KEY, Scene};
use serde_json::{Value, json};

const PATH: &str = "/api/tenants/demo-slug/webhooks";

#[test]
fn a_secret_is_shown_once_and_stored_sealed() {
    let scene = Scene::new();
    let made = scene.post(PATH, &json!({ "url": "https://example.com/hook" })).expect(201);
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(made["events"], json!(["*"]));
    assert_eq!(made["active"], true);
    let listed = scene.get(PATH).expect(200);
    assert_eq!(listed["webhooks"][0]["webhook_id"], made["webhook_id"]);
    assert_eq!(listed["webhooks"][0]["secret"], Value::Null);
    let sql = "SELECT sealed_secret FROM webhook_endpoints UNION ALL SELECT after FROM audit_log";
    for row in block_on(scene.platform.query(Statement::new(sql))).unwrap() {
        let stored = row.text("sealed_secret").unwrap();
        assert!(!stored.contains(&secret["whsec_".len()..]), "{stored}");
    }
}

#[test]
fn an_endpoint_is_deleted_once() {
    let scene = Scene::new();
    let made = scene.post(PATH, &json!({ "url": "https://example.com/hook" })).expect(201);
    let path = format!("{PATH}/{}", made["webhook_id"].as_str().unwrap());
    let delete = |key| scene.send(Some(key), "DELETE", &path, &Value::Null);
    delete(KEY_OF_OTHER).expect_code(404, "not_found");
    delete(KEY).expect(200);
    delete(KEY).expect_code(404, "not_found");
    assert_eq!(scene.get(PATH).expect(200)["webhooks"], json!([]));
}

#[test]
fn wrong_endpoints_are_refused_by_field() {
    let scene = Scene::new();
    for (body, field) in [
        (json!({}), "url"),
        (json!({ "url": "http://example.com/" }), "url"),
        (json!({ "url": "https://169.254.169.254/latest" }), "url"),
        (json!({ "url": "https://localhost/" }), "url"),
        (json!({ "url": "https://example.com/", "events": ["budget.exploded"] }), "events"),
        (json!({ "url": "https://example.com/", "events": [] }), "events"),
    ] {
        let problem = scene.post(PATH, &body).expect_code(400, "invalid_value");
        assert_eq!(problem["param"], field, "{body}");
    }
    scene.platform.set_secret("WEBHOOK_ADDRESSES", "any");
    scene.post(PATH, &json!({ "url": "http://127.0.0.1:9000/hook" })).expect(201);
}

#[test]
fn an_address_outside_of_what_the_deployment_lets_out_to_is_refused_by_name_when_it_is_saved() {
    let scene = Scene::new();
    scene.platform.set_secret("WEBHOOK_ADDRESSES", "*://hooks.example.com:443");
    scene.post(PATH, &json!({ "url": "https://hooks.example.com/a" })).expect(201);
    let problem =
        scene.post(PATH, &json!({ "url": "https://example.org/a" })).expect_code(400, "invalid_value");
    let message = problem["message"].as_str().or(problem["detail"].as_str()).unwrap();
    for named in ["`*://hooks.example.com:443`", "`https://example.org` is outside"] {
        assert!(message.contains(named), "{message}");
    }
    scene.platform.set_secret("WEBHOOK_ADDRESSES", "hooks.example.com");
    scene.post(PATH, &json!({ "url": "https://hooks.example.com/a" })).expect_code(500, "internal_error");
}

#[test]
fn a_tenant_has_a_named_number_of_endpoints() {
    let scene = Scene::new();
    let body = json!({ "url": "https://example.com/", "events": ["budget.threshold_reached"] });
    for _ in 0..5 {
        scene.post(PATH, &body).expect(201);
    }
    scene.post(PATH, &body).expect_code(409, "too_many_webhooks");
}

#[test]
fn p22_endpoints_are_their_tenants_own() {
    let scene = Scene::new();
    let body = json!({ "url": "https://example.com/" });
    for method in ["POST", "GET"] {
        scene.send(Some(KEY_OF_OTHER), method, PATH, &body).expect_code(404, "not_found");
        scene.send(Some(READING_KEY), method, PATH, &body).expect_code(403, "missing_scope");
        scene.send(None, method, PATH, &body).expect_code(401, "invalid_api_key");
    }
}
