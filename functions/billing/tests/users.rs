//! Users, their keys, and what their accounts learn of them.

mod scene;

use core::time::Duration;
use domain::account::{Account, Command, KEYS_MAX, Refusal, Reply, Reserve, Served};
use domain::api_key::KeyHash;
use domain::identity::RequestId;
use domain::price::{Tariff, Usage};
use futures_executor::block_on;
use platform::{AtomicState, Clock};
use scene::{Scene, User};
use serde_json::{Value, json};

/// Whether the account admits a call that costs nothing with this key.
fn admitted(scene: &Scene, user: &User, key: &str) -> Result<(), Refusal> {
    let now = scene.platform.now();
    let mut random = [0; 10];
    platform::Randomness::fill(&scene.platform, &mut random);
    let command = Command::Reserve(Box::new(Reserve {
        request_id: RequestId::new(now, &random),
        key: Some(KeyHash::of(key)),
        model: "m".into(),
        routing_version: 0,
        worst_case: Usage::default(),
        input_estimate: Usage::default(),
        tariff: Tariff { eur_per_usd_millionths: 1, ..Tariff::default() },
        valid_until: now.plus(Duration::from_secs(10)),
        clamp: false,
        choices: 1,
        served: Served::default(),
        tags: Vec::new(),
        grant: None,
        amount: None,
        asked: 0,
        after_ends: None,
    }));
    match block_on(scene.platform.apply::<Account>(&user.id, command)).unwrap() {
        Reply::Reserved(_) => Ok(()),
        Reply::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_user_has_a_budget_and_a_key_that_works() {
    let scene = Scene::new();
    let body = json!({
        "email": "Ada@Example.com", "name": "Ada", "tenant_id": "demo-slug", "budget_total": "12.50",
        "api_key": { "name": "laptop" },
    });
    let created = scene.post("/api/users", &body).expect(201);
    assert_eq!(created["email"], "ada@example.com");
    assert_eq!(created["tenant_id"], "demo");
    assert_eq!(created["status"], "active");
    assert_eq!(created["budget_total"], "12.50");
    assert_eq!(created["budget_used"], "0.00");
    assert_eq!(created["budget_remaining"], "12.50");
    assert_eq!(created["budget_reset_date"], "2026-03-31T22:00:00.000Z");
    assert_eq!(created["pending"], false);
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    let user = User { id: text("user_id"), key: text("api_key"), key_id: text("api_key_id") };
    assert!(user.id.starts_with("eu-"));
    assert_eq!(admitted(&scene, &user, &user.key), Ok(()));
    assert_eq!(scene.pending(), 0);
    let budget = scene.get(&format!("/api/users/{}/budget", user.id)).expect(200);
    assert_eq!(budget["budget_total"], "12.50");
}

#[test]
fn a_product_fills_in_what_the_request_leaves_out() {
    let scene = Scene::new();
    scene.platform.execute_sql(
        "INSERT INTO products (id, name, budget_included_nano_eur, models, requests_per_minute, created_at, updated_at)
         VALUES ('small', 'Small', 25000000000, '[\"a\"]', 7, 0, 0)",
    );
    let body = json!({ "email": "a@example.com", "tenant_id": "demo", "product_id": "small" });
    let created = scene.post("/api/users", &body).expect(201);
    assert_eq!(created["budget_total"], "25.00");
    let user = created["user_id"].as_str().unwrap();
    let account = domain::identity::AccountId::parse(user).unwrap();
    let configuration = block_on(store::configuration::load(&scene.platform, account, scene.platform.now()))
        .unwrap()
        .unwrap();
    assert_eq!(configuration.rates.requests_per_minute, Some(7));
    assert!(!configuration.models.allows("b"));
}

#[test]
fn an_email_is_taken_once_whatever_its_case() {
    let scene = Scene::new();
    scene.user("a@example.com", &json!({}));
    let again = json!({ "email": "A@EXAMPLE.com", "tenant_id": "other", "budget_total": 1 });
    assert_eq!(scene.post("/api/users", &again).expect_code(409, "email_taken")["param"], "email");
}

#[test]
fn wrong_users_are_refused_by_field() {
    let scene = Scene::new();
    let good = json!({ "email": "a@example.com", "tenant_id": "demo", "budget_total": 1 });
    for (field, value) in [
        ("email", json!("nobody")),
        ("email", json!(1)),
        ("tenant_id", Value::Null),
        ("budget_total", json!("1e3")),
        ("budget_total", Value::Null),
        ("reset_day", json!(0)),
        ("role", json!("root")),
        ("status", json!("asleep")),
        ("models", json!("all")),
        ("product_id", json!("none")),
        ("api_key", json!("now")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let problem = scene.post("/api/users", &body).expect_code(400, "invalid_value");
        assert_eq!(problem["param"], field, "{value}");
    }
    let problem = scene
        .post("/api/users", &json!({ "email": "a@example.com", "tenant_id": "none", "budget_total": 1 }));
    problem.expect_code(404, "not_found");
    scene.post("/api/users", &json!([])).expect_code(400, "invalid_json");
}

#[test]
fn a_user_whose_account_is_out_of_reach_is_pending_and_fails_closed_until_told() {
    let scene = Scene::new();
    scene.platform.set_state_down(true);
    let body = json!({ "email": "a@example.com", "tenant_id": "demo", "budget_total": 1 });
    let created = scene.post("/api/users", &body).expect(202);
    assert_eq!(created["pending"], true);
    scene.platform.set_state_down(false);
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    let user = User { id: text("user_id"), key: text("api_key"), key_id: text("api_key_id") };
    assert_eq!(admitted(&scene, &user, &user.key), Err(Refusal::InvalidKey));
    assert_eq!(scene.pending(), 1);
    // Whoever asks first tells the account.
    scene.get(&format!("/api/users/{}/budget", user.id)).expect(200);
    assert_eq!(admitted(&scene, &user, &user.key), Ok(()));
    assert_eq!(scene.pending(), 0);
}

#[test]
fn p21_a_key_is_dead_once_its_revocation_is_answered() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let second = scene.post(&format!("/api/users/{}/keys", user.id), &json!({ "name": "b" })).expect(201);
    let path = format!("/api/users/{}/keys/{}", user.id, user.key_id);
    for _ in 0..2 {
        scene.send(Some(scene::KEY), "DELETE", &path, &Value::Null).expect(200);
        assert_eq!(admitted(&scene, &user, &user.key), Err(Refusal::InvalidKey));
    }
    assert_eq!(admitted(&scene, &user, second["api_key"].as_str().unwrap()), Ok(()));
    scene
        .send(Some(scene::KEY), "DELETE", &format!("/api/users/{}/keys/none", user.id), &Value::Null)
        .expect(404);
}

#[test]
fn a_revocation_that_the_account_has_not_heard_is_not_called_done() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let path = format!("/api/users/{}/keys/{}", user.id, user.key_id);
    scene.platform.inject(platform_memory::Fault::BeforeStep);
    assert_eq!(scene.send(Some(scene::KEY), "DELETE", &path, &Value::Null).expect(202)["pending"], true);
    assert_eq!(scene.pending(), 1);
    scene.send(Some(scene::KEY), "DELETE", &path, &Value::Null).expect(200);
    assert_eq!(admitted(&scene, &user, &user.key), Err(Refusal::InvalidKey));
}

#[test]
fn an_expired_key_is_dead_and_an_account_has_a_named_number_of_keys() {
    let scene = Scene::new();
    let user =
        scene.user("a@example.com", &json!({ "api_key": { "expires_at": "2026-03-15T14:00:00+01:00" } }));
    assert_eq!(admitted(&scene, &user, &user.key), Ok(()));
    scene.platform.advance(core::time::Duration::from_secs(60 * 60));
    assert_eq!(admitted(&scene, &user, &user.key), Err(Refusal::InvalidKey));
    let keys = format!("/api/users/{}/keys", user.id);
    for _ in 0..KEYS_MAX {
        scene.post(&keys, &Value::Null).expect(201);
    }
    scene.post(&keys, &Value::Null).expect_code(409, "too_many_keys");
}

#[test]
fn a_suspended_user_and_a_suspended_tenant_are_refused_at_once_and_come_back() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let path = format!("/api/users/{}", user.id);
    assert_eq!(scene.patch(&path, &json!({ "status": "suspended" })).expect(200)["user_status"], "suspended");
    assert_eq!(admitted(&scene, &user, &user.key), Err(Refusal::UserInactive));
    scene.patch(&path, &json!({ "status": "active" })).expect(200);
    let body = scene.patch("/api/tenants/demo-slug", &json!({ "status": "suspended" })).expect(200);
    assert_eq!(body["outstanding"], 0);
    assert_eq!(admitted(&scene, &user, &user.key), Err(Refusal::TenantInactive));
    scene.patch("/api/tenants/demo", &json!({ "status": "active" })).expect(200);
    assert_eq!(admitted(&scene, &user, &user.key), Ok(()));
    scene.patch("/api/tenants/demo", &json!({ "status": "gone" })).expect_code(400, "invalid_value");
}

