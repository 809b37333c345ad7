//! The billing API of machine clients.

use serde_json::json;
use tests::fixtures::{MODEL, TENANT};
use tests::money::{nano, nano_of};
use tests::{Scene, chat_body};

#[tokio::test]
async fn every_route_but_health_asks_for_a_service_key() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.client().get("/billing/health").send().await.expect(200);
    let routes = [
        ("POST", "/api/check-budget".to_owned()),
        ("POST", "/api/usage/log".to_owned()),
        ("GET", "/api/usage".to_owned()),
        ("POST", "/api/users".to_owned()),
        ("PATCH", format!("/api/users/{}", user.id)),
        ("GET", format!("/api/users/{}/budget", user.id)),
        ("POST", format!("/api/users/{}/keys", user.id)),
        ("DELETE", format!("/api/users/{}/keys/{}", user.id, user.key_id)),
        ("PATCH", format!("/api/tenants/{TENANT}")),
    ];
    for (method, path) in routes {
        for key in [None, Some("wrong"), Some(user.key.as_str())] {
            let request = scene.client().get(&path).with_method(method).body("application/json", "{}");
            let request = key.into_iter().fold(request, |request, key| request.header("x-api-key", key));
            request.send().await.expect_problem_json(401, "invalid_api_key");
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn check_budget_allows_what_leaves_something_and_refuses_the_rest() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("0.50").await;
    let check = async |cost: &str| {
        let body = json!({"user_id": user.id, "estimated_cost": cost});
        scene.billing("POST", "/api/check-budget", &body).await
    };
    let allowed = check("0.499999999").await.expect(200).json();
    assert_eq!(allowed["allowed"], true);
    assert_eq!((&allowed["budget_total"], &allowed["budget_used"]), (&json!(0.5), &json!(0.0)));
    let refused = check("0.5").await;
    let problem = refused.expect_problem_json(403, "budget_exceeded");
    assert!(problem["detail"].as_str().is_some_and(|text| text.starts_with("Budget exceeded")), "{problem}");
    assert_eq!((&problem["allowed"], &problem["budget_remaining"]), (&json!(false), &json!(0.5)));
    user.change(&json!({"status": "suspended"})).await;
    check("0.01").await.expect_problem_json(403, "user_inactive");
    scene.end().await;
}

#[tokio::test]
async fn usage_that_happened_elsewhere_is_charged_once_per_request_id() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let report = json!({
        "request_id": "chatcmpl-elsewhere-1", "user_id": user.id, "model": MODEL,
        "tokens_input": 1_000, "tokens_output": 500, "tags": ["import"],
    });
    let first = scene.billing("POST", "/api/usage/log", &report).await.expect(200).json();
    assert_eq!((&first["success"], &first["repeated"]), (&json!(true), &json!(false)));
    let cost = nano(&first["cost_eur"]);
    assert!(cost > 0);
    let repeats = (0..5).map(|_| scene.billing("POST", "/api/usage/log", &report)).collect::<Vec<_>>();
    for repeat in repeats {
        let again = repeat.await.expect(200).json();
        assert_eq!((&again["repeated"], nano(&again["cost_eur"])), (&json!(true), cost));
    }
    assert_eq!(user.money().await.used, cost);
    let mut other = report.clone();
    other["request_id"] = "chatcmpl-elsewhere-2".into();
    scene.billing("POST", "/api/usage/log", &other).await.expect(200);
    assert_eq!(user.money().await.used, 2 * cost);
    scene.end().await;
}

#[tokio::test]
async fn a_report_that_exceeds_the_budget_is_charged_and_stops_further_calls() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("0.10").await;
    let report = json!({
        "request_id": "big", "user_id": user.id, "model": "elsewhere/any", "cost": "0.25",
        "tokens_input": 1, "tokens_output": 1,
    });
    scene.billing("POST", "/api/usage/log", &report).await.expect(200);
    let budget = user.get("/v1/budget").send().await.expect(200).json();
    assert_eq!((nano(&budget["used"]), nano(&budget["over"])), (nano_of("0.25"), nano_of("0.15")));
    let error = user.chat(&chat_body(MODEL)).send().await.expect_problem(403, "budget_exceeded");
    assert_eq!(nano(&error["over"]), nano_of("0.15"));
    scene.end().await;
}

#[tokio::test]
async fn wrong_reports_are_refused_by_field_and_charge_nothing() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let good = json!({
        "request_id": "r", "user_id": user.id, "model": MODEL, "tokens_input": 10, "tokens_output": 10,
    });
    for (field, value) in [
        ("tokens_input", json!(-1)),
        ("tokens_output", json!("many")),
        ("cost", json!(-0.5)),
        ("cost", json!("1e3")),
        ("request_id", json!("")),
        ("tags", json!("one")),
        ("timestamp", json!("yesterday")),
    ] {
        let mut report = good.clone();
        report[field] = value;
        let problem = scene.billing("POST", "/api/usage/log", &report).await;
        assert_eq!(problem.expect_problem_json(400, "invalid_value")["param"], field);
    }
    let mut old = good.clone();
    old["timestamp"] = "2020-01-01T00:00:00Z".into();
    scene.billing("POST", "/api/usage/log", &old).await.expect_problem_json(400, "too_old");
    let mut unpriced = good.clone();
    unpriced["model"] = "no/such-model".into();
    scene.billing("POST", "/api/usage/log", &unpriced).await.expect_problem_json(400, "unpriced_model");
    let mut nobody = good;
    nobody["user_id"] = format!("eu-{}", "0".repeat(32)).into();
    scene.billing("POST", "/api/usage/log", &nobody).await.expect_problem_json(404, "not_found");
    assert_eq!(user.money().await.used, 0);
    scene.end().await;
}

