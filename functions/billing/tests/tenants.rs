//! What all users of a tenant share.

mod scene;

use core::time::Duration;
use domain::civil_time::{PeriodRule, Zone};
use domain::time::Timestamp;
use platform::Clock;
use platform_memory::Fault;
use scene::{Scene, User};
use serde_json::{Value, json};

#[test]
fn a_tenants_limits_are_set_and_taken_away() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let limits = json!({
        "budget_total": "50", "reset_day": 15, "requests_per_minute": 100, "tokens_per_minute": 10_000, "clamp": true,
    });
    let changed = scene.patch("/api/tenants/demo", &limits).expect(200);
    assert_eq!(changed["budget_total"], "50.00");
    for name in ["reset_day", "requests_per_minute", "tokens_per_minute", "clamp"] {
        assert_eq!(changed[name], limits[name], "{name}");
    }
    assert_eq!(changed["outstanding"], 0);
    let budget = scene.budget(&user);
    assert_eq!(budget["tenant_limits"], json!(["budget_total", "requests_per_minute", "tokens_per_minute"]));
    assert!(scene.configuration(&user).clamp);
    let none = json!({ "budget_total": null, "requests_per_minute": null, "tokens_per_minute": null });
    let changed = scene.patch("/api/tenants/demo", &none).expect(200);
    assert_eq!((&changed["budget_total"], &changed["requests_per_minute"]), (&Value::Null, &Value::Null));
    assert_eq!(scene.budget(&user)["tenant_limits"], Value::Null);
}

#[test]
fn accounts_are_told_which_limits_there_are_and_amounts_are_the_pools_business() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let version = || scene.configuration(&user).version;
    let before = version();
    for (change, told) in [
        (json!({ "budget_total": 10 }), true),
        (json!({ "budget_total": 20 }), false),
        (json!({ "budget_total": 20 }), false),
        (json!({ "reset_day": 3 }), false),
        (json!({ "time_zone": "Asia/Calcutta" }), true),
        (json!({ "time_zone": "Asia/Calcutta", "budget_total": 21 }), false),
        (json!({ "requests_per_minute": 5 }), true),
        (json!({ "requests_per_minute": 6, "budget_total": 7 }), false),
        (json!({ "clamp": true }), true),
        (json!({ "status": "suspended" }), true),
        (json!({ "status": "active", "clamp": true }), true),
        (json!({ "budget_total": null }), true),
        (json!({ "budget_total": null }), false),
    ] {
        let known = version();
        scene.patch("/api/tenants/demo", &change).expect(200);
        assert_eq!(version() > known, told, "{change}");
        assert_eq!(scene.pending(), 0, "{change}");
    }
    assert_eq!(version(), before + 7);
}

#[test]
fn the_pool_counts_among_those_who_have_not_heard_and_a_repetition_goes_on() {
    let scene = Scene::new();
    for n in 0..3 {
        scene.user(&format!("u{n}@example.com"), &json!({}));
    }
    scene.patch("/api/tenants/demo", &json!({ "budget_total": 9 })).expect(200);
    // The first `apply` is the pool's.
    scene.platform.inject(Fault::BeforeStep);
    let change = json!({ "budget_total": 10 });
    let body = scene.patch("/api/tenants/demo", &change).expect(202);
    assert_eq!(body["outstanding"], 1);
    assert_eq!(scene.number("SELECT COUNT(*) AS n FROM pending_pool_pushes"), 1);
    let audited = "SELECT COUNT(*) AS n FROM audit_log WHERE action = 'tenant.update'";
    assert_eq!(scene.patch("/api/tenants/demo", &change).expect(200)["outstanding"], 0);
    assert_eq!((scene.pending(), scene.number(audited)), (0, 2));
}

#[test]
fn a_tenants_budget_shows_what_is_used_leased_and_left() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({ "budget_total": 100 }));
    let none = scene.get("/api/tenants/demo/budget").expect(200);
    assert_eq!((&none["limit"], &none["used"]), (&Value::Null, &Value::Null));
    scene.patch("/api/tenants/demo-slug", &json!({ "budget_total": 10 })).expect(200);
    scene.check(&user, "4", &json!({ "hold": true })).expect(200);
    let shown = scene.get("/api/tenants/demo-slug/budget").expect(200);
    assert_eq!((&shown["tenant_id"], &shown["limit"]), (&json!("demo"), &json!("10.00")));
    let euros = |name: &str| shown[name].as_str().unwrap().parse::<f64>().unwrap();
    assert!(euros("leased") >= 4.0);
    assert_eq!(euros("used") + euros("leased") + euros("remaining"), 10.0 + euros("over"));
    assert_eq!(shown["resets_at"], "2026-03-31T22:00:00.000Z");
    // Usage that happened elsewhere counts, though nobody leased it.
    scene.report(&user, "r", "12", &json!({})).expect(200);
    scene.deliver();
    let shown = scene.get("/api/tenants/demo/budget").expect(200);
    assert_eq!((&shown["used"], &shown["remaining"]), (&json!("12.00"), &json!("0.00")));
    assert_ne!(shown["over"], "0.00");
}

