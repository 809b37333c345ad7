//! Money set aside through `check-budget`, and every level that may refuse it.

mod scene;

use core::time::Duration;
use domain::account::{Account, HOLD_TTL, Release, Reply, Reserve, Served};
use domain::identity::RequestId;
use domain::price::{Tariff, Usage};
use platform::Clock;
use platform_memory::Fault;
use scene::{KEY, READING_KEY, Scene};
use serde_json::{Value, json};

fn held() -> Value {
    json!({ "hold": true })
}

#[test]
fn a_hold_sets_money_aside_and_its_report_ends_it() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let hold = scene.check(&user, "0.60", &held()).expect(200);
    assert_eq!((&hold["allowed"], &hold["held"]), (&json!(true), &json!("0.60")));
    assert_eq!((&hold["budget_reserved"], &hold["budget_remaining"]), (&json!(0.6), &json!(0.4)));
    assert_eq!(hold["expires_at"], scene.platform.now().plus(HOLD_TTL).to_rfc3339());
    // A second one of that size does not fit any more, and says why.
    let refused = scene.check(&user, "0.60", &held()).expect_code(403, "budget_exceeded");
    for (name, value) in [
        ("limit_source", "user"),
        ("limit", "1.00"),
        ("used", "0.00"),
        ("reserved", "0.60"),
        ("remaining", "0.40"),
        ("over", "0.00"),
        ("needed", "0.60"),
        ("resets_at", "2026-03-31T22:00:00.000Z"),
    ] {
        assert_eq!(refused[name], value, "{name}");
    }
    assert_eq!(refused["allowed"], false);
    // All that is left may be held.
    scene.check(&user, "0.40", &held()).expect(200);
    // Charged in full, beyond the hold as well.
    scene.report(&user, "r", "0.70", &json!({ "hold_id": hold["hold_id"] })).expect(200);
    let budget = scene.budget(&user);
    assert_eq!((&budget["budget_used"], &budget["budget_reserved"]), (&json!("0.70"), &json!("0.40")));
    scene.report(&user, "r", "0.70", &json!({ "hold_id": hold["hold_id"] })).expect(200);
    assert_eq!(scene.budget(&user), budget);
}

#[test]
fn a_callers_own_id_is_one_hold_however_often_it_is_asked_for() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let own = json!({ "hold": true, "request_id": "job/1 é" });
    let first = scene.check(&user, "0.60", &own).expect(200);
    scene.platform.advance(Duration::from_secs(60));
    for cost in ["0.60", "0.90"] {
        let again = scene.check(&user, cost, &own).expect(200);
        for name in ["hold_id", "held", "expires_at", "budget_reserved", "budget_remaining"] {
            assert_eq!(again[name], first[name], "{name}");
        }
    }
    assert_eq!(first["hold_id"], "job/1 é");
    let path = format!("/api/holds/job%2F1%20%C3%A9?user_id={}", user.id);
    for _ in 0..2 {
        assert_eq!(scene.delete(&path).expect(200)["released"], true);
        assert_eq!(scene.budget(&user)["budget_reserved"], "0.00");
    }
    scene.check(&user, "0.60", &own).expect_code(409, "hold_ended");
    scene.delete("/api/holds/x").expect_code(400, "invalid_value");
    let other = scene.check(&user, "0.60", &held()).expect(200);
    let path = format!("/api/holds/{}/release?user_id={}", other["hold_id"].as_str().unwrap(), user.id);
    scene.post(&path, &Value::Null).expect(200);
    assert_eq!(scene.budget(&user)["budget_remaining"], "1.00");
}

#[test]
fn a_hold_that_nobody_reports_runs_out_without_charge() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let hold = scene.check(&user, "1", &held()).expect(200);
    scene.platform.advance(HOLD_TTL);
    let budget = scene.budget(&user);
    assert_eq!((&budget["budget_used"], &budget["budget_remaining"]), (&json!("0.00"), &json!("1.00")));
    // Its report comes late, and is charged all the same.
    scene.report(&user, "r", "0.50", &json!({ "hold_id": hold["hold_id"] })).expect(200);
    assert_eq!(scene.budget(&user)["budget_used"], "0.50");
}

