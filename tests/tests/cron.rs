//! Schedules. Budgets start anew by themselves; the scheduler makes the directory's views true.

use serde_json::json;
use tests::fixtures::{MODEL, chat_with};
use tests::money::nano_of;
use tests::{Scene, User};

/// Longer than any month.
const NEXT_PERIOD_MS: i64 = 32 * 24 * 60 * 60 * 1_000;

async fn spend_something(user: &User) -> i64 {
    user.chat(&chat_with(json!({}))).send().await.expect(200);
    let used = user.money().await.used;
    assert!(used > 0);
    used
}

/// When the directory believes that the user's period ends: what a list shows while the account is silent.
async fn view_of_reset(scene: &Scene, user: &User) -> String {
    let admin = &scene.facts().admin;
    let log_in = json!({"email": admin.email, "password": admin.password});
    let session = scene.client().post("/admin/auth/login", &log_in).send().await.expect(200).json();
    let token = session["access_token"].as_str().expect("a token");
    scene.host().break_ledger(&user.id, "fail").await;
    let users = scene.client().get("/admin/users").bearer(token).send().await.expect(200).json();
    scene.host().mend_ledger(&user.id).await;
    let users = users["users"].as_array().expect("users").clone();
    let view = users.iter().find(|listed| listed["id"] == user.id).expect("the user in the list");
    assert_eq!(view["budget_live"], false);
    view["budget_reset_date"].as_str().expect("a time").to_owned()
}

#[tokio::test]
async fn p13_a_budget_starts_anew_without_the_scheduler() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    spend_something(&user).await;
    scene.host().set_clock_ahead(NEXT_PERIOD_MS).await;
    let money = user.money().await;
    assert_eq!((money.used, money.remaining), (0, nano_of("1")));
    scene.host().set_clock_ahead(0).await;
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn p13_five_runs_of_the_scheduler_equal_one() {
    let mut scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    spend_something(&user).await;
    let before = view_of_reset(&scene, &user).await;
    scene.host().set_clock_ahead(NEXT_PERIOD_MS).await;
    scene.host_mut().trigger_cron();
    let after = view_of_reset(&scene, &user).await;
    assert!(after > before, "{before} → {after}");
    assert_eq!(user.money().await.used, 0);
    let used = spend_something(&user).await;
    for _ in 0..4 {
        scene.host_mut().trigger_cron();
    }
    assert_eq!(view_of_reset(&scene, &user).await, after);
    assert_eq!(user.money().await.used, used, "a later run reset the budget again");
    scene.host().set_clock_ahead(0).await;
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}

#[tokio::test]
async fn a_change_that_an_account_did_not_hear_of_reaches_it_with_the_next_run() {
    let mut scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.host().break_ledger(&user.id, "fail").await;
    let path = format!("/api/users/{}", user.id);
    let told = scene.billing("PATCH", &path, &json!({"status": "suspended"})).await.expect(202).json();
    assert_eq!(told["pending"], true);
    scene.host().mend_ledger(&user.id).await;
    user.get("/v1/budget").send().await.expect(200);
    scene.host_mut().trigger_cron();
    user.get("/v1/budget").send().await.expect_problem(403, "user_inactive");
    scene.end().await;
}