#[test]
fn a_tenants_suspension_counts_who_has_not_heard_and_goes_on_when_repeated() {
    let scene = Scene::new();
    for n in 0..3 {
        scene.user(&format!("u{n}@example.com"), &json!({}));
    }
    scene.platform.inject(platform_memory::Fault::BeforeStep);
    let body = scene.patch("/api/tenants/demo", &json!({ "status": "suspended" })).expect(202);
    assert_eq!(body["outstanding"], 1);
    let body = scene.patch("/api/tenants/demo", &json!({ "status": "suspended" })).expect(200);
    assert_eq!(body["outstanding"], 0);
}

#[test]
fn p21_a_closed_user_is_refused_for_good_and_its_email_is_free_again() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({ "name": "Ada" }));
    let hold = scene.check(&user, "0.50", &json!({ "hold": true })).expect(200);
    let path = format!("/api/users/{}", user.id);
    for _ in 0..2 {
        let closed = scene.delete(&path).expect(200);
        assert_eq!((&closed["closed"], &closed["open_holds"]), (&json!(true), &json!(1)));
        assert_eq!(admitted(&scene, &user, &user.key), Err(Refusal::InvalidKey));
    }
    // What is open ends as it would have: its report is the last that is taken back from nobody.
    let release = format!("/api/holds/{}?user_id={}", hold["hold_id"].as_str().unwrap(), user.id);
    scene.delete(&release).expect(200);
    assert_eq!(scene.budget(&user)["budget_reserved"], "0.00");
    assert_eq!(scene.budget(&user)["closed"], true);
    scene.patch(&path, &json!({ "status": "active" })).expect_code(409, "user_closed");
    scene.post(&format!("{path}/keys"), &Value::Null).expect_code(409, "user_closed");
    scene.report(&user, "r", "0.10", &json!({})).expect_code(409, "user_closed");
    let top_up = json!({ "amount": 1, "reason": "x", "operation_id": "x" });
    scene.post(&format!("{path}/top-ups"), &top_up).expect_code(409, "user_closed");
    scene.check(&user, "0", &json!({})).expect_code(403, "user_inactive");
    let again = scene.user("a@example.com", &json!({}));
    assert_ne!(again.id, user.id);
    let left = scene.number(
        "SELECT COUNT(*) AS n FROM users WHERE closed_at IS NOT NULL AND name = '' AND email LIKE '%@closed.invalid'",
    );
    assert_eq!(left, 1);
    assert_eq!(scene.number("SELECT COUNT(*) AS n FROM audit_log WHERE action = 'user.close'"), 1);
}

