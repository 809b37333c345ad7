//! A repetition changes nothing.

mod scene;

use core::time::Duration;
use domain::account::{Account, Balance, Command, Reply};
use domain::tenant_pool::TenantPool;
use futures_executor::block_on;
use http::Request;
use platform::{AtomicState, Database, Statement};
use proptest::prelude::*;
use scene::{Answer, KEY, Scene, User};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Every row of every table.
fn tables(scene: &Scene) -> Vec<String> {
    let ask = |sql: String| block_on(scene.platform.query(Statement::new(sql.leak()))).unwrap();
    let names = ask("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name".into());
    let names = names.iter().map(|row| row.text("name").unwrap().to_owned());
    let rows = |name: String| format!("{name}: {:?}", ask(format!("SELECT * FROM {name}")));
    names.map(rows).collect()
}

fn balance(scene: &Scene, user: &User) -> Balance {
    match scene.apply(user, Command::Inspect) {
        Reply::Balance(balance) => *balance,
        other => panic!("{other:?}"),
    }
}

fn pool(scene: &Scene) -> String {
    let inspect = domain::tenant_pool::Command::Inspect;
    format!("{:?}", block_on(scene.platform.apply::<TenantPool>("eu-demo", inspect)).unwrap())
}

/// A route of edits, and every value that its fields are given.
struct Edits {
    path: fn(&User) -> String,
    values: fn() -> Vec<Value>,
}

const ROUTES: [Edits; 3] = [
    Edits { path: |user| format!("/api/users/{}", user.id), values: of_users },
    Edits { path: |user| format!("/api/users/{}/keys/{}", user.id, user.key_id), values: of_keys },
    Edits { path: |_| "/api/tenants/demo".into(), values: of_tenants },
];

fn of_users() -> Vec<Value> {
    vec![
        json!({ "name": "Ada" }),
        json!({ "status": "suspended" }),
        json!({ "status": "pending" }),
        json!({ "status": "active" }),
        json!({ "budget_total": "12.50" }),
        json!({ "budget_total": 0 }),
        json!({ "reset_day": 31 }),
        json!({ "period_days": 30 }),
        json!({ "period_days": 1 }),
        json!({ "period_days": 7, "period_from": "2026-03-01T00:00:00Z" }),
        json!({ "period_days": null }),
        json!({ "models": ["a", "b"] }),
        json!({ "models": ["all"] }),
        json!({ "requests_per_minute": 5 }),
        json!({ "requests_per_minute": null }),
        json!({ "tokens_per_minute": 0 }),
        json!({ "tokens_per_minute": null }),
        json!({ "concurrency_max": 3 }),
        json!({ "concurrency_max": null }),
        json!({ "clamp": true }),
        json!({ "clamp": false, "name": "Grace", "period_days": 30, "budget_total": 3 }),
    ]
}

fn of_keys() -> Vec<Value> {
    vec![
        json!({ "name": "laptop" }),
        json!({ "expires_at": "2030-01-01T00:00:00Z" }),
        json!({ "expires_at": null }),
        json!({ "budget": "0.50" }),
        json!({ "budget": null }),
        json!({ "requests_per_minute": 5 }),
        json!({ "requests_per_minute": null }),
        json!({ "tokens_per_minute": 7 }),
        json!({ "tokens_per_minute": null }),
        json!({ "clamp": true }),
        json!({ "clamp": false, "budget": 1 }),
    ]
}

fn of_tenants() -> Vec<Value> {
    vec![
        json!({ "status": "suspended" }),
        json!({ "status": "active" }),
        json!({ "budget_total": "50" }),
        json!({ "budget_total": null }),
        json!({ "reset_day": 15 }),
        json!({ "time_zone": "Asia/Kolkata" }),
        json!({ "time_zone": "America/New_York" }),
        json!({ "requests_per_minute": 5 }),
        json!({ "requests_per_minute": null }),
        json!({ "tokens_per_minute": 7 }),
        json!({ "tokens_per_minute": null }),
        json!({ "clamp": true }),
        json!({ "clamp": false, "budget_total": 9 }),
    ]
}

