//! The first administrator of a fresh deployment, and the first key for a machine.

use core::time::Duration;
use futures_executor::block_on;
use http::Request;
use platform::{Body, Database, Statement};
use platform_memory::MemoryPlatform;
use serde_json::{Value, json};

const TOKEN: &str = "not-a-secret-but-long-enough-for-one";
const PASSWORD: &str = "correct horse battery staple";

fn fresh() -> MemoryPlatform {
    let platform = MemoryPlatform::new();
    platform.set_secret("BOOTSTRAP_TOKEN", TOKEN);
    platform
}

fn send(platform: &MemoryPlatform, method: &str, path: &str, bearer: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {bearer}"));
    let request = request.body(body.to_string().into()).unwrap();
    let (parts, body) = block_on(admin_api::handle(platform, request)).into_parts();
    let bytes = block_on(Body::collect(body, 1 << 20)).unwrap();
    (parts.status.as_u16(), serde_json::from_slice(&bytes).unwrap())
}

fn bootstrap(platform: &MemoryPlatform, token: &str, email: &str) -> (u16, Value) {
    let body = json!({ "email": email, "password": PASSWORD });
    send(platform, "POST", "/admin/bootstrap", token, &body)
}

fn session(platform: &MemoryPlatform, email: &str) -> String {
    let body = json!({ "email": email, "password": PASSWORD });
    let (status, body) = send(platform, "POST", "/admin/auth/login", "", &body);
    assert_eq!(status, 200, "{body}");
    body["access_token"].as_str().unwrap().to_owned()
}

fn count(platform: &MemoryPlatform, sql: &'static str) -> usize {
    block_on(platform.query(Statement::new(sql))).unwrap().len()
}

fn make_key(platform: &MemoryPlatform, session: &str, change: &Value) -> (u16, Value) {
    let mut body = json!({ "name": "a machine", "scopes": ["users:write", "budget:read"] });
    for (field, value) in change.as_object().unwrap() {
        body[field] = value.clone();
    }
    send(platform, "POST", "/admin/service-keys", session, &body)
}

#[test]
fn the_first_administrator_is_made_by_the_token_and_logs_in() {
    let platform = fresh();
    let (status, admin) = bootstrap(&platform, TOKEN, "First@Example.com");
    assert_eq!(
        (status, &admin["role"], &admin["email"]),
        (201, &json!("admin"), &json!("first@example.com"))
    );
    let (status, me) =
        send(&platform, "GET", "/admin/me", &session(&platform, "first@example.com"), &json!({}));
    assert_eq!((status, &me["id"]), (200, &admin["id"]));
    let audited = "SELECT 1 AS one FROM audit_log WHERE actor = 'bootstrap' AND action = 'user.create'";
    assert_eq!(count(&platform, audited), 1);
    assert_eq!(count(&platform, "SELECT 1 AS one FROM pending_pushes"), 0, "the account has been told");
}

#[test]
fn a_bootstrapped_deployment_has_the_rows_it_starts_from() {
    let platform = fresh();
    bootstrap(&platform, TOKEN, "first@example.com");
    assert_eq!(count(&platform, "SELECT id FROM products"), 3);
    for tenant in ["demo", "platform"] {
        let found = block_on(store::routing_snapshots::find(&platform, tenant, "demo/echo")).unwrap();
        assert!(found.is_some_and(|snapshot| snapshot.targets[0].prices.output.is_some()), "{tenant}");
    }
}

#[test]
fn p29_a_second_bootstrap_is_refused_and_changes_nothing() {
    let platform = fresh();
    bootstrap(&platform, TOKEN, "first@example.com");
    platform.execute_sql("UPDATE products SET name = 'As people made it'");
    for email in ["first@example.com", "second@example.com"] {
        let (status, problem) = bootstrap(&platform, TOKEN, email);
        assert_eq!((status, &problem["code"]), (409, &json!("already_bootstrapped")));
    }
    assert_eq!(count(&platform, "SELECT id FROM users"), 1);
    assert_eq!(count(&platform, "SELECT id FROM products WHERE name = 'As people made it'"), 3);
    assert_eq!(count(&platform, "SELECT id FROM audit_log"), 1);
}