#[test]
fn a_closing_that_the_account_has_not_heard_is_not_called_done() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    scene.platform.inject(platform_memory::Fault::BeforeStep);
    assert_eq!(scene.delete(&format!("/api/users/{}", user.id)).expect(202)["pending"], true);
    assert_eq!(scene.pending(), 1);
    scene.delete(&format!("/api/users/{}", user.id)).expect(200);
    assert_eq!(admitted(&scene, &user, &user.key), Err(Refusal::InvalidKey));
}

#[test]
fn a_tenant_has_no_more_users_than_it_may_and_closed_ones_make_room() {
    let scene = Scene::new();
    scene.platform.execute_sql("UPDATE tenants SET max_users = 2 WHERE id = 'demo'");
    let first = scene.user("a@example.com", &json!({}));
    scene.user("b@example.com", &json!({}));
    let third = json!({ "email": "c@example.com", "tenant_id": "demo", "budget_total": 1 });
    let refused = scene.post("/api/users", &third).expect_code(403, "user_limit");
    assert_eq!(refused["limit_source"], "tenant");
    let taken = json!({ "email": "a@example.com", "tenant_id": "demo", "budget_total": 1 });
    scene.post("/api/users", &taken).expect_code(409, "email_taken");
    assert_eq!(scene.number("SELECT COUNT(*) AS n FROM users"), 2);
    let elsewhere = json!({ "email": "d@example.com", "tenant_id": "other", "budget_total": 1 });
    scene.post("/api/users", &elsewhere).expect(201);
    scene.delete(&format!("/api/users/{}", first.id)).expect(200);
    scene.post("/api/users", &third).expect(201);
}

