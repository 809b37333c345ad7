//! Keys, users and tenants limit at once.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use serde_json::{Value, json};
use std::sync::Arc;
use tests::fixtures::{MODEL, chat_with};
use tests::money::{euros, nano};
use tests::seed::{LIMITED_TENANTS, LOWERED_TENANT};
use tests::{Completion, Gate, Scene, User, chat_body};
use tokio::task::JoinSet;

async fn limit_tenant(scene: &Scene, tenant: &str, limits: &Value) {
    scene.billing("PATCH", &format!("/api/tenants/{tenant}"), limits).await.expect(200);
}

async fn tenant_money(scene: &Scene, tenant: &str) -> Value {
    scene.billing("GET", &format!("/api/tenants/{tenant}/budget"), &json!({})).await.expect(200).json()
}

async fn user_of(scene: &Scene, tenant: &str, budget: i64) -> User {
    scene.user(json!({"tenant_id": tenant, "budget_total": euros(budget)})).await
}

/// Another key of the user, with limits of its own.
async fn limited_key(scene: &Scene, user: &User, limits: Value) -> User {
    let path = format!("/api/users/{}/keys", user.id);
    let created = scene.billing("POST", &path, &limits).await.expect(201).json();
    let key = created["api_key"].as_str().expect("a key");
    user.with_key(key)
}

/// What a call of [`chat_body`] holds.
async fn hold(scene: &Scene) -> i64 {
    scene.user_with_budget("1").await.learn_hold(&chat_body(MODEL)).await
}

/// Sends `parallel` calls that end only when all others were answered; how many were admitted, and what stopped the
/// others.
async fn burst(scene: &Scene, users: &[User], parallel: usize, expected: usize) -> Vec<Value> {
    let gate = Gate::closed();
    scene.upstream().always(MODEL, Completion::words(5).head_behind(&gate));
    let mut calls = JoinSet::new();
    for call in 0..parallel {
        calls.spawn(users[call % users.len()].chat(&chat_body(MODEL)).send());
    }
    let mut refusals = Vec::new();
    for _ in 0..parallel - expected {
        let refused = calls.join_next().await.expect("a call").expect("no panic");
        assert!(matches!(refused.status.as_u16(), 403 | 429), "{} {}", refused.status, refused.text());
        refusals.push(refused.json()["error"].clone());
    }
    gate.open_wide();
    while let Some(admitted) = calls.join_next().await {
        admitted.expect("no panic").expect(200);
    }
    refusals
}

#[tokio::test]
async fn p01_p15_a_tenants_budget_admits_exactly_what_it_pays_across_its_users() {
    let scene = Scene::start().await;
    let [tenant, ..] = LIMITED_TENANTS;
    let hold = hold(&scene).await;
    let mut users = Vec::new();
    for _ in 0..10 {
        users.push(user_of(&scene, tenant, hold * 100).await);
    }
    limit_tenant(&scene, tenant, &json!({"budget_total": euros(hold * 10)})).await;
    let refusals = burst(&scene, &users, 500, 10).await;
    for refusal in &refusals {
        assert_eq!(refusal["code"], "budget_exceeded", "{refusal}");
        assert_eq!(refusal["limit_source"], "tenant", "{refusal}");
        assert_eq!(nano(&refusal["limit"]), hold * 10, "{refusal}");
    }
    let mut used = 0;
    for user in &users {
        used += user.money().await.used;
    }
    assert!(0 < used && used <= hold * 10);
    scene.upstream().expect_calls(&[(MODEL, 1 + 10)]);
    scene.end().await;
}