#[test]
fn wrong_limits_are_refused_by_field() {
    let scene = Scene::new();
    for (field, value) in [
        ("budget_total", json!(-1)),
        ("reset_day", json!(32)),
        ("requests_per_minute", json!(1.5)),
        ("tokens_per_minute", json!("many")),
        ("clamp", json!(1)),
        ("status", json!("gone")),
    ] {
        let problem =
            scene.patch("/api/tenants/demo", &json!({ field: value })).expect_code(400, "invalid_value");
        assert_eq!(problem["param"], field);
    }
    scene.patch("/api/tenants/demo", &json!({})).expect_code(400, "nothing_to_change");
}

/// What the user's budget and the tenant's say of their ends.
fn resets_at(scene: &Scene, user: &User) -> [Value; 2] {
    let tenant = scene.get("/api/tenants/demo/budget").expect(200);
    [scene.budget(user)["budget_reset_date"].clone(), tenant["resets_at"].clone()]
}

#[test]
fn p13_budgets_start_anew_with_the_month_of_the_tenants_place() {
    for (name, begins) in [
        ("America/New_York", ["-01T05:00:00.000Z", "-01T04:00:00.000Z"]),
        ("Asia/Kathmandu", ["T18:15:00.000Z"; 2]),
        ("Pacific/Kiritimati", ["T10:00:00.000Z"; 2]),
        ("Australia/Lord_Howe", ["T13:00:00.000Z", "T13:30:00.000Z"]),
    ] {
        let scene = Scene::new();
        let limits = json!({ "time_zone": name, "budget_total": 50 });
        let changed = scene.patch("/api/tenants/demo", &limits).expect(200);
        assert_eq!((&changed["time_zone"], &changed["outstanding"]), (&json!(name), &json!(0)));
        let user = scene.user("a@example.com", &json!({}));
        let zone = Zone::parse(name).unwrap();
        let rule = PeriodRule::Monthly { zone, anchor_day: 1 };
        for _ in 0..14 {
            let boundary = rule.next_boundary(scene.platform.now());
            scene.platform.set_now(boundary.minus(Duration::from_millis(1)));
            let expected = json!(boundary.to_rfc3339());
            assert_eq!(resets_at(&scene, &user), [expected.clone(), expected], "{name}");
            assert!(
                begins.iter().any(|begin| boundary.to_rfc3339().ends_with(begin)),
                "{name}: {boundary:?}"
            );
            scene.report(&user, &boundary.to_rfc3339(), "0.5", &json!({})).expect(200);
            assert_eq!(scene.budget(&user)["budget_used"], "0.50");
            scene.platform.set_now(boundary);
            assert_eq!(scene.budget(&user)["budget_used"], "0.00");
        }
    }
}

#[test]
fn p13_another_time_zone_holds_from_the_next_period_on() {
    let scene = Scene::new();
    scene.patch("/api/tenants/demo", &json!({ "budget_total": 50 })).expect(200);
    let user = scene.user("a@example.com", &json!({}));
    let [ends, of_tenant] = resets_at(&scene, &user);
    assert_eq!(ends, of_tenant);
    let change = json!({ "time_zone": "america/new_york" });
    let version = scene.configuration(&user).version;
    for _ in 0..2 {
        let changed = scene.patch("/api/tenants/demo", &change).expect(200);
        assert_eq!((&changed["time_zone"], &changed["outstanding"]), (&json!("America/New_York"), &json!(0)));
        assert_eq!(scene.configuration(&user).version, version + 1, "a repetition changes nothing");
    }
    assert_eq!(resets_at(&scene, &user), [ends.clone(), ends.clone()]);
    let boundary = Timestamp::parse_rfc3339(ends.as_str().unwrap()).unwrap();
    scene.platform.set_now(boundary);
    let zone = Zone::parse("America/New_York").unwrap();
    // Midnight in Berlin is the evening before in New York: a short period ends with New York's month.
    let expected = json!(PeriodRule::Monthly { zone, anchor_day: 1 }.next_boundary(boundary).to_rfc3339());
    assert_eq!(resets_at(&scene, &user), [expected.clone(), expected]);
}

#[test]
fn p30_a_time_zone_that_there_is_not_is_refused_by_name_with_two_that_there_are() {
    let scene = Scene::new();
    for wrong in ["Mars/Olympus", "Europe", "CET CEST", "+01:00", " Europe/Berlin"] {
        let refusal = scene.patch("/api/tenants/demo", &json!({ "time_zone": wrong })).expect(400);
        assert_eq!(refusal["param"], "time_zone", "{refusal}");
        let message = refusal["detail"].as_str().unwrap();
        for example in ["Europe/Berlin", "America/New_York"] {
            assert!(message.contains(example) && Zone::parse(example).is_some(), "{message}");
        }
    }
    assert_eq!(scene.number("SELECT COUNT(*) AS n FROM tenants WHERE time_zone <> 'Europe/Berlin'"), 0);
}