#[tokio::test]
async fn a_provisioned_user_can_call_at_once_and_an_email_is_taken_once() {
    let scene = Scene::start().await;
    let body =
        json!({"email": "Ada@Tests.Example", "name": "Ada", "tenant_id": TENANT, "budget_total": "0.50"});
    let created = scene.billing("POST", "/api/users", &body).await.expect(201).json();
    assert_eq!((&created["email"], &created["status"]), (&json!("ada@tests.example"), &json!("active")));
    assert_eq!(nano(&created["budget_total"]), nano_of("0.5"));
    let key = created["api_key"].as_str().expect("a key");
    assert!(key.starts_with("sk-cf-"));
    scene.client().post("/v1/chat/completions", &chat_body("demo/echo")).bearer(key).send().await.expect(200);
    let again = scene.billing("POST", "/api/users", &body).await;
    assert_eq!(again.expect_problem_json(409, "email_taken")["param"], "email");
    for (field, value) in
        [("email", json!("nobody")), ("budget_total", json!("-1")), ("reset_day", json!(32))]
    {
        let mut wrong = body.clone();
        wrong["email"] = "other@tests.example".into();
        wrong[field] = value;
        let answer = scene.billing("POST", "/api/users", &wrong).await;
        assert_eq!(answer.expect_problem_json(400, "invalid_value")["param"], field);
    }
    scene.end().await;
}

#[tokio::test]
async fn p14_a_changed_budget_never_touches_spend() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    let used = user.money().await.used;
    for budget in ["2", "0", "0.75"] {
        user.change(&json!({"budget_total": budget, "name": "Renamed"})).await;
        let money = user.money().await;
        assert_eq!((money.limit, money.used), (nano_of(budget), used));
    }
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn usage_is_listed_newest_first_in_pages_with_exact_sums() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    for _ in 0..5 {
        user.chat(&chat_body(MODEL)).send().await.expect(200);
    }
    let used = user.money().await.used;
    let page = async |query: String| scene.billing("GET", &format!("/api/usage?{query}"), &json!({})).await;
    let whole = tests::eventually("all rows", async || {
        let all = page(format!("user_id={}", user.id)).await.expect(200).json();
        (all["rows"].as_array().is_some_and(|rows| rows.len() == 5)).then_some(all)
    })
    .await;
    assert_eq!(nano(&whole["totals"]["cost_total"]), used);
    let first = page(format!("user_id={}&limit=3", user.id)).await.expect(200).json();
    let cursor = first["next_cursor"].as_str().expect("a second page");
    let second = page(format!("user_id={}&limit=3&cursor={cursor}", user.id)).await.expect(200).json();
    let rows = |value: &serde_json::Value| value["rows"].as_array().expect("rows").clone();
    assert_eq!([rows(&first), rows(&second)].concat(), rows(&whole));
    assert!(second["next_cursor"].is_null());
    scene.upstream().expect_calls(&[(MODEL, 5)]);
    scene.end().await;
}

#[tokio::test]
async fn p30_top_ups_that_the_ledger_cannot_hold_exactly_are_refused_and_the_rest_is_exact() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("10").await;
    let path = format!("/api/users/{}/top-ups", user.id);
    let mut taken = 0;
    for id in 1..=12 {
        let order = json!({ "amount": 1_000_000, "reason": "much", "operation_id": format!("t{id}") });
        let answer = scene.billing("POST", &path, &order).await;
        if answer.status == 200 {
            taken += 1;
        } else {
            assert_eq!(answer.expect(409).json()["code"], "amount_does_not_fit");
        }
    }
    assert_eq!(taken, 5);
    let budget = user.get("/v1/budget").send().await.expect(200).json();
    assert_eq!(nano(&budget["remaining"]), nano_of("5000010"));
    scene.end().await;
}

#[tokio::test]
async fn a_hold_is_kept_after_its_user_was_closed() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("10").await;
    let asked = json!({ "user_id": user.id, "estimated_cost": "3", "hold": true, "request_id": "promised" });
    scene.billing("POST", "/api/check-budget", &asked).await.expect(200);
    scene.billing("DELETE", &format!("/api/users/{}", user.id), &json!({})).await.expect(200);
    let report = json!({
        "request_id": "job-1", "user_id": user.id, "model": "elsewhere/any", "cost": "2.50",
        "tokens_input": 1, "tokens_output": 1, "hold_id": "promised",
    });
    let told = scene.billing("POST", "/api/usage/log", &report).await.expect(200).json();
    assert_eq!((nano(&told["cost_eur"]), &told["repeated"]), (nano_of("2.50"), &json!(false)));
    let mut other = report.clone();
    other["request_id"] = "job-2".into();
    let refused = scene.billing("POST", "/api/usage/log", &other).await.expect(409).json();
    assert_eq!(refused["code"], "user_closed");
    scene.end().await;
}