#[tokio::test]
async fn p15_keys_users_and_tenants_limit_at_once_and_the_refusal_names_the_one() {
    let scene = Scene::start().await;
    let [_, tenant, ..] = LIMITED_TENANTS;
    let hold = hold(&scene).await;
    let first = user_of(&scene, tenant, hold * 3).await;
    let second = user_of(&scene, tenant, hold * 100).await;
    let key = limited_key(&scene, &first, json!({"budget": euros(hold * 2)})).await;
    limit_tenant(&scene, tenant, &json!({"budget_total": euros(hold * 8)})).await;
    let sources = |refusals: &[Value]| {
        let mut sources: Vec<String> =
            refusals.iter().map(|refusal| refusal["limit_source"].as_str().unwrap_or("?").into()).collect();
        sources.dedup();
        sources
    };
    // Each burst ends before the next: what it did not use is free again, so the limits count what was used.
    let refusals = burst(&scene, std::slice::from_ref(&key), 100, 2).await;
    assert_eq!(sources(&refusals), ["key"]);
    let gate = Gate::closed();
    scene.upstream().always(MODEL, Completion::words(5).head_behind(&gate));
    let mut open = JoinSet::new();
    let before = scene.upstream().calls().len();
    // Two with the limited key would be too many for the user, who has three at once.
    for user in [&first, &first] {
        open.spawn(user.chat(&chat_body(MODEL)).send());
    }
    scene.upstream().call(before + 1).await;
    let refused = first.chat(&chat_body(MODEL)).send().await.expect_problem(403, "budget_exceeded");
    assert_eq!(refused["limit_source"], "user");
    // Two of the tenant's eight are open, and two are used in part; five of the second's fit, and no sixth.
    for _ in 0..5 {
        open.spawn(second.chat(&chat_body(MODEL)).send());
    }
    scene.upstream().call(before + 6).await;
    let refused = second.chat(&chat_body(MODEL)).send().await.expect_problem(403, "budget_exceeded");
    assert_eq!(refused["limit_source"], "tenant", "{refused}");
    gate.open_wide();
    while let Some(answer) = open.join_next().await {
        answer.expect("no panic").expect(200);
    }
    scene.upstream().expect_calls(&[(MODEL, 1 + 2 + 2 + 5)]);
    scene.end().await;
}

#[tokio::test]
async fn p15_p16_rates_of_keys_users_and_tenants_are_reserved_with_the_budget() {
    let scene = Scene::start().await;
    let [_, _, tenant, ..] = LIMITED_TENANTS;
    let user = scene.user(json!({"tenant_id": tenant, "budget_total": "1", "requests_per_minute": 6})).await;
    let other = user_of(&scene, tenant, 1_000_000_000).await;
    let key = limited_key(&scene, &user, json!({"requests_per_minute": 4})).await;
    limit_tenant(&scene, tenant, &json!({"requests_per_minute": 9})).await;
    for (caller, admitted, source) in [(&key, 4, "key"), (&user, 2, "user"), (&other, 3, "tenant")] {
        // One after the other: calls that wait together may take permits that they then do not need.
        for _ in 0..admitted {
            caller.chat(&chat_body(MODEL)).send().await.expect(200);
        }
        let refusal = caller.chat(&chat_body(MODEL)).send().await.expect_problem(429, "rate_limit_exceeded");
        assert_eq!(refusal["limit_source"], source, "{refusal}");
    }
    scene.upstream().expect_calls(&[(MODEL, 9)]);
    scene.end().await;
}

#[tokio::test]
async fn p09_a_client_that_leaves_is_billed_at_every_level() {
    let scene = Scene::start().await;
    let [.., tenant, _] = LIMITED_TENANTS;
    let body = chat_with(json!({"stream": true, "max_tokens": 400}));
    let hold = scene.user_with_budget("1").await.learn_hold(&body).await;
    limit_tenant(&scene, tenant, &json!({"budget_total": euros(hold * 2)})).await;
    let user = user_of(&scene, tenant, hold * 2).await;
    let key = limited_key(&scene, &user, json!({"budget": euros(hold * 2)})).await;
    let gates = [Gate::closed(), Gate::closed()];
    let mut streams = Vec::new();
    for gate in &gates {
        scene.upstream().always(MODEL, Completion::words(20).pieces_behind(gate));
        streams.push(key.chat(&body).leaving_abruptly().stream().await);
    }
    // All of every level is held.
    let refused = key.chat(&body).send().await.expect_problem(403, "budget_exceeded");
    assert_eq!(refused["affordable_max_tokens"], Value::Null, "{refused}");
    let ids: Vec<String> = streams.iter().map(|stream| stream.header("x-request-id").to_owned()).collect();
    for (stream, gate) in streams.iter_mut().zip(&gates) {
        gate.open(3);
        for _ in 0..3 {
            stream.next_text().await;
        }
    }
    drop(streams);
    let mut cost = 0;
    for id in &ids {
        cost += nano(&user.usage(id).await["cost_eur"]);
    }
    assert!(0 < cost && cost < hold);
    assert_eq!(user.money().await.used, cost);
    // What they did not use is free again, for the key, the user and the tenant alike.
    scene.upstream().always(MODEL, Completion::words(5).bills(20, 50));
    let paid = key.chat(&body).send().await.expect(200);
    assert!(!paid.text().is_empty());
    let left = hold * 2 - user.money().await.used;
    assert!(left >= 0);
    scene.upstream().expect_calls(&[(MODEL, 1 + 2 + 1)]);
    scene.end().await;
}

