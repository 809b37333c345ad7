//! A provider that is down, slow, broken or lies: a clear error, no charge for what was not delivered, and
//! never more than the hold.

use serde_json::{Value, json};
use tests::client::Answer;
use tests::fixtures::{MODEL, chat_with};
use tests::money::{nano, nano_of};
use tests::seed::IMPATIENT_MODEL;
use tests::upstream::{Ending, Reply};
use tests::{Completion, Gate, Scene, User, chat_body};

fn streamed() -> Value {
    chat_with(json!({"stream": true}))
}

/// Sends one unstreamed and one streamed call; both must fail alike and cost nothing.
async fn fails_free(scene: &Scene, user: &User, status: u16, code: &str) -> Answer {
    let plain = user.chat(&chat_body(MODEL)).send().await;
    plain.expect_problem(status, code);
    user.chat(&streamed()).send().await.expect_problem(status, code);
    let calls = scene.upstream().calls().len();
    scene.upstream().expect_calls(&[(MODEL, calls)]);
    tests::eventually("the holds to be released", async || (user.money().await.reserved == 0).then_some(()))
        .await;
    assert_eq!(user.money().await.used, 0);
    plain
}

#[tokio::test]
async fn a_provider_that_is_down_is_502_and_free() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().go_down().await;
    fails_free(&scene, &user, 502, "upstream_error").await;
    scene.upstream().come_back().await;
    user.chat(&chat_body(MODEL)).send().await.expect(200);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_provider_that_fails_hangs_up_or_babbles_is_502_and_free() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let replies = [
        Reply::error(500, "server_error"),
        Reply::error(503, "overloaded"),
        Reply::error(401, "invalid_api_key"),
        Reply::error(402, "insufficient_quota"),
        Reply::HangUp,
    ];
    for reply in replies {
        scene.upstream().always(MODEL, reply);
        let answer = fails_free(&scene, &user, 502, "upstream_error").await;
        // Our own account with the provider is nobody else's business.
        assert!(
            !answer.text().contains("quota") && !answer.text().contains("upstream says"),
            "{}",
            answer.text()
        );
    }
    scene.upstream().always(MODEL, Reply::malformed());
    user.chat(&chat_body(MODEL)).send().await.expect_problem(502, "upstream_error");
    let calls = scene.upstream().calls().len();
    scene.upstream().expect_calls(&[(MODEL, calls)]);
    scene.end().await;
}

#[tokio::test]
async fn a_providers_rate_limit_is_passed_on_with_its_retry_after() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Reply::error(429, "rate_limit_exceeded").header("retry-after", "17"));
    let answer = fails_free(&scene, &user, 429, "upstream_rate_limited").await;
    assert_eq!(answer.header("retry-after"), "17");
    scene.end().await;
}

#[tokio::test]
async fn a_request_that_the_provider_rejects_is_400_with_its_reason() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Reply::error(400, "context_length_exceeded"));
    let answer = fails_free(&scene, &user, 400, "upstream_rejected").await;
    assert!(answer.text().contains("upstream says context_length_exceeded"), "{}", answer.text());
    scene.end().await;
}

#[tokio::test]
async fn a_provider_that_never_answers_is_given_up_cancelled_and_free() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(IMPATIENT_MODEL, Reply::Silence);
    user.chat(&chat_body(IMPATIENT_MODEL)).send().await.expect_problem(504, "upstream_timeout");
    assert_eq!(scene.upstream().call(0).await.cancelled().await, 0);
    scene.upstream().expect_calls(&[(IMPATIENT_MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_slow_first_byte_that_comes_in_time_is_waited_for() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let gate = Gate::closed();
    scene.upstream().always(MODEL, Completion::of(&["late"]).head_behind(&gate));
    let waiting = tokio::spawn(user.chat(&chat_body(MODEL)).send());
    scene.upstream().call(0).await;
    gate.open_wide();
    waiting.await.expect("no panic").expect(200);
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn an_unstreamed_answer_that_breaks_off_is_502_and_free() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Completion::words(50).ending(Ending::Cut));
    user.chat(&chat_body(MODEL)).send().await.expect_problem(502, "upstream_error");
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_says_so_and_is_billed_for_what_came() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    for (call, ending) in [Ending::Cut, Ending::Early].into_iter().enumerate() {
        scene.upstream().always(MODEL, Completion::words(8).ending(ending));
        let stream = user.chat(&streamed()).stream().await;
        let (held, id) =
            (nano_of(stream.header("x-budget-held-eur")), stream.header("x-request-id").to_owned());
        let events = stream.rest().await.expect("a stream that ends in an error event");
        assert!(!events.is_done(), "{ending:?}: taken for complete");
        let last = events.chunks().pop().expect("an event");
        assert_eq!(last["error"]["code"], "upstream_truncated", "{ending:?}");
        let row = user.usage(&id).await;
        let cost = nano(&row["cost_eur"]);
        assert!(0 < cost && cost <= held, "{ending:?}: {row}");
        assert_eq!((&row["outcome"], &row["estimated"]), (&json!("truncated"), &json!(true)), "call {call}");
    }
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_reaches_the_client() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Completion::words(3).ending(Ending::ErrorEvent));
    let events = user.chat(&streamed()).stream().await.rest().await.expect("a whole body");
    assert!(events.chunks().iter().any(|event| event["error"].is_object()), "{events:?}");
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn p01_a_stream_whose_usage_lies_is_charged_at_the_hold() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Completion::words(5).bills(1_000_000, 1_000_000));
    let stream = user.chat(&streamed()).stream().await;
    let (held, id) = (nano_of(stream.header("x-budget-held-eur")), stream.header("x-request-id").to_owned());
    stream.rest().await.expect("a complete stream");
    let row = user.usage(&id).await;
    assert_eq!(nano(&row["cost_eur"]), held);
    assert!(nano(&row["overrun_eur"]) > 0, "{row}");
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn a_provider_that_reports_no_usage_is_estimated_and_never_free() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    scene.upstream().always(MODEL, Completion::words(10).without_usage());
    let plain = user.chat(&chat_body(MODEL)).send().await.expect(200);
    let stream = user.chat(&streamed()).stream().await;
    let stream_id = stream.header("x-request-id").to_owned();
    assert!(stream.rest().await.expect("a complete stream").is_done());
    for id in [plain.header("x-request-id"), &stream_id] {
        let row = user.usage(id).await;
        assert_eq!(row["estimated"], true, "{row}");
        assert!(nano(&row["cost_eur"]) > 0 && row["tokens_output"].as_u64() > Some(0), "{row}");
    }
    scene.upstream().expect_calls(&[(MODEL, 2)]);
    scene.end().await;
}

#[tokio::test]
async fn p10_a_stream_that_ignores_its_ceiling_ends_at_its_hold() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let gate = Gate::closed();
    gate.open(500);
    scene.upstream().always(MODEL, Completion::words(1_000).pieces_behind(&gate));
    let stream = user.chat(&chat_with(json!({"stream": true, "max_tokens": 10}))).stream().await;
    let (held, id) = (nano_of(stream.header("x-budget-held-eur")), stream.header("x-request-id").to_owned());
    let events = stream.rest().await.expect("a clean end");
    assert!(events.is_done());
    assert_eq!(events.finish_reason().as_deref(), Some("length"));
    scene.upstream().call(0).await.cancelled().await;
    let row = user.usage(&id).await;
    assert!(0 < nano(&row["cost_eur"]) && nano(&row["cost_eur"]) <= held, "{row}");
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}
