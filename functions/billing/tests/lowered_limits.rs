//! A tenant's limits are lowered while its users call: 200 means that no later call passes under the old ones.

mod scene;

use core::pin::pin;
use core::time::Duration;
use domain::tenant_pool::TenantPool;
use futures_executor::block_on;
use futures_util::FutureExt;
use http::Request;
use platform_memory::LastQuestion;
use scene::{MODEL, Scene, User};
use serde_json::{Value, json};

const USERS: usize = 6;
/// More than one request asks to give back.
const MANY: usize = 130;
const OLD_LIMITS: &str =
    r#"{"budget_total": "50", "requests_per_minute": 6000, "tokens_per_minute": 600000}"#;

/// Each of these stops the tenant.
fn nothing() -> [Value; 3] {
    [json!({"budget_total": 0}), json!({"requests_per_minute": 0}), json!({"tokens_per_minute": 0})]
}

/// So many users who have called once, and have leased for more.
fn calling(users: usize) -> (Scene, Vec<User>) {
    let scene = Scene::new();
    let users: Vec<User> =
        (0..users).map(|n| scene.user(&format!("u{n}@example.com"), &json!({ "budget_total": 9 }))).collect();
    let limits = serde_json::from_str(OLD_LIMITS).unwrap();
    // More than a hundred are told by two requests.
    assert!((0..2).any(|_| scene.patch("/api/tenants/demo", &limits).status == 200));
    for user in &users {
        assert_eq!(chat(&scene, user), 200);
    }
    (scene, users)
}

/// A call through the proxy, to its end.
fn chat(scene: &Scene, user: &User) -> u16 {
    let body =
        json!({ "model": MODEL, "messages": [{ "role": "user", "content": "Hello" }], "max_tokens": 5 });
    let request = Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", user.key))
        .body(body.to_string().into())
        .unwrap();
    let call = async {
        let response = proxy::handle(&scene.platform, request).await;
        let (parts, body) = response.into_parts();
        body.collect(1 << 20).await.unwrap();
        scene.platform.run_background().await;
        parts.status.as_u16()
    };
    let mut call = pin!(call);
    for _ in 0..1_000 {
        if let Some(status) = call.as_mut().now_or_never() {
            return status;
        }
        scene.platform.advance(Duration::from_millis(1));
    }
    panic!("a call without end")
}

#[track_caller]
fn expect_stopped(scene: &Scene, users: &[User], change: &Value) {
    for user in users {
        assert_eq!(chat(scene, user), 403, "{change}");
    }
}

/// What the pool and the scheduler do until nobody is left.
fn wait_until_nobody_is_outstanding(scene: &Scene) -> Vec<u64> {
    let mut seen = Vec::new();
    for _ in 0..100 {
        let shown = scene.get("/api/tenants/demo/budget").expect(200);
        seen.push(shown["outstanding"].as_u64().unwrap());
        if seen.last() == Some(&0) {
            assert_eq!(shown["outstanding_leased"], "0.00");
            return seen;
        }
        scene.platform.advance(Duration::from_secs(1));
        block_on(store::tenant_pools::push(&scene.platform, "demo")).unwrap();
        scene.platform.wake_due::<TenantPool>().unwrap();
        scene.deliver();
    }
    panic!("somebody is outstanding for ever: {seen:?}")
}

#[test]
fn p14_after_a_200_not_one_call_passes_under_the_old_limits() {
    for change in nothing() {
        let (scene, users) = calling(USERS);
        let answer = scene.patch("/api/tenants/demo", &change).expect(200);
        assert_eq!((&answer["outstanding"], &answer["outstanding_leased"]), (&json!(0), &json!("0.00")));
        expect_stopped(&scene, &users, &change);
        scene.deliver();
        expect_stopped(&scene, &users, &change);
    }
}

#[test]
fn p14_a_202_counts_who_is_left_and_ends_when_nobody_is() {
    for change in nothing() {
        let (scene, users) = calling(MANY);
        let answer = scene.patch("/api/tenants/demo", &change).expect(202);
        let left = answer["outstanding"].as_u64().unwrap();
        assert!((1..MANY as u64).contains(&left), "{answer}");
        assert_eq!(answer["outstanding_leased"] == "0.00", change.get("budget_total").is_none(), "{answer}");
        let seen = wait_until_nobody_is_outstanding(&scene);
        assert_eq!(seen[0], left);
        assert!(seen.is_sorted_by(|earlier, later| earlier >= later), "{seen:?}");
        expect_stopped(&scene, &users, &change);
        scene.patch("/api/tenants/demo", &change).expect(200);
    }
}