#[tokio::test]
async fn p06_a_pool_that_cannot_be_reached_admits_nothing() {
    let scene = Scene::start().await;
    let [_, _, _, tenant, ..] = LIMITED_TENANTS;
    let user = user_of(&scene, tenant, 1_000_000_000).await;
    limit_tenant(&scene, tenant, &json!({"budget_total": "5"})).await;
    let pool = format!("eu-{tenant}");
    scene.host().break_ledger(&pool, "fail").await;
    let answer = user.chat(&chat_body(MODEL)).send().await;
    answer.expect_problem(503, "ledger_unavailable");
    assert!(answer.headers.contains_key("retry-after"));
    scene.host().mend_ledger(&pool).await;
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn p14_a_tenants_budget_changes_while_its_calls_are_open() {
    let scene = Scene::start().await;
    let [_, _, _, _, tenant, ..] = LIMITED_TENANTS;
    let hold = hold(&scene).await;
    let user = user_of(&scene, tenant, hold * 100).await;
    limit_tenant(&scene, tenant, &json!({"budget_total": euros(hold * 5)})).await;
    let gate = Gate::closed();
    scene.upstream().always(MODEL, Completion::words(5).head_behind(&gate));
    let mut open = JoinSet::new();
    for _ in 0..5 {
        open.spawn(user.chat(&chat_body(MODEL)).send());
    }
    scene.upstream().call(1 + 4).await;
    limit_tenant(&scene, tenant, &json!({"budget_total": euros(hold)})).await;
    let refused = user.chat(&chat_body(MODEL)).send().await.expect_problem(403, "budget_exceeded");
    assert_eq!(refused["limit_source"], "tenant");
    gate.open_wide();
    while let Some(answer) = open.join_next().await {
        answer.expect("no panic").expect(200);
    }
    let used = user.money().await.used;
    limit_tenant(&scene, tenant, &json!({"budget_total": euros(used + hold)})).await;
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    // The account tells the pool what it used when it next asks, or when the pool asks it.
    assert_eq!(nano(&tenant_money(&scene, tenant).await["limit"]), used + hold);
    limit_tenant(&scene, tenant, &json!({"budget_total": null})).await;
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    scene.upstream().expect_calls(&[(MODEL, 1 + 5 + 1 + 1)]);
    scene.end().await;
}

/// Calls until the limit is lowered, and some more after that.
async fn call_across(caller: User, before: Arc<AtomicUsize>, lowered: Arc<AtomicBool>) -> usize {
    const AFTER: usize = 8;
    let (mut sent_after, mut admitted_after) = (0, 0);
    while sent_after < AFTER {
        let after = lowered.load(Ordering::SeqCst);
        let answer = caller.chat(&chat_body(MODEL)).send().await;
        let admitted = answer.status == 200;
        assert!(admitted || answer.status == 403, "{} {}", answer.status, answer.text());
        if after {
            sent_after += 1;
            admitted_after += usize::from(admitted);
        } else if admitted {
            before.fetch_add(1, Ordering::SeqCst);
        }
    }
    admitted_after
}

#[tokio::test]
async fn p14_after_the_200_of_a_lower_limit_of_a_tenant_no_call_is_admitted() {
    const USERS: usize = 6;
    let scene = Scene::start().await;
    let mut callers = Vec::new();
    for _ in 0..USERS {
        callers.push(user_of(&scene, LOWERED_TENANT, 50_000_000_000).await);
    }
    scene.upstream().always(MODEL, Completion::words(5).bills(20, 50));
    let high =
        json!({"budget_total": "500", "requests_per_minute": 600_000, "tokens_per_minute": 60_000_000});
    for limit in ["budget_total", "requests_per_minute", "tokens_per_minute"] {
        limit_tenant(&scene, LOWERED_TENANT, &high).await;
        let (before, lowered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut load = JoinSet::new();
        for caller in &callers {
            load.spawn(call_across(caller.clone(), before.clone(), lowered.clone()));
        }
        while before.load(Ordering::SeqCst) < USERS * 5 {
            tokio::task::yield_now().await;
        }
        let path = format!("/api/tenants/{LOWERED_TENANT}");
        let mut tries = 0;
        loop {
            let answer = scene.billing("PATCH", &path, &json!({ limit: 0 })).await;
            if answer.status == 200 {
                assert_eq!(answer.json()["outstanding"], 0);
                break;
            }
            assert_eq!(answer.status, 202, "{}", answer.text());
            assert!(answer.json()["outstanding"].as_u64() > Some(0));
            tries += 1;
            assert!(tries < 100, "{}", answer.text());
        }
        lowered.store(true, Ordering::SeqCst);
        while let Some(admitted_after) = load.join_next().await {
            assert_eq!(admitted_after.expect("no panic"), 0, "{limit}");
        }
        assert_eq!(tenant_money(&scene, LOWERED_TENANT).await["outstanding"], 0);
    }
    let calls = scene.upstream().calls().len();
    scene.upstream().expect_calls(&[(MODEL, calls)]);
    scene.end().await;
}

#[tokio::test]
async fn p03_kill_9_with_every_level_limiting_overspends_none() {
    const USERS: usize = 6;
    let mut scene = Scene::start().await;
    let [.., tenant] = LIMITED_TENANTS;
    let hold = hold(&scene).await;
    let limit = hold * 150;
    let mut callers = Vec::new();
    for _ in 0..USERS {
        let user = user_of(&scene, tenant, hold * 60).await;
        let key = limited_key(&scene, &user, json!({"budget": euros(hold * 40)})).await;
        callers.push((user, key));
    }
    limit_tenant(&scene, tenant, &json!({"budget_total": euros(limit)})).await;
    scene.upstream().always(MODEL, Completion::words(5).bills(20, 50));
    for _ in 0..2 {
        let gate = Gate::closed();
        scene.upstream().always(MODEL, Completion::words(5).bills(20, 50).head_behind(&gate));
        let seen = scene.upstream().calls().len();
        let mut load = JoinSet::new();
        for (_, key) in callers.iter().cycle().take(USERS * 4) {
            load.spawn(key.chat(&chat_body(MODEL)).try_send());
        }
        // All are open, and half of them are answered, when the runtime dies.
        scene.upstream().call(seen + USERS * 4 - 1).await;
        gate.open(USERS * 2);
        for _ in 0..USERS * 2 {
            let _ = load.join_next().await;
        }
        scene.host_mut().restart_hard();
        gate.open_wide();
        while load.join_next().await.is_some() {}
    }
    // What was open when the runtime died ends by the rule for the lost.
    scene.host().set_clock_ahead(11 * 60 * 1_000).await;
    scene.upstream().always(MODEL, Completion::words(5).bills(20, 50));
    let mut sources = std::collections::BTreeSet::new();
    // Money that was freed a moment ago is found by a retry; so until a round a second later finds none.
    for round in 1.. {
        let seen = scene.upstream().calls().len();
        let mut load = JoinSet::new();
        for (_, key) in &callers {
            let key = key.clone();
            load.spawn(async move { call_until_refused(&key).await });
        }
        while let Some(source) = load.join_next().await {
            sources.insert(source.expect("no panic"));
        }
        if scene.upstream().calls().len() == seen {
            break;
        }
        scene.host().set_clock_ahead(11 * 60 * 1_000 + round * 2_000).await;
    }
    assert!(sources.contains("tenant") && sources.iter().all(|source| source != "user"), "{sources:?}");
    let mut used = 0;
    for (user, _) in &callers {
        let money = user.money().await;
        assert!(money.reserved == 0 && money.used <= hold * 40, "{money:?}");
        used += money.used;
    }
    // Spent to the last call that fits, and not a cent more.
    assert!(limit - 2 * hold < used && used <= limit, "{used} of {limit}");
    let calls = scene.upstream().calls().len();
    scene.upstream().expect_calls(&[(MODEL, calls)]);
    scene.host().set_clock_ahead(0).await;
    scene.end().await;
}

/// Which limit stopped it.
async fn call_until_refused(caller: &User) -> String {
    loop {
        let answer = caller.chat(&chat_body(MODEL)).send().await;
        if answer.status != 200 {
            let error = answer.expect_problem(403, "budget_exceeded");
            return error["limit_source"].as_str().expect("a source").to_owned();
        }
    }
}
