//! Streams whose callers ask for the usage. From a target that reports it they pass as they are, on hosts that can pump
//! them natively; what is promised of streams holds for them all the same.

use serde_json::{Value, json};
use tests::fixtures::{MODEL, chat_with};
use tests::money::{nano, nano_of};
use tests::upstream::Ending;
use tests::{Completion, Gate, Scene, User};

fn with_usage(max_tokens: u64) -> Value {
    chat_with(json!({"stream": true, "stream_options": {"include_usage": true}, "max_tokens": max_tokens}))
}

/// A user whose target has reported its usage once.
async fn user_of_known_target(scene: &Scene) -> User {
    let user = scene.user_with_budget("1").await;
    user.chat(&with_usage(50)).stream().await.rest().await.expect("a complete stream");
    user
}

#[tokio::test]
async fn p24_a_stream_that_passes_has_all_its_events_its_usage_and_its_cost() {
    let scene = Scene::start().await;
    let user = user_of_known_target(&scene).await;
    scene.upstream().always(MODEL, Completion::words(20).bills(33, 20));
    for _ in 0..2 {
        let stream = user.chat(&with_usage(50)).stream().await;
        let id = stream.header("x-request-id").to_owned();
        let events = stream.rest().await.expect("a complete stream");
        assert!(events.is_done() && events.unfinished.is_empty(), "{events:?}");
        assert_eq!(events.usage().expect("a usage chunk")["completion_tokens"], 20);
        assert_eq!(events.text().split_whitespace().count(), 20, "{events:?}");
        let row = user.usage(&id).await;
        assert_eq!(nano(&row["cost_eur"]), nano_of(events.cost.as_deref().expect("a comment with the cost")));
        assert_eq!((&row["estimated"], &row["outcome"]), (&json!(false), &json!("completed")));
        assert!(row["time_to_first_token_ms"].is_u64(), "{row}");
    }
    scene.upstream().expect_calls(&[(MODEL, 3)]);
    scene.end().await;
}

#[tokio::test]
async fn p09_a_client_that_leaves_a_stream_that_passes_pays_for_what_was_produced() {
    let scene = Scene::start().await;
    let user = user_of_known_target(&scene).await;
    let mut costs = Vec::new();
    let cuts = [1, 2, 5, 10, 19];
    for (call, seen) in cuts.into_iter().enumerate() {
        let gate = Gate::closed();
        scene.upstream().always(MODEL, Completion::words(20).pieces_behind(&gate));
        let mut stream = user.chat(&with_usage(50)).leaving_abruptly().stream().await;
        let id = stream.header("x-request-id").to_owned();
        let held = nano_of(stream.header("x-budget-held-eur"));
        gate.open(seen);
        for _ in 0..seen {
            stream.next_text().await;
        }
        drop(stream);
        let produced = scene.upstream().call(call + 1).await.cancelled().await;
        assert_eq!(produced, seen, "pieces that the provider had sent when it was cancelled");
        let row = user.usage(&id).await;
        let cost = nano(&row["cost_eur"]);
        assert!(0 < cost && cost <= held, "after {seen} pieces: {row}");
        costs.push(cost);
    }
    assert!(costs.is_sorted_by(|fewer, more| fewer < more), "{costs:?}");
    scene.upstream().expect_calls(&[(MODEL, 1 + cuts.len())]);
    scene.end().await;
}

#[tokio::test]
async fn p10_a_stream_that_passes_is_stopped_at_its_hold_within_one_look() {
    let scene = Scene::start().await;
    let user = user_of_known_target(&scene).await;
    let gate = Gate::closed();
    gate.open(500);
    scene.upstream().always(MODEL, Completion::words(1_000).pieces_behind(&gate));
    let stream = user.chat(&with_usage(10)).stream().await;
    let (held, id) = (nano_of(stream.header("x-budget-held-eur")), stream.header("x-request-id").to_owned());
    // It stands still until it is stopped: nothing but the look can end it.
    let events = stream.rest().await.expect("a clean end");
    assert!(events.is_done() && events.unfinished.is_empty(), "{events:?}");
    assert_eq!(events.finish_reason().as_deref(), Some("length"));
    assert!(events.usage().is_some());
    scene.upstream().call(1).await.cancelled().await;
    let row = user.usage(&id).await;
    assert_eq!(row["outcome"], "stopped_at_hold");
    assert!(0 < nano(&row["cost_eur"]) && nano(&row["cost_eur"]) <= held, "{row}");
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}

#[tokio::test]
async fn a_stream_that_passes_and_breaks_off_says_so_and_is_billed_for_what_came() {
    let scene = Scene::start().await;
    let user = user_of_known_target(&scene).await;
    for ending in [Ending::Cut, Ending::Early, Ending::Half] {
        scene.upstream().always(MODEL, Completion::words(8).ending(ending));
        let stream = user.chat(&with_usage(50)).stream().await;
        let id = stream.header("x-request-id").to_owned();
        let events = stream.rest().await.expect("a stream that ends in an error event");
        assert!(!events.is_done(), "{ending:?}: taken for complete");
        // All that went out can be read.
        let last = events.chunks().pop().expect("an event");
        assert_eq!(last["error"]["code"], "upstream_truncated", "{ending:?}");
        let row = user.usage(&id).await;
        assert!(nano(&row["cost_eur"]) > 0, "{row}");
        assert_eq!((&row["outcome"], &row["estimated"]), (&json!("truncated"), &json!(true)));
    }
    scene.upstream().expect_calls(&[(MODEL, 4)]);
    scene.end().await;
}
