//! Log-in, and who sees whom.

use core::time::Duration;
use domain::account::{Account, Command, Configure};
use domain::identity::{AccountId, Home};
use domain::password;
use futures_executor::block_on;
use http::{Request, Response};
use platform::{AtomicState, Body};
use platform_memory::MemoryPlatform;
use serde_json::{Value, json};
use std::sync::LazyLock;

const PASSWORD: &str = "correct horse battery staple";

fn user(platform: &MemoryPlatform, byte: u8, tenant: &str, email: &str, role: &str) -> AccountId {
    let id = AccountId::new(Home::Eu, [byte; 16]);
    // Hashing takes its time by design: once for all.
    static HASH: LazyLock<String> = LazyLock::new(|| password::hash(PASSWORD, &[7; 16]));
    let hash = &*HASH;
    platform.execute_sql(&format!(
        "INSERT INTO users (id, tenant_id, email, role, status, password_hash, budget_nano_eur, budget_reset_at,
           created_at, updated_at)
         VALUES ('{id}', '{tenant}', '{email}', '{role}', 'active', '{hash}', 5000000000, 0, 0, 0)"
    ));
    id
}

fn host() -> MemoryPlatform {
    let platform = MemoryPlatform::new();
    for tenant in ["demo", "platform"] {
        platform.execute_sql(&format!(
            "INSERT INTO tenants (id, slug, name, status, created_at, updated_at)
             VALUES ('{tenant}', '{tenant}', '', 'active', 0, 0)"
        ));
    }
    user(&platform, 1, "platform", "admin@example.com", "admin");
    user(&platform, 2, "demo", "lead@example.com", "tenant_admin");
    user(&platform, 3, "demo", "person@example.com", "user");
    platform
}

fn send(platform: &MemoryPlatform, request: Request<bytes::Bytes>) -> (Response<()>, Value) {
    let (parts, body) = block_on(admin_api::handle(platform, request)).into_parts();
    assert!(parts.headers.contains_key("x-request-id"));
    let bytes = block_on(Body::collect(body, 1 << 20)).unwrap();
    (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).unwrap())
}

fn log_in(platform: &MemoryPlatform, email: &str, password: &str) -> (u16, Value) {
    let body = json!({ "email": email, "password": password }).to_string();
    let (response, body) = send(platform, Request::post("/admin/auth/login").body(body.into()).unwrap());
    (response.status().as_u16(), body)
}

fn token(platform: &MemoryPlatform, email: &str) -> String {
    let (status, body) = log_in(platform, email, PASSWORD);
    assert_eq!(status, 200, "{body}");
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
    body["access_token"].as_str().unwrap().to_owned()
}

fn get(platform: &MemoryPlatform, path: &str, token: &str) -> (u16, Value) {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    let (response, body) = send(platform, request.body(bytes::Bytes::new()).unwrap());
    (response.status().as_u16(), body)
}

fn emails(body: &Value) -> Vec<&str> {
    body["users"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect()
}

#[test]
fn an_administrator_logs_in_and_sees_everybody_with_live_budgets() {
    let platform = host();
    let token = token(&platform, "Admin@example.com");
    assert_eq!(get(&platform, "/admin/me", &token).1["email"], "admin@example.com");
    let (status, body) = get(&platform, "/admin/users", &token);
    assert_eq!(status, 200);
    assert_eq!(emails(&body), ["admin@example.com", "lead@example.com", "person@example.com"]);
    assert_eq!(body["users"][2]["budget_remaining"], "5.00");
    assert_eq!(body["users"][2]["budget_live"], true);
    assert!(!body.to_string().contains("argon2"), "{body}");
}

#[test]
fn an_account_out_of_reach_does_not_hide_the_others() {
    let platform = host();
    let token = token(&platform, "admin@example.com");
    platform.set_state_down(true);
    let (status, body) = get(&platform, "/admin/users", &token);
    assert_eq!((status, &body["users"][0]["budget_live"]), (200, &json!(false)));
    assert_eq!(body["users"][0]["budget_remaining"], Value::Null);
}

#[test]
fn pages_follow_each_other() {
    let platform = host();
    let token = token(&platform, "admin@example.com");
    let (_, first) = get(&platform, "/admin/users?limit=2", &token);
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, second) = get(&platform, &format!("/admin/users?limit=2&cursor={cursor}"), &token);
    assert_eq!((emails(&first).len(), emails(&second)), (2, vec!["person@example.com"]));
    assert_eq!(second["next_cursor"], Value::Null);
    assert_eq!(get(&platform, "/admin/users?limit=51", &token).0, 400);
}