#[test]
fn p14_a_202_that_is_repeated_goes_on_where_it_was() {
    let (scene, users) = calling(MANY);
    let change = json!({ "budget_total": 0 });
    scene.patch("/api/tenants/demo", &change).expect(202);
    scene.patch("/api/tenants/demo", &change).expect(200);
    expect_stopped(&scene, &users, &change);
}

#[test]
fn p03_p14_wherever_the_host_dies_a_200_and_the_end_of_a_202_are_true() {
    let (mut of_200, mut of_202, mut failed) = (0, 0, 0);
    for change in nothing() {
        for (questions, last) in
            (0..70).flat_map(|n| [LastQuestion::Unasked, LastQuestion::Unanswered].map(|last| (n, last)))
        {
            let (scene, users) = calling(2);
            scene.platform.fail_after(questions, last);
            let answer = scene.patch("/api/tenants/demo", &change);
            scene.platform.revive();
            match answer.status.as_u16() {
                200 => of_200 += 1,
                202 => {
                    of_202 += 1;
                    assert!(answer.body["outstanding"].as_u64().unwrap() > 0);
                    wait_until_nobody_is_outstanding(&scene);
                }
                _ => {
                    failed += 1;
                    scene.patch("/api/tenants/demo", &change).expect(200);
                }
            }
            expect_stopped(&scene, &users, &change);
        }
    }
    assert!(of_200 > 0 && failed > 0, "{of_200} {of_202} {failed}");
}

#[test]
fn p14_a_budget_that_appears_counts_what_everybody_spent_before() {
    let scene = Scene::new();
    let users: Vec<User> =
        (0..USERS).map(|n| scene.user(&format!("u{n}@example.com"), &json!({ "budget_total": 9 }))).collect();
    for user in &users {
        scene.report(user, "spent", "5", &json!({})).expect(200);
    }
    let answer = scene.patch("/api/tenants/demo", &json!({ "budget_total": 29 })).expect(200);
    assert_eq!(answer["outstanding"], 0);
    assert_eq!(scene.get("/api/tenants/demo/budget").expect(200)["used"], "30.00");
    expect_stopped(&scene, &users, &json!({ "budget_total": 29 }));
}

#[test]
fn p14_after_the_200_of_a_suspension_or_of_a_users_or_keys_lower_limit_no_call_passes() {
    let of_user = |user: &User| format!("/api/users/{}", user.id);
    let of_key = |user: &User| format!("/api/users/{}/keys/{}", user.id, user.key_id);
    for (change, refusal) in [(json!({ "status": "suspended" }), 403), (json!({ "status": "pending" }), 403)]
    {
        let (scene, users) = calling(USERS);
        scene.patch("/api/tenants/demo", &change).expect(200);
        for user in &users {
            assert_eq!(chat(&scene, user), refusal, "{change}");
        }
    }
    let limits = [
        (json!({ "budget_total": 0 }), 403),
        (json!({ "requests_per_minute": 0 }), 403),
        (json!({ "tokens_per_minute": 0 }), 403),
        (json!({ "status": "suspended" }), 403),
        (json!({ "models": ["another"] }), 404),
    ];
    for (change, refusal) in limits {
        let (scene, users) = calling(1);
        scene.patch(&of_user(&users[0]), &change).expect(200);
        assert_eq!(chat(&scene, &users[0]), refusal, "user {change}");
    }
    for field in ["budget", "requests_per_minute", "tokens_per_minute"] {
        let (scene, users) = calling(1);
        scene.patch(&of_key(&users[0]), &json!({ field: 0 })).expect(200);
        assert_eq!(chat(&scene, &users[0]), 403, "key {field}");
    }
    let (scene, users) = calling(1);
    scene.delete(&of_key(&users[0])).expect(200);
    assert_eq!(chat(&scene, &users[0]), 401);
}

#[test]
fn what_is_leased_within_the_new_limit_is_not_asked_back() {
    let (scene, users) = calling(USERS);
    let before = scene.platform.applied();
    scene.patch("/api/tenants/demo", &json!({ "budget_total": 40 })).expect(200);
    assert_eq!(scene.platform.applied() - before, 2, "the pool is told, and asked who is left");
    assert_eq!(chat(&scene, &users[0]), 200);
}
