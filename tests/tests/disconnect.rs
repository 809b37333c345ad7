//! A client that leaves in the middle of a stream.

use serde_json::json;
use tests::fixtures::{MODEL, chat_with};
use tests::money::{nano, nano_of};
use tests::upstream::Progress;
use tests::{Completion, Gate, Scene};

/// Leaves after `seen` of 20 pieces; gives back the usage row and the hold.
async fn leave_after(scene: &Scene, call: usize, seen: usize) -> (serde_json::Value, i64) {
    let user = scene.user_with_budget("1").await;
    let gate = Gate::closed();
    scene.upstream().always(MODEL, Completion::words(20).pieces_behind(&gate));
    let request = user.chat(&chat_with(json!({"stream": true}))).leaving_abruptly();
    let mut stream = request.stream().await;
    let held = nano_of(stream.header("x-budget-held-eur"));
    let request_id = stream.header("x-request-id").to_owned();
    gate.open(seen);
    for _ in 0..seen {
        stream.next_text().await;
    }
    drop(stream);
    let produced = scene.upstream().call(call).await.cancelled().await;
    assert_eq!(produced, seen, "pieces that the provider had sent when it was cancelled");
    let row = user.usage(&request_id).await;
    assert_eq!(user.money().await.used, nano(&row["cost_eur"]));
    (row, held)
}

#[tokio::test]
async fn p09_a_client_that_leaves_pays_for_what_was_produced_and_the_provider_is_cancelled() {
    let scene = Scene::start().await;
    let mut costs = Vec::new();
    let cuts = [1, 2, 5, 10, 19];
    for (call, seen) in cuts.into_iter().enumerate() {
        let (row, held) = leave_after(&scene, call, seen).await;
        let cost = nano(&row["cost_eur"]);
        assert!(0 < cost && cost <= held, "after {seen} pieces: {row}");
        assert_eq!(row["estimated"], true, "the provider had not reported usage yet: {row}");
        costs.push(cost);
    }
    assert!(costs.is_sorted(), "more was produced, less was charged: {costs:?}");
    assert!(costs[0] < costs[4], "{costs:?}");
    scene.upstream().expect_calls(&[(MODEL, cuts.len())]);
    scene.end().await;
}

#[tokio::test]
async fn p09_a_client_that_leaves_before_the_first_token_is_still_billed_for_its_input() {
    let scene = Scene::start().await;
    let (row, held) = leave_after(&scene, 0, 0).await;
    let cost = nano(&row["cost_eur"]);
    assert!(0 < cost && cost < held, "{row}");
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn p09_a_client_that_leaves_without_a_word_is_noticed_by_the_next_pieces() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let gate = Gate::closed();
    scene.upstream().always(MODEL, Completion::words(20).pieces_behind(&gate));
    let mut stream = user.chat(&chat_with(json!({"stream": true}))).stream().await;
    let (held, id) = (nano_of(stream.header("x-budget-held-eur")), stream.header("x-request-id").to_owned());
    gate.open(1);
    stream.next_text().await;
    drop(stream);
    let call = scene.upstream().call(0).await;
    let mut pieces = 1;
    while call.progress() == Progress::Answering(pieces) && pieces < 20 {
        gate.open(1);
        let moved = async || (call.progress() != Progress::Answering(pieces)).then_some(());
        tests::eventually("the next piece to be sent, or the call to be cancelled", moved).await;
        pieces += 1;
    }
    assert!(matches!(call.progress(), Progress::Cancelled(_)), "{:?}", call.progress());
    let cost = nano(&user.usage(&id).await["cost_eur"]);
    assert!(0 < cost && cost <= held);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_client_that_leaves_after_the_end_pays_the_providers_own_count() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Completion::words(4).bills(9, 4));
    let mut stream = user.chat(&chat_with(json!({"stream": true}))).stream().await;
    let request_id = stream.header("x-request-id").to_owned();
    while stream.next().await.expect("an unbroken stream").is_some_and(|data| data != "[DONE]") {}
    drop(stream);
    let row = user.usage(&request_id).await;
    assert_eq!((&row["tokens_input"], &row["tokens_output"]), (&json!(9), &json!(4)));
    assert_eq!(row["estimated"], false);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn p09_a_client_that_leaves_while_waiting_for_an_unstreamed_answer_pays_for_it() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let gate = Gate::closed();
    scene.upstream().always(MODEL, Completion::words(4).bills(9, 4).head_behind(&gate));
    let waiting = tokio::spawn(user.chat(&chat_with(json!({}))).send());
    scene.upstream().call(0).await;
    waiting.abort();
    assert!(waiting.await.is_err());
    gate.open_wide();
    // It is completed unseen: the provider bills it, too.
    let money = tests::eventually("the call to be settled", async || {
        let money = user.money().await;
        (money.reserved == 0).then_some(money)
    });
    assert!(money.await.used > 0);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}
