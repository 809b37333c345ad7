//! Notices of a budget that runs low: by webhook, signed, and by mail, each once.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::fixtures::{MODEL, chat_with};
use tests::money::euros;
use tests::webhooks::Receiver;
use tests::{Completion, Scene, User};

/// Output tokens of a call that uses all that it asked for.
const OUTPUT: usize = 1_000;
/// Longer than the first pause before a repetition, lengthened as far as chance can.
const AFTER_THE_PAUSE_MS: i64 = 7 * 60 * 1_000;

fn body() -> Value {
    chat_with(json!({"max_tokens": OUTPUT}))
}

/// A user who can pay so many calls, and little more.
async fn user_for_calls(scene: &Scene, calls: i64, email: &str) -> User {
    scene.upstream().always(MODEL, Completion::words(5).bills(9, OUTPUT as u64));
    let hold = scene.user_with_budget("1").await.learn_hold(&body()).await;
    scene.user(json!({"budget_total": euros(hold * calls), "email": email})).await
}

/// Everything that the account has to tell leaves it now.
async fn deliver(user: &User) {
    let other = user.get("/v1/budget").send().await.expect(200);
    let path = format!("/v1/usage/{}", other.header("x-request-id"));
    user.get(&path).send().await.expect_problem(404, "not_found");
}

/// The subjects of the captured mails to this address.
async fn mails_to(scene: &Scene, email: &str) -> BTreeSet<String> {
    let outbox = scene.client().get("/__dev/outbox").send().await.expect(200).json();
    let mails = outbox["mails"].as_array().expect("mails");
    let subjects: Vec<_> = mails
        .iter()
        .filter(|mail| mail["recipient"] == email)
        .map(|mail| mail["subject"].to_string())
        .collect();
    let different: BTreeSet<_> = subjects.iter().cloned().collect();
    assert_eq!(subjects.len(), different.len(), "a mail came twice: {subjects:?}");
    different
}

#[tokio::test]
async fn each_threshold_is_told_once_by_webhook_and_by_mail() {
    const CALLS: usize = 20;
    const EMAIL: &str = "spender@tests.example";
    let mut scene = Scene::start().await;
    let user = user_for_calls(&scene, CALLS as i64, EMAIL).await;
    let receiver = Receiver::register(&scene).await;
    for _ in 0..CALLS {
        user.chat(&body()).send().await.expect(200);
    }
    let money = user.money().await;
    assert!(money.used * 100 >= money.limit * 95 && money.remaining > 0, "{money:?}");
    // The rest is spent elsewhere.
    let report = json!({"user_id": user.id, "request_id": "the-rest", "model": MODEL, "tokens_input": 0,
        "tokens_output": 0, "cost": euros(money.remaining)});
    scene.billing("POST", "/api/usage/log", &report).await.expect(200);
    deliver(&user).await;
    assert_eq!(receiver.messages().len(), 0, "the scheduler sends, nobody else");
    for _ in 0..3 {
        scene.host_mut().trigger_cron();
    }
    let messages = receiver.messages();
    let mut percents: Vec<_> =
        messages.iter().map(|message| message.call.body["data"]["percent"].as_u64()).collect();
    percents.sort_unstable();
    assert_eq!(percents, [Some(50), Some(80), Some(95), Some(100)]);
    let ids: BTreeSet<_> = messages.iter().map(|message| &message.id).collect();
    assert_eq!(ids.len(), 4);
    for message in &messages {
        assert_eq!(message.call.body["type"], "budget.threshold_reached");
        assert_eq!(message.call.body["data"]["subject"], user.id);
    }
    let mails = mails_to(&scene, EMAIL).await;
    assert_eq!(mails.len(), 4, "{mails:?}");
    receiver.delete(&scene).await;
    scene.upstream().expect_calls(&[(MODEL, CALLS + 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_webhook_that_fails_is_repeated_under_the_same_id_and_the_mail_is_not() {
    const EMAIL: &str = "patient@tests.example";
    let mut scene = Scene::start().await;
    let user = user_for_calls(&scene, 3, EMAIL).await;
    let receiver = Receiver::register(&scene).await;
    for _ in 0..2 {
        user.chat(&body()).send().await.expect(200);
    }
    deliver(&user).await;
    receiver.answer_next(503);
    for _ in 0..2 {
        scene.host_mut().trigger_cron();
        assert_eq!(receiver.messages().len(), 1, "the pause is not over");
    }
    scene.host().set_clock_ahead(AFTER_THE_PAUSE_MS).await;
    for _ in 0..2 {
        scene.host_mut().trigger_cron();
    }
    scene.host().set_clock_ahead(0).await;
    let messages = receiver.messages();
    let [failed, repeated] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((&failed.id, &failed.call.bytes), (&repeated.id, &repeated.call.bytes));
    assert!(repeated.sent_at >= failed.sent_at + 5 * 60, "{messages:?}");
    assert_eq!(mails_to(&scene, EMAIL).await.len(), 1);
    receiver.delete(&scene).await;
    scene.upstream().expect_calls(&[(MODEL, 3)]);
    scene.end().await;
}