/// The names in backticks of the refusal that says what may be changed, and `period_from`, which needs another.
fn fields_of(scene: &Scene, path: &str) -> BTreeSet<String> {
    let refusal = scene.patch(path, &json!({})).expect_code(400, "nothing_to_change");
    let text = refusal["detail"].as_str().unwrap();
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn p29_no_field_of_any_edit_is_missing_from_the_property() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    for Edits { path, values } in ROUTES {
        let values = values();
        let tried = values.iter().flat_map(|value| value.as_object().unwrap().keys().cloned());
        let mut tried: BTreeSet<_> = tried.collect();
        tried.remove("period_from");
        assert_eq!(tried, fields_of(&scene, &path(&user)));
    }
}

/// A user who has spent a little, in a tenant with limits.
fn world() -> (Scene, User) {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({ "budget_total": 5 }));
    scene.patch("/api/tenants/demo", &json!({ "budget_total": 100 })).expect(200);
    scene.report(&user, "r", "0.25", &json!({})).expect(200);
    scene.deliver();
    (scene, user)
}

/// When the account's budget starts anew, as time goes by.
fn periods(scene: &Scene, user: &User) -> Vec<String> {
    let step = |_| {
        scene.platform.advance(DAY + HOUR);
        let balance = balance(scene, user);
        let times = (balance.period_opened_at.to_rfc3339(), balance.resets_at.to_rfc3339());
        format!("{times:?} {} {}", balance.used, balance.remaining)
    };
    (0..70).map(step).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn p29_an_edit_that_is_repeated_writes_nothing_and_moves_no_period(
        minutes in 0_u64..60 * 24 * 20, times in 1_usize..4, seed: prop::sample::Index,
    ) {
        let all = ROUTES.iter().flat_map(|route| (route.values)().into_iter().map(|value| (route.path, value)));
        let all: Vec<_> = all.collect();
        let (path, change) = &all[seed.index(all.len())];
        repeat(*path, change, Duration::from_secs(minutes * 60), times);
    }
}

/// Two worlds with the same edit; in one it is repeated.
fn repeat(path: fn(&User) -> String, change: &Value, after: Duration, times: usize) {
    let (once, repeated) = (world(), world());
    for (scene, user) in [&once, &repeated] {
        scene.patch(&path(user), change).expect(200);
        scene.platform.advance(after);
        scene.deliver();
        // Whatever time itself changes has changed.
        balance(scene, user);
        pool(scene);
    }
    let (scene, user) = &repeated;
    let state = || (tables(scene), balance(scene, user), pool(scene), scene.platform.rows_written());
    let before = state();
    for _ in 0..times {
        let answer = scene.patch(&path(user), change);
        assert_eq!(answer.status, 200, "{change}");
        assert_eq!(state(), before, "{change}");
    }
    assert_eq!(periods(scene, user), periods(&once.0, &once.1), "{change}");
}

#[test]
fn p29_every_value_of_every_field_may_be_repeated_six_hours_later() {
    for Edits { path, values } in ROUTES {
        for change in values() {
            repeat(path, &change, HOUR * 6, 1);
        }
    }
}

#[test]
fn p29_the_anchor_moves_only_with_the_length_or_when_it_is_stated() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({ "period_days": 30 }));
    let path = format!("/api/users/{}", user.id);
    let mut anchor = None;
    let mut moved = |change: Value| {
        scene.platform.advance(HOUR * 6);
        scene.patch(&path, &change).expect(200);
        let now = Some(scene.number("SELECT COALESCE(period_from, -1) AS n FROM users"));
        core::mem::replace(&mut anchor, now) != now
    };
    assert!(moved(json!({ "name": "first look" })));
    assert!(!moved(json!({ "period_days": 30 })));
    assert!(!moved(json!({ "period_days": 30, "budget_total": 7 })), "with a real change of something else");
    assert!(moved(json!({ "period_days": 31 })));
    assert!(!moved(json!({ "period_days": 31 })));
    assert!(moved(json!({ "period_days": 31, "period_from": "2026-01-01T00:00:00Z" })));
    assert!(!moved(json!({ "period_days": 31 })));
    assert!(moved(json!({ "period_days": null })));
    assert!(!moved(json!({ "period_days": null })));
    assert!(moved(json!({ "period_days": 31 })));
}