#[test]
fn without_the_right_token_nothing_is_made() {
    let platform = fresh();
    for token in ["", "wrong", &TOKEN[1..], &format!("{TOKEN}x")] {
        let (status, problem) = bootstrap(&platform, token, "first@example.com");
        assert_eq!((status, &problem["code"]), (401, &json!("wrong_bootstrap_token")), "{token}");
    }
    assert_eq!(count(&platform, "SELECT id FROM users"), 0);
    assert_eq!(count(&platform, "SELECT id FROM products"), 0);
}

#[test]
fn without_the_secret_there_is_no_such_route() {
    for secret in [None, Some(""), Some("a short one")] {
        let platform = MemoryPlatform::new();
        if let Some(secret) = secret {
            platform.set_secret("BOOTSTRAP_TOKEN", secret);
        }
        let (status, problem) = bootstrap(&platform, secret.unwrap_or_default(), "first@example.com");
        assert_eq!((status, &problem["code"]), (404, &json!("unknown_url")), "{secret:?}");
        assert_eq!(count(&platform, "SELECT id FROM users"), 0);
    }
}

#[test]
fn an_address_that_is_none_and_a_short_password_are_refused_by_name() {
    let platform = fresh();
    let refused = |email: &str, password: &str, field: &str| {
        let body = json!({ "email": email, "password": password });
        let (status, problem) = send(&platform, "POST", "/admin/bootstrap", TOKEN, &body);
        assert_eq!((status, &problem["param"]), (400, &json!(field)), "{email} {password}");
    };
    for email in ["nobody", "@example.com", "a@", "a@example.com,b@example.com", "a b@example.com"] {
        refused(email, PASSWORD, "email");
    }
    for password in ["short", "elevenchars", &"x".repeat(1_025)] {
        refused("first@example.com", password, "password");
    }
    assert_eq!(count(&platform, "SELECT id FROM users"), 0);
}

#[test]
fn an_address_of_another_user_is_refused_and_leaves_nothing() {
    let platform = fresh();
    platform.execute_sql(
        "INSERT INTO tenants (id, slug, name, created_at, updated_at) VALUES ('t', 't', '', 0, 0);
         INSERT INTO users (id, tenant_id, email, budget_nano_eur, budget_reset_at, created_at, updated_at)
         VALUES ('eu-00000000000000000000000000000001', 't', 'taken@example.com', 0, 0, 0, 0)",
    );
    let (status, problem) = bootstrap(&platform, TOKEN, "taken@example.com");
    assert_eq!((status, &problem["code"]), (409, &json!("email_taken")));
    assert_eq!(count(&platform, "SELECT id FROM products"), 0);
    assert_eq!(bootstrap(&platform, TOKEN, "free@example.com").0, 201);
}

#[test]
fn an_account_that_cannot_be_reached_is_told_later() {
    let platform = fresh();
    platform.set_state_down(true);
    assert_eq!(bootstrap(&platform, TOKEN, "first@example.com").0, 201);
    assert_eq!(count(&platform, "SELECT 1 AS one FROM pending_pushes"), 1);
}

