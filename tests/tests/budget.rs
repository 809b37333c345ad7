//! Hard budgets: nothing is admitted that might not be paid, and nothing charged that was not held.

use serde_json::{Value, json};
use tests::fixtures::{MODEL, chat_with};
use tests::money::{euros, nano, nano_of};
use tests::seed::UNPRICED_MODEL;
use tests::{Completion, Gate, Scene, chat_body};

#[tokio::test]
async fn p01_of_a_thousand_parallel_calls_with_money_for_ten_exactly_ten_reach_the_provider() {
    const PARALLEL: usize = 1_000;
    const AFFORDABLE: usize = 10;
    let scene = Scene::start().await;
    let hold = scene.user_with_budget("1").await.learn_hold(&chat_body(MODEL)).await;
    let user = scene.user_with_budget(&euros(hold * AFFORDABLE as i64)).await;
    // No admitted call ends before all others are refused, so none frees money for another.
    let gate = Gate::closed();
    scene.upstream().always(MODEL, Completion::words(5).head_behind(&gate));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..PARALLEL {
        calls.spawn(user.chat(&chat_body(MODEL)).send());
    }
    for _ in 0..PARALLEL - AFFORDABLE {
        let refused = calls.join_next().await.expect("a call").expect("no panic");
        refused.expect_problem(403, "budget_exceeded");
    }
    gate.open_wide();
    while let Some(admitted) = calls.join_next().await {
        admitted.expect("no panic").expect(200);
    }
    let money = user.money().await;
    assert!(0 < money.used && money.used <= money.limit, "{money:?}");
    scene.upstream().expect_calls(&[(MODEL, 1 + AFFORDABLE)]);
    scene.end().await;
}

#[tokio::test]
async fn p01_a_provider_that_bills_three_times_the_hold_is_charged_at_the_hold() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let hold = user.learn_hold(&chat_body(MODEL)).await;
    let before = user.money().await.used;
    scene.upstream().always(MODEL, Completion::words(5).bills(3_000, 3_000));
    let answer = user.chat(&chat_body(MODEL)).send().await.expect(200);
    let row = user.usage(answer.header("x-request-id")).await;
    assert_eq!(nano(&row["cost_eur"]), hold);
    assert!(nano(&row["overrun_eur"]) >= 2 * hold, "{row}");
    assert_eq!(nano_of(answer.header("x-cost-eur")), hold);
    assert_eq!(user.money().await.used, before + hold);
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}

