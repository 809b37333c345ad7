//! The runtime is killed without warning and started again on the same state.

use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tests::fixtures::{MODEL, chat_with};
use tests::money::{nano, nano_of};
use tests::{Completion, Gate, Scene, User};

/// Past the time that a hold without checkpoint lives (ten minutes).
const HOLDS_HAVE_ENDED_MS: i64 = 11 * 60 * 1_000;

/// Calls one after the other until the host is gone; the ids and costs that were told to the client.
async fn call_until_the_crash(user: User, crashed: Arc<AtomicBool>) -> HashMap<String, i64> {
    let mut told = HashMap::new();
    let body = chat_with(json!({"user": user.id}));
    while !crashed.load(Ordering::SeqCst) {
        let Ok(answer) = user.chat(&body).try_send().await else { break };
        let answer = answer.expect(200);
        told.insert(answer.header("x-request-id").to_owned(), nano_of(answer.header("x-cost-eur")));
    }
    told
}

#[tokio::test]
async fn p03_kill_9_under_load_loses_no_charge_and_charges_nothing_twice() {
    const USERS: usize = 8;
    const CALLS_BEFORE_THE_CRASH: usize = 150;
    let mut scene = Scene::start().await;
    scene.upstream().always(MODEL, Completion::words(5));
    let crashed = Arc::new(AtomicBool::new(false));
    let mut loads = Vec::new();
    for _ in 0..USERS {
        let user = scene.user_with_budget("10").await;
        loads.push((user.clone(), tokio::spawn(call_until_the_crash(user, crashed.clone()))));
    }
    scene.upstream().call(CALLS_BEFORE_THE_CRASH).await;
    // The restart keeps this thread, so no call slips between it and the flag.
    scene.host_mut().restart_hard();
    crashed.store(true, Ordering::SeqCst);
    let served = calls_by_user(&scene);
    scene.host().set_clock_ahead(HOLDS_HAVE_ENDED_MS).await;
    for (user, load) in loads {
        let told = load.await.expect("no panic");
        for (request_id, cost) in &told {
            assert_eq!(nano(&user.usage(request_id).await["cost_eur"]), *cost, "told and booked");
        }
        // Asking ends the hold that was open, which leaves a row.
        assert_eq!(user.money().await.reserved, 0);
        let rows = rows_of(&scene, &user).await;
        let sum: i64 = rows.iter().map(|row| nano(&row["cost_total"])).sum();
        assert_eq!(user.money().await.used, sum, "the counter and its rows");
        // One call at a time: what was not told is at most the one under way.
        let calls = rows.len();
        assert!(calls == told.len() || calls == told.len() + 1, "{calls} rows, {} told", told.len());
        let served = served.get(&user.id).copied().unwrap_or(0);
        assert!(served <= calls && calls <= served + 1, "{calls} rows, {served} served by the provider");
        assert!(rows.iter().all(|row| nano(&row["cost_total"]) > 0), "a call for nothing");
    }
    let calls = scene.upstream().calls().len();
    scene.upstream().expect_calls(&[(MODEL, calls)]);
    scene.host().set_clock_ahead(0).await;
    scene.end().await;
}

fn calls_by_user(scene: &Scene) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for call in scene.upstream().calls() {
        *counts.entry(call.body["user"].as_str().unwrap_or("").to_owned()).or_default() += 1;
    }
    counts
}

/// All rows, as soon as as many are delivered as the account has charged.
async fn rows_of(scene: &Scene, user: &User) -> Vec<serde_json::Value> {
    let path = format!("/api/usage?user_id={}&limit=200", user.id);
    tests::eventually("all rows to be delivered", async || {
        let used = user.money().await.used;
        let mut page = scene.billing("GET", &path, &json!({})).await.expect(200).json();
        let rows: Vec<serde_json::Value> =
            serde_json::from_value(page["rows"].take()).expect("a list of rows");
        (rows.iter().map(|row| nano(&row["cost_total"])).sum::<i64>() >= used).then_some(rows)
    })
    .await
}

#[tokio::test]
async fn p03_a_stream_cut_by_the_crash_is_charged_once_by_the_stated_rule() {
    let mut scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let gate = Gate::closed();
    scene.upstream().always(MODEL, Completion::words(20).pieces_behind(&gate));
    let mut stream = user.chat(&chat_with(json!({"stream": true}))).stream().await;
    let (held, id) = (nano_of(stream.header("x-budget-held-eur")), stream.header("x-request-id").to_owned());
    gate.open(3);
    for _ in 0..3 {
        stream.next_text().await;
    }
    scene.host_mut().restart_hard();
    assert!(stream.rest().await.is_err(), "the stream survived its host");
    assert_eq!(scene.upstream().call(0).await.cancelled().await, 3);
    // Nobody is left to settle it: the money stays held, nothing is charged yet.
    let money = user.money().await;
    assert_eq!((money.reserved, money.used), (held, 0));
    scene.host().set_clock_ahead(HOLDS_HAVE_ENDED_MS).await;
    let row = user.usage(&id).await;
    let cost = nano(&row["cost_eur"]);
    assert!(0 < cost && cost < held, "{row}");
    assert_eq!((&row["estimated"], &row["outcome"]), (&json!(true), &json!("expired")));
    // And once only, however often and late one looks.
    scene.host().set_clock_ahead(3 * HOLDS_HAVE_ENDED_MS).await;
    let money = user.money().await;
    assert_eq!((money.reserved, money.used), (0, cost));
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.host().set_clock_ahead(0).await;
    scene.end().await;
}

#[tokio::test]
async fn a_restart_keeps_keys_budgets_and_spend() {
    let mut scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    user.chat(&chat_with(json!({}))).send().await.expect(200);
    let before = user.money().await;
    scene.host_mut().restart_hard();
    assert_eq!(user.money().await, before);
    user.chat(&chat_with(json!({}))).send().await.expect(200);
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}