#[test]
fn p21_a_service_key_is_shown_once_works_and_dies_at_once() {
    let platform = fresh();
    bootstrap(&platform, TOKEN, "first@example.com");
    let session = session(&platform, "first@example.com");
    let (status, made) = make_key(&platform, &session, &json!({}));
    assert_eq!(status, 201, "{made}");
    let key = made["key"].as_str().unwrap();
    let found =
        || block_on(store::service_keys::find(&platform, key, platform::Clock::now(&platform))).unwrap();
    assert_eq!(found().unwrap().scopes, ["budget:read", "users:write"]);

    let (_, listed) = send(&platform, "GET", "/admin/service-keys", &session, &json!({}));
    assert_eq!(listed["service_keys"][0]["id"], made["id"]);
    assert!(!listed.to_string().contains(key));
    let stored = count(&platform, "SELECT id FROM service_keys WHERE hash LIKE 'cf-billing-%'");
    assert_eq!(stored, 0, "only the hash is stored");

    let path = format!("/admin/service-keys/{}", made["id"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(send(&platform, "DELETE", &path, &session, &json!({})).0, 200);
        assert_eq!(found(), None);
    }
    assert_eq!(send(&platform, "DELETE", "/admin/service-keys/service_none", &session, &json!({})).0, 404);
    let (_, listed) = send(&platform, "GET", "/admin/service-keys", &session, &json!({}));
    assert_eq!(listed["service_keys"], json!([]));
}

#[test]
fn a_service_key_can_be_one_tenants_and_end_by_itself() {
    let platform = fresh();
    bootstrap(&platform, TOKEN, "first@example.com");
    let session = session(&platform, "first@example.com");
    let ends = platform::Clock::now(&platform).plus(Duration::from_secs(60)).to_rfc3339();
    let (_, made) = make_key(&platform, &session, &json!({ "tenant_id": "demo", "expires_at": ends }));
    let key = made["key"].as_str().unwrap();
    let find =
        || block_on(store::service_keys::find(&platform, key, platform::Clock::now(&platform))).unwrap();
    assert_eq!(find().unwrap().tenant_id.as_deref(), Some("demo"));
    platform.advance(Duration::from_secs(61));
    assert_eq!(find(), None);
}

#[test]
fn p30_what_a_service_key_cannot_be_is_refused_by_name() {
    let platform = fresh();
    bootstrap(&platform, TOKEN, "first@example.com");
    let session = session(&platform, "first@example.com");
    for (change, field) in [
        (json!({ "name": null }), "name"),
        (json!({ "scopes": null }), "scopes"),
        (json!({ "scopes": [] }), "scopes"),
        (json!({ "scopes": ["users:write", "everything"] }), "scopes"),
        (json!({ "tenant_id": "nowhere" }), "tenant_id"),
        (json!({ "expires_at": "2001-01-01T00:00:00Z" }), "expires_at"),
    ] {
        let (status, problem) = make_key(&platform, &session, &change);
        assert_eq!((status, &problem["param"]), (400, &json!(field)), "{change}");
    }
    assert_eq!(count(&platform, "SELECT id FROM service_keys"), 0);
}

#[test]
fn p22_only_an_administrator_of_the_platform_makes_service_keys() {
    let platform = fresh();
    bootstrap(&platform, TOKEN, "first@example.com");
    for role in ["tenant_admin", "user", "guest"] {
        let session = session(&platform, "first@example.com");
        platform.execute_sql(&format!("UPDATE users SET role = '{role}'"));
        assert_eq!(make_key(&platform, &session, &json!({})).0, 403, "{role}");
        assert_eq!(send(&platform, "GET", "/admin/service-keys", &session, &json!({})).0, 403);
        assert_eq!(send(&platform, "DELETE", "/admin/service-keys/x", &session, &json!({})).0, 403);
    }
    assert_eq!(make_key(&platform, "no session", &json!({})).0, 401);
    assert_eq!(count(&platform, "SELECT id FROM service_keys"), 0);
}

#[test]
fn usable_service_keys_are_counted_where_they_are_stored() {
    let platform = fresh();
    bootstrap(&platform, TOKEN, "first@example.com");
    let session = session(&platform, "first@example.com");
    platform.execute_sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
         INSERT INTO service_keys (id, name, hash, scopes, created_at) SELECT 'k' || i, '', i, '[]', 0 FROM n",
    );
    let (status, problem) = make_key(&platform, &session, &json!({}));
    assert_eq!((status, &problem["code"]), (409, &json!("too_many_service_keys")));
    assert_eq!(send(&platform, "DELETE", "/admin/service-keys/k7", &session, &json!({})).0, 200);
    assert_eq!(make_key(&platform, &session, &json!({})).0, 201);
}