#[test]
fn p22_a_tenant_administrator_sees_its_tenant_and_a_user_nobody() {
    let platform = host();
    let (_, body) = get(&platform, "/admin/users", &token(&platform, "lead@example.com"));
    assert_eq!(emails(&body), ["lead@example.com", "person@example.com"]);
    assert_eq!(get(&platform, "/admin/users", &token(&platform, "person@example.com")).0, 403);
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let platform = host();
    let wrong = log_in(&platform, "admin@example.com", "wrong");
    let unknown = log_in(&platform, "nobody@example.com", PASSWORD);
    assert_eq!(wrong.0, 401);
    let without_id = |(status, mut body): (u16, Value)| {
        body["request_id"] = Value::Null;
        (status, body)
    };
    assert_eq!(without_id(wrong), without_id(unknown));
    for body in ["", "{}", r#"{"email": 1, "password": "x"}"#] {
        let request = Request::post("/admin/auth/login").body(body.into()).unwrap();
        assert_eq!(send(&platform, request).0.status(), 400, "{body}");
    }
}

#[test]
fn too_many_attempts_lock_known_and_unknown_accounts_until_the_window_ends() {
    let platform = host();
    for email in ["admin@example.com", "nobody@example.com"] {
        let statuses: Vec<u16> = (0..12).map(|_| log_in(&platform, email, "wrong").0).collect();
        assert_eq!(statuses, [&[401; 10][..], &[429; 2]].concat(), "{email}");
    }
    assert_eq!(log_in(&platform, "admin@example.com", PASSWORD).0, 429);
    assert_eq!(log_in(&platform, "lead@example.com", PASSWORD).0, 200);
    platform.advance(Duration::from_secs(15 * 60));
    assert_eq!(log_in(&platform, "admin@example.com", PASSWORD).0, 200);
}

#[test]
fn an_address_is_locked_whatever_accounts_it_tries() {
    let platform = host();
    platform.set_secret("CLIENT_ADDRESS_HEADER", "X-Real-IP");
    assert_eq!(log_in_from(&platform, 1), 401);
    // Ninety-eight more from there, which would take their time.
    platform.execute_sql("UPDATE login_attempts SET attempts = 99");
    assert_eq!([log_in_from(&platform, 2), log_in_from(&platform, 3)], [401, 429]);
}

#[test]
fn an_address_is_believed_only_in_the_header_that_the_deployment_names() {
    for header in [None, Some(""), Some("cf-connecting-ip")] {
        let platform = host();
        if let Some(name) = header {
            platform.set_secret("CLIENT_ADDRESS_HEADER", name);
        }
        assert_eq!(log_in_from(&platform, 1), 401);
        platform.execute_sql("UPDATE login_attempts SET attempts = 100");
        assert_eq!(log_in_from(&platform, 2), 401, "{header:?}");
    }
    let platform = host();
    platform.set_secret("CLIENT_ADDRESS_HEADER", "no header: at all");
    assert_eq!(log_in_from(&platform, 1), 500);
}

/// One attempt for the `n`th of many accounts, with an address in `x-real-ip`.
fn log_in_from(platform: &MemoryPlatform, n: u8) -> u16 {
    let body = json!({ "email": format!("{n}@example.com"), "password": "wrong" }).to_string();
    let request = Request::post("/admin/auth/login").header("x-real-ip", "192.0.2.1");
    send(platform, request.body(body.into()).unwrap()).0.status().as_u16()
}

#[test]
fn a_session_ends_with_its_life_its_user_and_its_tenant() {
    let platform = host();
    let token = token(&platform, "lead@example.com");
    assert_eq!(get(&platform, "/admin/me", &token).0, 200);
    platform.execute_sql("UPDATE users SET status = 'suspended' WHERE email = 'lead@example.com'");
    assert_eq!(get(&platform, "/admin/me", &token).0, 401);
    assert_eq!(log_in(&platform, "lead@example.com", PASSWORD).0, 401);
    platform.execute_sql("UPDATE users SET status = 'active'");
    platform.execute_sql("UPDATE tenants SET status = 'suspended' WHERE id = 'demo'");
    assert_eq!(get(&platform, "/admin/me", &token).0, 401);
    platform.execute_sql("UPDATE tenants SET status = 'active'");
    assert_eq!(get(&platform, "/admin/me", &token).0, 200);
    platform.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!(get(&platform, "/admin/me", &token).0, 401);
}

