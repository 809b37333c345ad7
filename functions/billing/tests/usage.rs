//! Budgets and usage.

mod scene;

use core::time::Duration;
use domain::routing::PriceFields;
use scene::{MODEL, Scene};
use serde_json::{Value, json};

fn report(user: &str, id: &str) -> Value {
    json!({ "request_id": id, "user_id": user, "model": MODEL, "tokens_input": 1_000, "tokens_output": 500 })
}

/// 1,000 × $0.15/M + 500 × $0.60/M = 450,000 nano-dollars; × 1.2 × 0.92.
const COST: &str = "0.0004968";

#[test]
fn check_budget_keeps_the_original_rule() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let check =
        |cost: Value| scene.post("/api/check-budget", &json!({ "user_id": user.id, "estimated_cost": cost }));
    let allowed = check(json!(0.5)).expect(200);
    assert_eq!(allowed["allowed"], true);
    for (field, figure) in [("budget_total", 1.0), ("budget_used", 0.0), ("budget_remaining", 1.0)] {
        assert_eq!(allowed[field], figure, "{field}");
    }
    assert_eq!(allowed["tenant_id"], "demo");
    check(json!("0.999999999")).expect(200);
    let refused = check(json!(1)).expect_code(403, "budget_exceeded");
    assert_eq!(refused["allowed"], false);
    assert_eq!(refused["budget_remaining"], 1.0);
    assert!(refused["detail"].as_str().unwrap().starts_with("Budget exceeded"));
    for wrong in [json!(-1), json!("one"), json!(null), json!([]), json!(1e300)] {
        assert_eq!(check(wrong).expect_code(400, "invalid_value")["param"], "estimated_cost");
    }
    scene.patch(&format!("/api/users/{}", user.id), &json!({ "status": "suspended" })).expect(200);
    check(json!(0)).expect_code(403, "user_inactive");
    let unknown = json!({ "user_id": format!("eu-{}", "0".repeat(32)), "estimated_cost": 0 });
    scene.post("/api/check-budget", &unknown).expect_code(404, "not_found");
}

#[test]
fn p04_usage_is_charged_once_per_request_id() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let first = scene.post("/api/usage/log", &report(&user.id, "r1")).expect(200);
    assert_eq!((&first["cost_eur"], &first["repeated"]), (&json!(COST), &json!(false)));
    for _ in 0..3 {
        let again = scene.post("/api/usage/log", &report(&user.id, "r1")).expect(200);
        assert_eq!((&again["cost_eur"], &again["repeated"]), (&json!(COST), &json!(true)));
        scene.deliver();
    }
    let budget = scene.get(&format!("/api/users/{}/budget", user.id)).expect(200);
    assert_eq!(budget["budget_used"], COST);
}

#[test]
fn p04_a_report_is_recognised_after_the_account_forgot_it() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    scene.post("/api/usage/log", &report(&user.id, "r1")).expect(200);
    scene.deliver();
    scene.platform.advance(Duration::from_secs(70 * 86_400));
    let again = scene.post("/api/usage/log", &report(&user.id, "r1")).expect(200);
    assert_eq!((&again["cost_eur"], &again["repeated"]), (&json!(COST), &json!(true)));
    let budget = scene.get(&format!("/api/users/{}/budget", user.id)).expect(200);
    assert_eq!(budget["budget_used"], "0.00");
    let mut old = report(&user.id, "r2");
    old["timestamp"] = json!("2026-03-01T00:00:00Z");
    assert_eq!(scene.post("/api/usage/log", &old).expect_code(400, "too_old")["param"], "timestamp");
}

#[test]
fn an_absurd_cost_is_refused_by_name() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    for cost in [json!(-1), json!("-0.01"), json!("1000000.01"), json!(1e300), json!("much"), json!(true)] {
        let mut body = report(&user.id, "r");
        body["cost"] = cost.clone();
        assert_eq!(
            scene.post("/api/usage/log", &body).expect_code(400, "invalid_value")["param"],
            "cost",
            "{cost}"
        );
    }
    assert_eq!(scene.budget(&user)["budget_used"], "0.00");
}