#[tokio::test]
async fn p02_half_of_what_is_needed_sends_nothing_and_names_what_would_fit() {
    let scene = Scene::start().await;
    let hold = scene.user_with_budget("1").await.learn_hold(&chat_body(MODEL)).await;
    // Half of this hold is mostly input; a larger ceiling leaves room for some output.
    let body = chat_with(json!({"max_tokens": 1_000}));
    let large = scene.user_with_budget("1").await.learn_hold(&body).await;
    assert!(large > hold);
    let user = scene.user_with_budget(&euros(large / 2)).await;
    let error = user.chat(&body).send().await.expect_problem(403, "budget_exceeded");
    assert_eq!(error["limit_source"], "user");
    assert_eq!((nano(&error["limit"]), nano(&error["used"]), nano(&error["reserved"])), (large / 2, 0, 0));
    assert_eq!(nano(&error["over"]), 0);
    assert!(error["resets_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{error}");
    let affordable = error["affordable_max_tokens"].as_u64().expect("a number of tokens");
    assert!(0 < affordable && affordable < 1_000, "{error}");
    // What it names is true: one token more does not fit, exactly that much does.
    let more = user.chat(&chat_with(json!({"max_tokens": affordable + 1}))).send().await;
    more.expect_problem(403, "budget_exceeded");
    user.chat(&chat_with(json!({"max_tokens": affordable}))).send().await.expect(200);
    scene.upstream().expect_calls(&[(MODEL, 3)]);
    scene.end().await;
}

#[tokio::test]
async fn p02_a_client_may_opt_in_to_a_clamped_ceiling() {
    let scene = Scene::start().await;
    let body = chat_with(json!({"max_tokens": 1_000}));
    let large = scene.user_with_budget("1").await.learn_hold(&body).await;
    let user = scene.user_with_budget(&euros(large / 2)).await;
    let error = user.chat(&body).send().await.expect_problem(403, "budget_exceeded");
    user.chat(&body).header("x-budget-clamp", "allow").send().await.expect(200);
    let sent = scene.upstream().call(1).await.body;
    let ceiling = sent["max_tokens"].as_u64().or(sent["max_completion_tokens"].as_u64());
    assert_eq!(ceiling, error["affordable_max_tokens"].as_u64());
    let money = user.money().await;
    assert!(money.used <= money.limit);
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}

#[tokio::test]
async fn a_call_larger_than_a_whole_limit_is_refused_for_good_and_passes_with_a_clamp() {
    let scene = Scene::start().await;
    let user = scene.user(json!({"budget_total": "1", "tokens_per_minute": 1_000})).await;
    // Without `max_tokens` the model's default counts, which is more.
    let mut body = chat_body(MODEL);
    body.as_object_mut().expect("an object").remove("max_tokens");
    let refused = user.chat(&body).send().await;
    assert!(!refused.headers.contains_key("retry-after"));
    let error = refused.expect_problem(403, "exceeds_limit");
    assert_eq!((&error["limit_source"], &error["kind"]), (&json!("user"), &json!("tokens_per_minute")));
    assert_eq!(error["limit"], 1_000);
    let affordable = error["affordable_max_tokens"].as_u64().expect("a number of tokens");
    let more = user.chat(&chat_with(json!({"max_tokens": affordable + 1}))).send().await;
    more.expect_problem(403, "exceeds_limit");
    user.chat(&body).header("x-budget-clamp", "allow").send().await.expect(200);
    let sent = scene.upstream().call(0).await.body;
    let ceiling = sent["max_tokens"].as_u64().or(sent["max_completion_tokens"].as_u64());
    assert_eq!(ceiling, Some(affordable));
    // A limit of nothing is told likewise, with no time to wait.
    for limit in ["requests_per_minute", "tokens_per_minute"] {
        let nobody = scene.user(json!({"budget_total": "1", limit: 0})).await;
        let refused = nobody.chat(&chat_body(MODEL)).send().await;
        assert!(!refused.headers.contains_key("retry-after"), "{limit}");
        let error = refused.expect_problem(403, "exceeds_limit");
        assert_eq!((&error["limit"], &error["affordable_max_tokens"]), (&json!(0), &Value::Null), "{limit}");
    }
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn p31_a_clock_that_was_two_minutes_ahead_for_one_call_shuts_nobody_out() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.host().set_clock_ahead(2 * 60 * 1_000).await;
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    scene.host().set_clock_ahead(0).await;
    for _ in 0..3 {
        let answer = user.chat(&chat_body(MODEL)).send().await.expect(200);
        let row = user.usage(answer.header("x-request-id")).await;
        assert_eq!(nano(&row["cost_eur"]), nano_of(answer.header("x-cost-eur")));
    }
    let held = json!({"user_id": user.id, "estimated_cost": "0.10", "hold": true});
    let held = scene.billing("POST", "/api/check-budget", &held).await.expect(200).json();
    let release = format!("/api/holds/{}?user_id={}", held["hold_id"].as_str().expect("an id"), user.id);
    scene.billing("DELETE", &release, &json!({})).await.expect(200);
    scene.upstream().expect_calls(&[(MODEL, 4)]);
    scene.end().await;
}

#[tokio::test]
async fn p08_a_model_without_a_price_is_refused_and_never_free() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let unpriced = user.chat(&chat_body(UNPRICED_MODEL)).send().await;
    assert_eq!(unpriced.expect_problem(400, "unpriced_model")["param"], "model");
    assert_eq!(user.money().await.used, 0);
    scene.end().await;
}