#[test]
fn no_client_ends_the_hold_of_a_call() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let now = scene.platform.now();
    let request_id = RequestId::new(now, &[1; 10]);
    let reserve = Reserve {
        request_id,
        key: None,
        model: "m".into(),
        routing_version: 0,
        worst_case: Usage::default(),
        input_estimate: Usage::default(),
        tariff: Tariff::default(),
        valid_until: now.plus(Duration::from_secs(10)),
        clamp: false,
        choices: 1,
        served: Served::default(),
        tags: Vec::new(),
        grant: None,
        asked: 0,
        after_ends: None,
        amount: Some(domain::money::NanoEur::euros(1)),
    };
    let command = domain::account::Command::Reserve(Box::new(reserve));
    assert!(matches!(scene.apply(&user, command), Reply::Reserved(_)));
    scene.delete(&format!("/api/holds/{request_id}?user_id={}", user.id)).expect(200);
    scene.report(&user, "r", "0", &json!({ "hold_id": request_id.to_string() })).expect(200);
    assert_eq!(scene.budget(&user)["budget_reserved"], "1.00");
    let release = Release { request_id, valid_until: now };
    assert!(matches!(scene.apply(&user, domain::account::Command::Release(release)), Reply::Settled(_)));
}

#[test]
fn a_hold_needs_the_right_to_report_and_a_model_only_counts_where_it_is_named() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({ "models": ["allowed"] }));
    let body = json!({ "user_id": user.id, "estimated_cost": 0, "hold": true });
    scene.send(Some(READING_KEY), "POST", "/api/check-budget", &body).expect_code(403, "missing_scope");
    scene.check(&user, "0", &held()).expect(200);
    scene.check(&user, "0", &json!({ "hold": true, "model": "allowed" })).expect(200);
    scene.check(&user, "0", &json!({ "hold": true, "model": "other" })).expect_code(404, "model_not_found");
    assert_eq!(
        scene.check(&user, "0", &json!({ "hold": "yes" })).expect_code(400, "invalid_value")["param"],
        "hold"
    );
}

#[test]
fn a_hold_is_refused_by_status_rate_and_concurrency() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({ "requests_per_minute": 1, "concurrency_max": 1 }));
    let hold = scene.check(&user, "0", &held()).expect(200);
    let refused = scene.check(&user, "0", &held()).expect(429);
    assert_eq!(refused["code"], "concurrency_limit");
    scene
        .delete(&format!("/api/holds/{}?user_id={}", hold["hold_id"].as_str().unwrap(), user.id))
        .expect(200);
    let refused = scene.check(&user, "0", &held()).expect_code(429, "rate_limit_exceeded");
    assert_eq!((&refused["limit_source"], &refused["allowed"]), (&json!("user"), &json!(false)));
    scene.patch("/api/tenants/demo", &json!({ "status": "suspended" })).expect(200);
    let refused = scene.check(&user, "0", &held()).expect_code(403, "tenant_inactive");
    assert_eq!(refused["limit_source"], "tenant");
    scene.patch(&format!("/api/users/{}", user.id), &json!({ "status": "pending" })).expect(200);
    let refused = scene.check(&user, "0", &held()).expect_code(403, "user_inactive");
    assert_eq!(refused["limit_source"], "user");
}

#[test]
fn p15_a_tenants_budget_stops_its_users_with_and_without_a_hold() {
    let scene = Scene::new();
    let users = ["a@example.com", "b@example.com"].map(|email| scene.user(email, &json!({})));
    scene.patch("/api/tenants/demo", &json!({ "budget_total": "1.20" })).expect(200);
    scene.check(&users[0], "1", &held()).expect(200);
    for extra in [json!({}), held()] {
        let refused = scene.check(&users[1], "0.50", &extra).expect_code(403, "budget_exceeded");
        for (name, value) in [
            ("limit_source", "tenant"),
            ("limit", "1.20"),
            ("used", "0.00"),
            ("reserved", "1.00"),
            ("remaining", "0.20"),
            ("resets_at", "2026-03-31T22:00:00.000Z"),
        ] {
            assert_eq!(refused[name], value, "{name} {extra}");
        }
        assert_eq!(
            scene.check(&users[1], "1.10", &extra).expect(403)["limit_source"],
            match extra["hold"] {
                // A hold asks the user's own limit first, the question names the tighter one.
                Value::Bool(true) => "user",
                _ => "tenant",
            }
        );
    }
    scene.check(&users[1], "0.20", &held()).expect(200);
    let budget = scene.budget(&users[1]);
    assert_eq!((&budget["limit_source"], &budget["remaining"]), (&json!("tenant"), &json!("0.00")));
    assert_eq!(
        (&budget["budget_remaining"], &budget["tenant_limits"]),
        (&json!("0.80"), &json!(["budget_total"]))
    );
    assert_eq!((&budget["tenant"]["leased"], &budget["tenant"]["limit"]), (&json!("1.20"), &json!("1.20")));
}