#[test]
fn p13_a_report_counts_when_it_arrives_whatever_its_timestamp() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    scene.platform.advance(Duration::from_secs(20 * 86_400));
    let mut body = report(&user.id, "r");
    body["timestamp"] = json!("2026-03-20T00:00:00Z");
    scene.post("/api/usage/log", &body).expect(200);
    assert_eq!(scene.budget(&user)["budget_used"], COST);
    scene.deliver();
    let rows = scene.get(&format!("/api/usage?user_id={}", user.id)).expect(200);
    assert_eq!(rows["rows"][0]["timestamp"], "2026-04-04T12:00:00.000Z");
}

#[test]
fn p08_an_unknown_price_refuses_and_charges_nothing() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    scene.price("half", PriceFields { input: Some(1), ..PriceFields::default() });
    for model in ["half", "none"] {
        let mut body = report(&user.id, "r");
        body["model"] = json!(model);
        assert_eq!(scene.post("/api/usage/log", &body).expect_code(400, "unpriced_model")["param"], "model");
    }
    let mut elsewhere = report(&user.id, "r");
    elsewhere["provider"] = json!("nobody");
    assert_eq!(
        scene.post("/api/usage/log", &elsewhere).expect_code(400, "invalid_value")["param"],
        "provider"
    );
    let budget = scene.get(&format!("/api/users/{}/budget", user.id)).expect(200);
    assert_eq!(budget["budget_used"], "0.00");
}

#[test]
fn a_reported_cost_is_charged_in_full_also_beyond_the_budget() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let mut body = report(&user.id, "r");
    body["model"] = json!("elsewhere/model");
    body["cost"] = json!("1.25");
    scene.post("/api/usage/log", &body).expect(200);
    let budget = scene.get(&format!("/api/users/{}/budget", user.id)).expect(200);
    assert_eq!((&budget["budget_used"], &budget["budget_over"]), (&json!("1.25"), &json!("0.25")));
}

#[test]
fn p12_rows_sum_to_the_counter_and_reproduce_their_price() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    for n in 0..7 {
        let mut body = report(&user.id, &format!("r{n}"));
        body["tokens_input"] = json!(1_000 + n);
        body["tags"] = json!(["a", "b"]);
        scene.post("/api/usage/log", &body).expect(200);
        scene.platform.advance(Duration::from_millis(1));
    }
    scene.deliver();
    let all = scene.get(&format!("/api/usage?user_id={}", user.id)).expect(200);
    let budget = scene.get(&format!("/api/users/{}/budget", user.id)).expect(200);
    assert_eq!(all["totals"]["cost_total"], budget["budget_used"]);
    assert_eq!(all["totals"]["rows"], 7);
    let newest = &all["rows"][0];
    assert_eq!((&newest["request_id"], &newest["tokens_input"]), (&json!("r6"), &json!(1_006)));
    assert_eq!(newest["tags"], json!(["a", "b"]));
    let tariff = &newest["tariff"];
    let number = |name: &str| tariff[name].as_i64().unwrap();
    let nano_usd_millionths = 1_006 * number("input") + 500 * number("output");
    let exact = i128::from(nano_usd_millionths)
        * i128::from(10_000 + number("margin_basis_points"))
        * i128::from(number("eur_per_usd_millionths"));
    let nano_eur = exact.div_euclid(10_000_000_000_000_000) + i128::from(exact % 10_000_000_000_000_000 > 0);
    assert_eq!(newest["cost_total"], format!("0.{nano_eur:09}").trim_end_matches('0'));
}

#[test]
fn pages_follow_each_other_for_a_user_and_for_a_tenant() {
    let scene = Scene::new();
    let users = ["a@example.com", "b@example.com"].map(|email| scene.user(email, &json!({})));
    for n in 0..6 {
        scene.post("/api/usage/log", &report(&users[n % 2].id, &format!("r{n}"))).expect(200);
    }
    scene.deliver();
    for (filter, count) in [(format!("user_id={}", users[0].id), 3), ("tenant_id=demo".to_owned(), 6)] {
        let whole = scene.get(&format!("/api/usage?{filter}")).expect(200);
        let mut paged = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = scene.get(&format!("/api/usage?{filter}&limit=2{cursor}")).expect(200);
            paged.extend(page["rows"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(Value::from(paged), whole["rows"], "{filter}");
        assert_eq!(whole["rows"].as_array().unwrap().len(), count);
    }
    scene.get("/api/usage").expect_code(400, "invalid_value");
    scene.get("/api/usage?tenant_id=demo&limit=0").expect_code(400, "invalid_value");
    scene.get("/api/usage?tenant_id=demo&cursor=x").expect_code(400, "invalid_value");
}