#[test]
fn p29_a_repetition_still_tells_who_has_not_heard() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let path = format!("/api/users/{}", user.id);
    let change = json!({ "period_days": 30, "budget_total": 9 });
    scene.platform.inject(platform_memory::Fault::BeforeStep);
    scene.patch(&path, &change).expect(202);
    assert_eq!(scene.pending(), 1);
    scene.platform.advance(HOUR);
    assert_eq!(scene.patch(&path, &change).expect(200)["budget_total"], "9.00");
    assert_eq!(scene.pending(), 0);
    assert_eq!(scene.number("SELECT COUNT(*) AS n FROM audit_log WHERE action = 'user.update'"), 1);
}

/// Sends with an id of the caller's own.
fn send_once(scene: &Scene, method: &str, path: &str, body: &Value, id: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("x-api-key", KEY);
    if let Some(id) = id {
        request = request.header("idempotency-key", id);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = block_on(billing::handle(&scene.platform, request.body(body.into()).unwrap()));
    let (parts, body) = response.into_parts();
    let bytes = block_on(body.collect(1 << 20)).unwrap();
    Answer { status: parts.status, body: serde_json::from_slice(&bytes).unwrap() }
}

/// What a second request of this kind does, the first having had its effect.
struct Second {
    method: &'static str,
    path: String,
    body: Value,
    /// Of the caller's own, as a header.
    id: Option<&'static str>,
    first: u16,
    /// Status, and a code, or `repeated` for an answer that says so, or nothing.
    second: (u16, &'static str),
}

fn seconds(user: &User, hold: &str, webhook: &str) -> Vec<Second> {
    let users = format!("/api/users/{}", user.id);
    let key = format!("{users}/keys/{}", user.key_id);
    let webhooks = "/api/tenants/demo/webhooks".to_owned();
    let new_user = json!({ "email": "b@example.com", "tenant_id": "demo", "budget_total": 1 });
    let money = json!({ "amount": 1, "reason": "x", "operation_id": "o" });
    let reset = json!({ "reason": "x", "operation_id": "reset" });
    let report = json!({
        "request_id": "q", "user_id": user.id, "model": "m", "cost": "0.1", "tokens_input": 1, "tokens_output": 1,
    });
    let bill = json!({ "provider": "p", "model": "m", "day": "2026-03-01", "amount_nano_usd": 1 });
    let held = json!({ "user_id": user.id, "estimated_cost": "0.1", "hold": true, "request_id": "own" });
    let row = |method, path: &str, body: &Value, id, first, second| Second {
        method,
        path: path.to_owned(),
        body: body.clone(),
        id,
        first,
        second,
    };
    let none = Value::Null;
    let hook = json!({ "url": "https://example.com/" });
    vec![
        row("POST", "/api/users", &new_user, None, 201, (409, "email_taken")),
        row("POST", "/api/users", &new_user, Some("u"), 201, (200, "repeated")),
        row("POST", &format!("{users}/keys"), &json!({ "name": "n" }), Some("k"), 201, (200, "repeated")),
        row("POST", &webhooks, &hook, Some("w"), 201, (200, "repeated")),
        row("DELETE", &format!("{webhooks}/{webhook}"), &none, None, 200, (404, "not_found")),
        row(
            "POST",
            &format!("{key}/rotate"),
            &json!({ "grace_seconds": 60 }),
            None,
            201,
            (409, "already_rotated"),
        ),
        row(
            "POST",
            &format!("{key}/rotate"),
            &json!({ "grace_seconds": 60 }),
            Some("r"),
            201,
            (200, "repeated"),
        ),
        row("POST", &format!("{key}/rotate"), &json!({ "grace_seconds": 0 }), None, 201, (404, "not_found")),
        row(
            "POST",
            &format!("{key}/rotate"),
            &json!({ "grace_seconds": 0 }),
            Some("r"),
            201,
            (200, "repeated"),
        ),
        row("DELETE", &key, &none, None, 200, (200, "")),
        row("DELETE", &users, &none, None, 200, (200, "")),
        row("DELETE", &format!("/api/holds/{hold}?user_id={}", user.id), &none, None, 200, (200, "")),
        row("POST", &format!("/api/holds/{hold}/release?user_id={}", user.id), &none, None, 200, (200, "")),
        row("POST", "/api/check-budget", &held, None, 200, (200, "")),
        row("POST", "/api/usage/log", &report, None, 200, (200, "repeated")),
        row("POST", &format!("{users}/top-ups"), &money, None, 200, (200, "repeated")),
        row("POST", &format!("{users}/refunds"), &money, None, 200, (200, "repeated")),
        row("POST", &format!("{users}/adjustments"), &money, None, 200, (200, "repeated")),
        row("POST", &format!("{users}/resets"), &reset, None, 200, (200, "repeated")),
        row("POST", &format!("{users}/resets"), &json!({ "reason": "x" }), Some("h"), 200, (200, "repeated")),
        row("POST", "/api/provider-bills", &bill, None, 200, (200, "")),
    ]
}

#[test]
fn p29_whatever_is_made_ended_or_ordered_twice_is_as_if_it_had_been_once() {
    let count = seconds(&User { id: String::new(), key: String::new(), key_id: String::new() }, "", "").len();
    for at in 0..count {
        let (scene, user) = world();
        let held = scene.check(&user, "0.5", &json!({ "hold": true })).expect(200);
        let made =
            scene.post("/api/tenants/demo/webhooks", &json!({ "url": "https://example.org/" })).expect(201);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (hold, webhook) = (text(&held["hold_id"]), text(&made["webhook_id"]));
        let Second { method, path, body, id, first, second } =
            seconds(&user, &hold, &webhook).into_iter().nth(at).unwrap();
        let story = format!("{method} {path} {body} {id:?}");
        let answer = send_once(&scene, method, &path, &body, id);
        assert_eq!(answer.status, first, "{story}: {}", answer.body);
        scene.deliver();
        let account =
            || format!("{:?}", block_on(scene.platform.apply::<Account>(&user.id, Command::Inspect)));
        let state = || (tables(&scene), account(), pool(&scene));
        let before = state();
        scene.platform.advance(Duration::from_millis(700));
        let again = send_once(&scene, method, &path, &body, id);
        assert_eq!(again.status, second.0, "{story}: {}", again.body);
        match second.1 {
            "" => {}
            "repeated" => {
                assert_eq!(again.body["repeated"], true, "{story}");
                for secret in ["api_key", "secret"] {
                    assert_eq!(again.body[secret], Value::Null, "{story}: a secret is shown once");
                }
            }
            code => assert_eq!(again.body["code"], code, "{story}"),
        }
        scene.deliver();
        assert_eq!(state(), before, "{story}");
    }
}

#[test]
fn p29_an_id_of_the_callers_own_is_for_one_body_and_one_place() {
    let (scene, user) = world();
    let other = scene.user("c@example.com", &json!({}));
    let keys = |user: &User| format!("/api/users/{}/keys", user.id);
    let make = |path: &str, name: &str| send_once(&scene, "POST", path, &json!({ "name": name }), Some("id"));
    let first = make(&keys(&user), "a").expect(201);
    assert_eq!(make(&keys(&user), "a").expect(200)["api_key_id"], first["api_key_id"]);
    make(&keys(&user), "b").expect_code(409, "idempotency_key_reused");
    make(&keys(&other), "b").expect(201);
    // What it answers outlives the user, so it names nobody.
    let user = json!({ "email": "d@example.com", "name": "Dora", "tenant_id": "demo", "budget_total": 1 });
    send_once(&scene, "POST", "/api/users", &user, Some("id")).expect(201);
    let kept =
        "SELECT COUNT(*) AS n FROM idempotent_requests WHERE made LIKE '%d@example%' OR made LIKE '%Dora%'";
    assert_eq!(scene.number(kept), 0);
    for wrong in ["", &"x".repeat(1_025)] {
        let problem =
            send_once(&scene, "POST", "/api/users", &user, Some(wrong)).expect_code(400, "invalid_value");
        assert_eq!(problem["param"], "Idempotency-Key");
    }
}