#[test]
fn p15_a_tenants_rate_stops_its_users_and_is_named() {
    let scene = Scene::new();
    let users = ["a@example.com", "b@example.com"].map(|email| scene.user(email, &json!({})));
    scene.patch("/api/tenants/demo", &json!({ "requests_per_minute": 2 })).expect(200);
    for user in &users {
        scene.check(user, "0", &held()).expect(200);
    }
    let refused = scene.check(&users[0], "0", &held()).expect_code(429, "rate_limit_exceeded");
    assert_eq!(refused["limit_source"], "tenant");
}

#[test]
fn money_that_another_user_leased_and_does_not_need_is_asked_back() {
    let scene = Scene::new();
    let users = ["a@example.com", "b@example.com"].map(|email| scene.user(email, &json!({})));
    scene.patch("/api/tenants/demo", &json!({ "budget_total": "1" })).expect(200);
    let hold = scene.check(&users[0], "0.90", &held()).expect(200);
    scene
        .delete(&format!("/api/holds/{}?user_id={}", hold["hold_id"].as_str().unwrap(), users[0].id))
        .expect(200);
    // The plain question finds that out, too, and keeps nothing.
    assert_eq!(scene.check(&users[1], "0.94", &json!({})).expect(200)["budget_reserved"], 0.0);
    assert_eq!(scene.budget(&users[1])["budget_reserved"], "0.00");
    scene.check(&users[1], "0.95", &held()).expect(200);
    assert_eq!(scene.check(&users[0], "0.06", &json!({})).expect(403)["limit_source"], "tenant");
}

#[test]
fn a_pool_out_of_reach_fails_closed_and_an_untold_one_is_told_by_who_asks() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    // The change's own push is lost, and so is the account's.
    scene.platform.set_state_down(true);
    let changed = scene.patch("/api/tenants/demo", &json!({ "budget_total": "0.50" })).expect(202);
    assert_eq!(changed["outstanding"], 2);
    scene.platform.set_state_down(false);
    scene.budget(&user);
    let account = domain::identity::AccountId::parse(&user.id).unwrap();
    futures_executor::block_on(store::pending_pushes::push(&scene.platform, account)).unwrap();
    scene.check(&user, "0.60", &held()).expect_code(403, "budget_exceeded");
    scene.check(&user, "0.50", &held()).expect(200);
    scene.platform.set_state_down(true);
    scene.check(&user, "0.10", &held()).expect(503);
    scene.check(&user, "0.10", &json!({})).expect(503);
}

#[test]
fn a_hold_whose_answer_was_lost_is_released_or_found_again() {
    for fault in [Fault::BeforeStep, Fault::AfterStore, Fault::HangAfterStore, Fault::CrashAfterStore] {
        let scene = Scene::new();
        let user = scene.user("a@example.com", &json!({}));
        let name = &user.id;
        let rows = scene.platform.rows_of::<Account>(name);
        assert!(rows > 0);
        // A failure that answers quickly is tried once more.
        let times = if fault == Fault::HangAfterStore { 1 } else { 2 };
        (0..times).for_each(|_| scene.platform.inject(fault));
        scene.check(&user, "0.60", &held()).expect(503);
        assert_eq!(scene.budget(&user)["budget_reserved"], "0.00", "{fault:?}");
        let own = json!({ "hold": true, "request_id": "mine" });
        (0..times).for_each(|_| scene.platform.inject(fault));
        scene.check(&user, "0.60", &own).expect(503);
        scene.platform.crash();
        assert_eq!(scene.check(&user, "0.60", &own).expect(200)["held"], "0.60");
        assert_eq!(scene.budget(&user)["budget_reserved"], "0.60", "{fault:?}");
    }
}

#[test]
fn a_hold_of_an_account_that_was_never_told_tells_it() {
    let scene = Scene::new();
    scene.platform.set_state_down(true);
    let body = json!({ "email": "a@example.com", "tenant_id": "demo", "budget_total": 1 });
    let created = scene.send(Some(KEY), "POST", "/api/users", &body).expect(202);
    scene.platform.set_state_down(false);
    let body = json!({ "user_id": created["user_id"], "estimated_cost": "0.10", "hold": true });
    assert_eq!(scene.post("/api/check-budget", &body).expect(200)["held"], "0.10");
}
