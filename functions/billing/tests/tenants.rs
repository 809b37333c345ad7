//! What all users of a tenant share.

mod scene;

use platform_memory::Fault;
use scene::Scene;
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
    assert_eq!(version(), before + 6);
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