#[test]
fn without_a_session_there_is_nothing_but_health() {
    let platform = host();
    for path in ["/admin/me", "/admin/users"] {
        assert_eq!(get(&platform, path, "").0, 401);
        assert_eq!(get(&platform, path, "a.b.c").0, 401);
    }
    assert_eq!(get(&platform, "/health", "").0, 200);
    assert_eq!(get(&platform, "/admin", "").0, 404);
}

/// An account that was told by others is asked, not told again.
#[test]
fn a_configured_account_shows_its_own_figures() {
    let platform = host();
    let id = AccountId::new(Home::Eu, [3; 16]);
    let mut configuration =
        block_on(store::configuration::load(&platform, id, domain::time::Timestamp::EPOCH)).unwrap().unwrap();
    configuration.version = 9;
    configuration.budget = domain::money::NanoEur::euros(7);
    let command = Command::Configure(Box::new(Configure { configuration }));
    block_on(platform.apply::<Account>(&id.to_string(), command)).unwrap();
    let (_, body) = get(&platform, "/admin/users", &token(&platform, "admin@example.com"));
    assert_eq!(body["users"][2]["budget_total"], "7.00");
}

#[test]
fn p30_what_a_log_in_cannot_mean_is_refused_by_name_and_counts_as_no_attempt() {
    let platform = host();
    platform.set_secret("CLIENT_ADDRESS_HEADER", "x-real-ip");
    let right = json!({ "email": "lead@example.com", "password": PASSWORD }).to_string();
    for (path, headers, body, param) in [
        ("", &[][..], r#"{"email": null, "password": "x"}"#, "email"),
        ("", &[], r#"{"email": "a@b.c", "password": 7}"#, "password"),
        ("", &[], r#"{"email": "a@b.c", "email": "d@b.c", "password": "x"}"#, "email"),
        ("", &[], r#"{"email": "a@b.c", "password": "x", "otp": "1"}"#, "otp"),
        ("?tenant=demo", &[], &right, "tenant"),
        ("", &[&b"192.0.2.1"[..], b"192.0.2.2"], &right, "x-real-ip"),
        ("", &[b"192.0.2.1, 192.0.2.2"], &right, "x-real-ip"),
        ("", &[b"192.0.2.\xe4"], &right, "x-real-ip"),
        ("", &[&[b'1'; 129]], &right, "x-real-ip"),
    ] {
        let mut request = Request::post(format!("/admin/auth/login{path}"));
        for address in headers {
            request = request.header("x-real-ip", *address);
        }
        let (response, answer) = send(&platform, request.body(body.to_owned().into()).unwrap());
        assert_eq!((response.status().as_u16(), answer["param"].as_str()), (400, Some(param)), "{body}");
    }
    let counted = "SELECT subject FROM login_attempts";
    assert!(
        block_on(platform::Database::query(&platform, platform::Statement::new(counted))).unwrap().is_empty()
    );
    assert_eq!(log_in(&platform, "lead@example.com", PASSWORD).0, 200);
}

#[test]
fn p30_what_a_question_cannot_mean_is_refused_by_name() {
    let platform = host();
    let token = token(&platform, "admin@example.com");
    for (path, param) in [
        ("/admin/me?fields=email", "fields"),
        ("/admin/users?limits=5", "limits"),
        ("/admin/users?limit=5&limit=6", "limit"),
        ("/admin/users?limit=5.0", "limit"),
        ("/admin/users?cursor=", "cursor"),
        ("/admin/users?cursor=%E4", "cursor"),
    ] {
        let (status, body) = get(&platform, path, &token);
        assert_eq!((status, body["param"].as_str()), (400, Some(param)), "{path}: {body}");
    }
    let twice = Request::get("/admin/me")
        .header("authorization", format!("Bearer {token}"))
        .header("authorization", format!("Bearer {token}"));
    let (response, body) = send(&platform, twice.body(bytes::Bytes::new()).unwrap());
    assert_eq!((response.status().as_u16(), body["param"].as_str()), (400, Some("authorization")));
}

#[test]
fn a_person_logs_in_however_the_address_is_capitalised() {
    let platform = host();
    user(&platform, 4, "demo", "jürgen@example.com", "user");
    assert_eq!(log_in(&platform, "JÜRGEN@example.com", "wrong").0, 401);
    assert_eq!(log_in(&platform, "JÜRGEN@Example.com", PASSWORD).0, 200);
    // Wrong attempts count for the person, not for the spelling.
    for attempt in 0..10 {
        let email = if attempt % 2 == 0 { "JÜRGEN@example.com" } else { "jürgen@example.com" };
        assert_eq!(log_in(&platform, email, "wrong").0, 401);
    }
    assert_eq!(log_in(&platform, "jürgen@example.com", PASSWORD).0, 429);
}