#[tokio::test]
async fn fields_that_change_the_price_are_refused_by_name() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    for (field, value) in [
        ("service_tier", json!("priority")),
        ("prediction", json!({"type": "content", "content": "x"})),
        ("audio", json!({"voice": "alloy", "format": "mp3"})),
        ("modalities", json!(["text", "audio"])),
        ("best_of", json!(2)),
        ("web_search_options", json!({})),
        ("background", json!(true)),
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!("conv_1")),
    ] {
        let answer = user.chat(&chat_with(json!({field: value}))).send().await;
        let error = answer.expect_problem(400, "unpriced_feature");
        assert_eq!(error["param"], field);
    }
    scene.end().await;
}

#[tokio::test]
async fn several_choices_hold_several_ceilings() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let one = user.learn_hold(&chat_body(MODEL)).await;
    let two = user.learn_hold(&chat_with(json!({"max_tokens": 100}))).await;
    let per_fifty = two - one;
    assert_eq!(user.learn_hold(&chat_with(json!({"n": 3}))).await, one + 2 * per_fifty);
    scene.upstream().expect_calls(&[(MODEL, 3)]);
    scene.end().await;
}

/// A row's price from its own tariff: provider cost × margin × rate, rounded up once.
fn price_by_hand(row: &Value) -> i64 {
    let tariff = &row["tariff"];
    let number = |value: &Value| i128::from(value.as_i64().expect("an integer"));
    let cached = number(&row["tokens_cached"]);
    let nano_usd_millionths = (number(&row["tokens_input"]) - cached) * number(&tariff["input"])
        + cached * tariff["cached_input"].as_i64().map_or(0, i128::from)
        + number(&row["tokens_output"]) * number(&tariff["output"]);
    let margin = 10_000 + number(&tariff["margin_basis_points"]);
    let scaled = nano_usd_millionths * margin * number(&tariff["eur_per_usd_millionths"]);
    let scale = 1_000_000 * 10_000 * 1_000_000;
    i64::try_from((scaled + scale - 1) / scale).expect("an amount")
}

#[tokio::test]
async fn p12_usage_rows_reproduce_their_prices_and_sum_exactly_to_the_counter() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("5").await;
    let bills = [(1, 1), (7, 3), (101, 47), (31, 50), (99, 1), (113, 29)];
    for (prompt, completion) in bills {
        scene.upstream().next(MODEL, Completion::words(2).bills(prompt, completion));
        user.chat(&chat_body(MODEL)).send().await.expect(200);
    }
    let path = format!("/api/usage?user_id={}", user.id);
    let rows = tests::eventually("all rows", async || {
        let rows = scene.billing("GET", &path, &json!({})).await.expect(200).json()["rows"].take();
        rows.as_array().filter(|rows| rows.len() == bills.len()).cloned()
    })
    .await;
    for row in &rows {
        assert_eq!(nano(&row["cost_total"]), price_by_hand(row), "{row}");
    }
    assert_eq!(user.money().await.used, rows.iter().map(|row| nano(&row["cost_total"])).sum::<i64>());
    scene.upstream().expect_calls(&[(MODEL, bills.len())]);
    scene.end().await;
}

#[tokio::test]
async fn p05_random_faults_of_the_provider_leave_no_hold() {
    use tests::upstream::{Ending, Reply};
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let faults: [Reply; 8] = [
        Reply::error(500, "server_error"),
        Reply::error(429, "rate_limit_exceeded").header("retry-after", "1"),
        Reply::malformed(),
        Reply::HangUp,
        Completion::words(4).ending(Ending::Cut).into(),
        Completion::words(4).ending(Ending::Early).into(),
        Completion::words(4).ending(Ending::ErrorEvent).into(),
        Completion::words(4).ending(Ending::Garbage).into(),
    ];
    for streamed in [false, true] {
        for fault in &faults {
            scene.upstream().always(MODEL, fault.clone());
            // How it ends is its own story; here only that it ends, and what is left behind.
            let request = user.chat(&chat_with(json!({"stream": streamed})));
            let _ = request.try_send().await;
        }
    }
    let calls = scene.upstream().calls().len();
    assert!(calls >= 2 * faults.len());
    scene.upstream().expect_calls(&[(MODEL, calls)]);
    scene.end().await;
}
