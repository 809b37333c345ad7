//! Hosts may end a request's work as soon as its caller has the whole answer, or has left. What was told is booked all the
//! same, and what was cut is not for nothing.

use serde_json::json;
use tests::fixtures::{MODEL, chat_with};
use tests::money::{nano, nano_of};
use tests::{Completion, Gate, Scene};

/// Past the time that a hold without checkpoint lives (ten minutes).
const HOLDS_HAVE_ENDED_MS: i64 = 11 * 60 * 1_000;

#[tokio::test]
async fn p03_p09_work_that_ends_with_its_caller_loses_no_charge() {
    let mut scene = Scene::start_ending_with_callers().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Completion::words(5).bills(9, 5));
    let mut told = Vec::new();
    for _ in 0..20 {
        let answer = user.chat(&chat_with(json!({}))).send().await.expect(200);
        told.push((answer.header("x-request-id").to_owned(), nano_of(answer.header("x-cost-eur"))));
        let stream = user.chat(&chat_with(json!({"stream": true}))).stream().await;
        let id = stream.header("x-request-id").to_owned();
        assert!(stream.rest().await.expect("an unbroken stream").is_done());
        // Both cost the same.
        told.push((id, told[0].1));
    }
    let spent: i64 = told.iter().map(|(_, cost)| cost).sum();
    assert_eq!(user.money().await.used, spent, "before anything is delivered");

    let gate = Gate::closed();
    scene.upstream().always(MODEL, Completion::words(20).pieces_behind(&gate));
    let mut stream = user.chat(&chat_with(json!({"stream": true}))).stream().await;
    let (held, id) = (nano_of(stream.header("x-budget-held-eur")), stream.header("x-request-id").to_owned());
    gate.open(1);
    stream.next_text().await;
    drop(stream);
    gate.open_wide();
    scene.host().set_clock_ahead(HOLDS_HAVE_ENDED_MS).await;
    scene.host_mut().trigger_cron();
    for (id, cost) in &told {
        assert_eq!(nano(&user.usage(id).await["cost_eur"]), *cost, "told and booked");
    }
    let cut = nano(&user.usage(&id).await["cost_eur"]);
    assert!(0 < cut && cut <= held, "{cut} of {held}");
    // Where the work went on, a late settlement may correct what the lost hold was charged, within the hold.
    let money = user.money().await;
    assert!(spent < money.used && money.used <= spent + held, "{money:?} after {spent}");
    assert_eq!(money.reserved, 0);
    scene.upstream().expect_calls(&[(MODEL, told.len() + 1)]);
    scene.host().set_clock_ahead(0).await;
    scene.end().await;
}
