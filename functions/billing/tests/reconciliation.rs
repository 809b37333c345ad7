//! Our provider cost against the providers' bills.

mod scene;

use core::time::Duration;
use scene::{KEY, KEY_OF_OTHER, MODEL, READING_KEY, Scene};
use serde_json::{Value, json};

/// Ten reports of 450,000 nano-dollars each on the first day, rolled up.
fn scene_with_usage() -> (Scene, String) {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    for n in 0..10 {
        let body = json!({ "request_id": format!("r{n}"), "user_id": user.id, "model": MODEL,
            "tokens_input": 1_000, "tokens_output": 500 });
        scene.post("/api/usage/log", &body).expect(200);
    }
    scene.deliver();
    scene.platform.advance(Duration::from_secs(2 * 3_600));
    scene.roll_up();
    let day = platform_memory::START.to_rfc3339().chars().take(10).collect();
    (scene, day)
}

fn import(scene: &Scene, lines: &[Value]) -> Value {
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    scene.send_text(Some(KEY), "POST", "/api/provider-bills", &text.join("\n")).expect(200)
}

fn report(scene: &Scene, day: &str) -> Value {
    scene.get(&format!("/api/reconciliation?from={day}&to={day}")).expect(200)
}

fn audited(scene: &Scene) -> usize {
    use platform::{Database, Statement};
    let sql = "SELECT after FROM audit_log WHERE action = 'provider_bills.import'";
    futures_executor::block_on(scene.platform.query(Statement::new(sql))).unwrap().len()
}

#[test]
fn p26_a_bill_that_drifts_beyond_a_tenth_of_a_percent_alerts() {
    let (scene, day) = scene_with_usage();
    for (billed, drift, basis_points, alert) in [
        ("0.0045", "0", "0", false),
        ("0.004504504", "4504", "10", false),
        ("0.00450451", "4510", "11", true),
        ("0.004495505", "-4495", "-10", false),
        ("0.0044", "-100000", "-228", true),
    ] {
        let line = json!({ "provider": "demo", "model": MODEL, "day": day, "amount_usd": billed });
        import(&scene, &[line]);
        let report = report(&scene, &day);
        let item = &report["items"][0];
        assert_eq!((&item["ours_nano_usd"], &item["day"]), (&json!("4500000"), &json!(day)));
        assert_eq!(
            (&item["drift_nano_usd"], &item["drift_basis_points"]),
            (&json!(drift), &json!(basis_points))
        );
        assert_eq!((&item["alert"], &report["alert"]), (&json!(alert), &json!(alert)), "{billed}");
        assert_eq!(report["total"]["drift_nano_usd"], drift);
        assert!(report["as_of"].is_null());
    }
}

#[test]
fn p26_what_only_one_side_knows_is_reported() {
    let (scene, day) = scene_with_usage();
    let unbilled = report(&scene, &day);
    assert_eq!(unbilled["items"].as_array().unwrap().len(), 1);
    assert_eq!((&unbilled["items"][0]["theirs_nano_usd"], &unbilled["alert"]), (&Value::Null, &json!(true)));
    import(
        &scene,
        &[
            json!({ "provider": "demo", "model": MODEL, "day": day, "amount_nano_usd": 4_500_000 }),
            json!({ "provider": "demo", "model": "unknown", "day": day, "amount_nano_usd": 7 }),
            json!({ "provider": "elsewhere", "model": MODEL, "day": "2020-01-01", "amount_nano_usd": 7 }),
        ],
    );
    let report = report(&scene, &day);
    let view = |item: &Value| (item["model"].clone(), item["ours_nano_usd"].clone(), item["alert"].clone());
    let items: Vec<_> = report["items"].as_array().unwrap().iter().map(view).collect();
    assert_eq!(
        items,
        [(json!(MODEL), json!("4500000"), json!(false)), (json!("unknown"), Value::Null, json!(true))]
    );
    let question = format!("/api/reconciliation?from={day}&to={day}&provider=elsewhere");
    assert_eq!(scene.get(&question).expect(200)["items"], json!([]));
}

#[test]
fn p26_an_import_replaces_once_and_is_audited() {
    let (scene, day) = scene_with_usage();
    let line =
        |amount: u64| json!({ "provider": "demo", "model": MODEL, "day": day, "amount_nano_usd": amount });
    assert_eq!(import(&scene, &[line(1)]), json!({ "lines": 1, "changed": 1 }));
    for _ in 0..5 {
        assert_eq!(import(&scene, &[line(1)]), json!({ "lines": 1, "changed": 0 }));
    }
    assert_eq!(audited(&scene), 1);
    assert_eq!(import(&scene, &[line(4_500_000)])["changed"], 1);
    assert_eq!((report(&scene, &day)["alert"].clone(), audited(&scene)), (json!(false), 2));
}

#[test]
fn malformed_bills_are_refused_by_line_and_field() {
    let (scene, day) = scene_with_usage();
    let good = json!({ "provider": "p", "model": "m", "day": day, "amount_usd": "1" });
    for (field, wrong, code, param) in [
        ("provider", json!(""), "invalid_value", json!("provider")),
        ("model", json!(null), "invalid_value", json!("model")),
        ("day", json!("2026-02-30"), "invalid_value", json!("day")),
        ("day", json!("1960-01-01"), "invalid_value", json!("day")),
        ("amount_usd", json!("-1"), "invalid_value", json!("amount_usd")),
        ("amount_usd", json!("0.0000000001"), "invalid_value", json!("amount_usd")),
        ("amount_nano_usd", json!(1), "invalid_value", json!("amount_nano_usd")),
        ("amount_nano_usd", json!(null), "duplicate_line", json!(null)),
        ("ammount_usd", json!(1), "unknown_field", json!("ammount_usd")),
    ] {
        let mut bad = good.clone();
        bad[field] = wrong.clone();
        let body = format!("{good}\n\n{bad}");
        let refused = scene.send_text(Some(KEY), "POST", "/api/provider-bills", &body).expect_code(400, code);
        assert_eq!((&refused["param"], &refused["line"]), (&param, &json!(3)), "{field}: {wrong}: {refused}");
    }
    for body in ["", "\n", "[]", "{"] {
        scene.send_text(Some(KEY), "POST", "/api/provider-bills", body).expect_code(400, "invalid_json");
    }
    assert_eq!(audited(&scene), 0);
    for (question, param) in [
        ("from=2026-01-01", "to"),
        ("to=2026-01-01", "from"),
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("from=2026-01-01&to=2026-12-31", "from"),
    ] {
        let refused = scene.get(&format!("/api/reconciliation?{question}")).expect_code(400, "invalid_value");
        assert_eq!(refused["param"], param);
    }
}

#[test]
fn the_books_are_for_platform_wide_keys_with_the_scope() {
    let (scene, _) = scene_with_usage();
    for (method, path) in [("POST", "/api/provider-bills"), ("GET", "/api/reconciliation")] {
        scene.send(Some(READING_KEY), method, path, &json!({})).expect_code(403, "missing_scope");
        scene.send(Some(KEY_OF_OTHER), method, path, &json!({})).expect_code(403, "platform_only");
    }
}
