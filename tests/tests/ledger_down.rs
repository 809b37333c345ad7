//! The ledger does not answer: nothing is sent upstream, and the caller does not wait for ever.

use std::time::Duration;
use tests::fixtures::MODEL;
use tests::{Scene, chat_body};

/// The longest that a caller waits for a ledger that is silent.
const WAIT_MAX: Duration = Duration::from_secs(15);

async fn fails_closed(fault: &str) {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.host().break_ledger(&user.id, fault).await;
    for streamed in [false, true] {
        let mut body = chat_body(MODEL);
        body["stream"] = streamed.into();
        let answer = tokio::time::timeout(WAIT_MAX, user.chat(&body).send()).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer within {WAIT_MAX:?}"));
        answer.expect_problem(503, "ledger_unavailable");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    }
    scene.host().mend_ledger(&user.id).await;
    // It was nobody's fault for ever: the same user is served again, and paid nothing meanwhile.
    tests::eventually("the ledger to be back", async || {
        (user.get("/v1/budget").send().await.status == 200).then_some(())
    })
    .await;
    assert_eq!(user.money().await.used, 0);
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn p06_a_ledger_that_hangs_costs_a_bounded_wait_and_sends_nothing() {
    fails_closed("hang").await;
}

#[tokio::test]
async fn p06_a_ledger_that_panics_costs_a_bounded_wait_and_sends_nothing() {
    fails_closed("panic").await;
}

#[tokio::test]
async fn p06_a_ledger_that_fails_sends_nothing() {
    fails_closed("fail").await;
}

#[tokio::test]
async fn one_users_hanging_ledger_does_not_slow_another() {
    let scene = Scene::start().await;
    let (stuck, free) = (scene.user_with_budget("1").await, scene.user_with_budget("1").await);
    scene.host().break_ledger(&stuck.id, "hang").await;
    let waiting = tokio::spawn(stuck.chat(&chat_body(MODEL)).send());
    free.chat(&chat_body(MODEL)).send().await.expect(200);
    assert!(!waiting.is_finished(), "the stuck call was answered before the free one");
    waiting.await.expect("no panic").expect_problem(503, "ledger_unavailable");
    scene.host().mend_ledger(&stuck.id).await;
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}