#[test]
fn a_budget_may_start_anew_every_so_many_days() {
    let scene = Scene::new();
    let from = json!({ "period_days": 30, "period_from": "2026-03-01T00:00:00Z" });
    let user = scene.user("a@example.com", &from);
    assert_eq!(scene.budget(&user)["budget_reset_date"], "2026-03-31T00:00:00.000Z");
    let from_now =
        scene.user("b@example.com", &json!({ "period_days": 30, "concurrency_max": 2, "clamp": true }));
    assert_eq!(scene.budget(&from_now)["budget_reset_date"], "2026-04-14T12:00:00.000Z");
    let configuration = scene.configuration(&from_now);
    assert_eq!((configuration.concurrency, configuration.clamp), (Some(2), true));
    // Another rule counts from the next period on.
    let path = format!("/api/users/{}", user.id);
    let monthly = scene.patch(&path, &json!({ "period_days": null, "reset_day": 5 })).expect(200);
    assert_eq!(monthly["budget_reset_date"], "2026-03-31T00:00:00.000Z");
    scene.platform.advance(Duration::from_secs(20 * 86_400));
    assert_eq!(scene.budget(&user)["budget_reset_date"], "2026-04-04T22:00:00.000Z");
    let unlimited = scene.patch(&format!("/api/users/{}", from_now.id), &json!({ "concurrency_max": null }));
    unlimited.expect(200);
    assert_eq!(scene.configuration(&from_now).concurrency, None);
}

#[test]
fn p14_a_change_never_touches_spend() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let report = json!({
        "request_id": "r", "user_id": user.id, "model": "m", "cost": "0.40", "tokens_input": 1, "tokens_output": 1,
    });
    scene.post("/api/usage/log", &report).expect(200);
    let changed = scene
        .patch(&format!("/api/users/{}", user.id), &json!({ "budget_total": 2, "requests_per_minute": 5 }))
        .expect(200);
    assert_eq!(changed["budget_used"], "0.40");
    assert_eq!(changed["budget_remaining"], "1.60");
}

#[test]
fn a_report_under_an_open_hold_is_taken_of_a_closed_or_suspended_user() {
    let scene = Scene::new();
    for (email, closes) in [("a@example.com", true), ("b@example.com", false)] {
        let user = scene.user(email, &json!({}));
        let hold = scene.check(&user, "0.50", &json!({ "hold": true })).expect(200);
        let path = format!("/api/users/{}", user.id);
        if closes {
            scene.delete(&path).expect(200);
        } else {
            scene.patch(&path, &json!({ "status": "suspended" })).expect(200);
        }
        let under = json!({ "hold_id": hold["hold_id"] });
        for repeated in [false, true] {
            let told = scene.report(&user, "job", "0.60", &under).expect(200);
            assert_eq!((&told["cost_eur"], &told["repeated"]), (&json!("0.60"), &json!(repeated)));
        }
        let budget = scene.budget(&user);
        assert_eq!((&budget["budget_used"], &budget["budget_reserved"]), (&json!("0.60"), &json!("0.00")));
    }
}
