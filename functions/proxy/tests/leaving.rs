//! Callers who leave, and streams that end too early or not at all.

mod scene;

use core::time::Duration;
use domain::money::NanoEur;
use futures_util::FutureExt;
use platform_memory::{Answer, Ending};
use scene::provider::{self, TOKENS_PER_DELTA};
use scene::{Scene, pull, question, streamed_question};

const CHUNKS: usize = 12;

/// Takes `chunks`, leaves, and returns what that cost.
fn leave_after(chunks: usize) -> NanoEur {
    let scene = Scene::new();
    scene.platform.answer_next(Answer::sse(provider::deltas(CHUNKS), Ending::Hang));
    let response = scene.open(scene.request(&streamed_question(100)));
    let hold = NanoEur::parse_euros(response.headers()["x-budget-held-eur"].to_str().unwrap()).unwrap();
    assert_eq!(scene.balance().reserved, hold);
    let mut body = response.into_body();
    assert_eq!(pull(&mut body, chunks).len(), chunks);
    assert_eq!(scene.platform.upstream_cancelled(), 0);

    drop(body);
    assert_eq!(scene.platform.upstream_cancelled(), 1);
    scene.finish_background();

    let row = scene.only_row();
    assert_eq!((row.outcome.as_str(), row.estimated), ("client_closed", true));
    assert_eq!(row.usage.output, TOKENS_PER_DELTA * chunks as u64);
    assert!(row.usage.input > 0);
    assert_eq!(row.cost, row.tariff.price(&row.usage).unwrap().cost);
    assert!(row.cost > NanoEur::ZERO && row.cost <= hold, "{} of {hold}", row.cost);
    assert_eq!(row.overrun, NanoEur::ZERO);
    row.cost
}

#[test]
fn p09_a_caller_who_leaves_after_any_chunk_pays_for_what_was_produced() {
    let costs: Vec<_> = (0..=CHUNKS).map(leave_after).collect();
    assert!(costs.is_sorted_by(|fewer, more| fewer < more), "{costs:?}");
}

#[test]
fn p09_a_caller_who_leaves_after_the_usage_chunk_pays_what_the_provider_reported() {
    let scene = Scene::new();
    let mut chunks = [provider::deltas(3), provider::orderly_end(20, 7)].concat();
    // The end of the stream itself never comes.
    chunks.pop();
    scene.platform.answer_next(Answer::sse(chunks, Ending::Hang));
    let mut body = scene.open(scene.request(&streamed_question(100))).into_body();
    pull(&mut body, 10);
    drop(body);
    scene.finish_background();
    let row = scene.only_row();
    assert_eq!((row.usage.input, row.usage.output), (20, 7));
    assert_eq!(scene.platform.upstream_cancelled(), 1);
}

/// As where a host ends an instance with its caller, or dies.
#[test]
fn p03_p09_a_stream_that_ends_without_a_word_is_charged_for_at_least_half_of_its_time() {
    for seconds in [1, 4, 6, 20, 45, 100, 400] {
        let scene = Scene::new();
        scene.platform.answer_next(Answer::sse(provider::deltas(seconds), Ending::Hang));
        let mut body = scene.open(scene.request(&streamed_question(1_000))).into_body();
        for _ in 0..seconds {
            assert_eq!(pull(&mut body, 1).len(), 1);
            scene.finish_background();
            scene.platform.advance(Duration::from_secs(1));
        }
        core::mem::forget(body);
        scene.platform.advance(Duration::from_secs(24 * 60 * 60));
        let row = scene.only_row();
        let delivered = TOKENS_PER_DELTA * seconds as u64;
        let at_least = if seconds < 6 { 0 } else { delivered / 2 - 1 };
        assert!((at_least..=delivered).contains(&row.usage.output), "{seconds} s: {}", row.usage.output);
        assert!(row.estimated && row.cost > NanoEur::ZERO);
    }
}

#[test]
fn p09_a_caller_who_leaves_before_the_head_frees_the_hold() {
    let scene = Scene::new();
    scene.platform.answer_next(Answer::Hang);
    let request = scene.request(&question(100));
    let call = Box::pin(proxy::handle(&scene.platform, request));
    assert!(call.now_or_never().is_none(), "the provider is silent");
    assert_eq!(scene.platform.upstream_cancelled(), 1);
    scene.finish_background();
    scene.expect_untouched();
}

#[test]
fn p09_who_stays_to_the_end_pays_the_reported_usage_once() {
    let scene = Scene::new();
    scene.platform.answer_next(provider::stream(CHUNKS, 20, 24));
    let answer = scene.chat(&streamed_question(100)).expect_ok();
    assert!(!answer.text.contains("prompt_tokens"), "the caller did not ask for it: {}", answer.text);
    scene.finish_background();
    let row = scene.only_row();
    let end = format!("data: [DONE]\n\n: cost_eur={}\n\n", row.cost);
    assert!(answer.text.ends_with(&end), "{}", answer.text);
    assert_eq!((row.outcome.as_str(), row.estimated), ("completed", false));
    assert_eq!((row.usage.input, row.usage.output), (20, 24));
}

#[test]
fn a_stream_that_breaks_off_ends_with_an_error_event_and_is_charged() {
    for ending in [Ending::Broken, Ending::Clean] {
        let scene = Scene::new();
        scene.platform.answer_next(Answer::sse(provider::deltas(3), ending));
        let answer = scene.chat(&streamed_question(100)).expect_ok();
        let last = answer.text.trim_end().rsplit("\n\n").nth(1).unwrap();
        assert!(last.contains("\"code\":\"upstream_truncated\""), "{ending:?}: {last}");
        assert!(!answer.text.contains("[DONE]"), "{ending:?}");
        scene.finish_background();
        let row = scene.only_row();
        assert_eq!(row.outcome, "truncated");
        assert_eq!(row.usage.output, 3 * TOKENS_PER_DELTA);
        assert!(row.cost > NanoEur::ZERO);
    }
}

#[test]
fn p09_a_report_at_the_start_does_not_make_the_rest_free() {
    for reported in [(20, 0), (0, 0)] {
        let scene = Scene::new();
        let mut chunks = provider::orderly_end(reported.0, reported.1);
        // Only the usage chunk, and text after it.
        chunks = [vec![chunks.remove(1)], provider::deltas(20)].concat();
        scene.platform.answer_next(Answer::sse(chunks, Ending::Hang));
        let mut body = scene.open(scene.request(&streamed_question(100))).into_body();
        pull(&mut body, 20);
        drop(body);
        scene.finish_background();
        let row = scene.only_row();
        assert!(row.usage.output >= 20 && row.usage.input > 0, "{reported:?}: {:?}", row.usage);
        assert!(row.cost > NanoEur::ZERO);
    }
}

#[test]
fn p17_a_stream_without_a_byte_of_an_answer_is_free() {
    let error = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n".to_owned();
    for chunks in [vec![], vec![error]] {
        let scene = Scene::new();
        scene.platform.answer_next(Answer::sse(chunks, Ending::Clean));
        scene.chat(&streamed_question(100));
        scene.finish_background();
        scene.expect_untouched();
    }
}

#[test]
fn p05_a_stream_that_falls_silent_ends_with_an_error_and_is_charged_for_what_came() {
    let scene = Scene::new();
    scene.platform.answer_next(Answer::sse(provider::deltas(3), Ending::Hang));
    let mut body = scene.open(scene.request(&streamed_question(100))).into_body();
    assert_eq!(pull(&mut body, 3).len(), 3);
    let mut rest = Box::pin(body.collect(1 << 20));
    let end = (0..10).find_map(|_| {
        scene.platform.advance(Duration::from_secs(60));
        rest.as_mut().now_or_never()
    });
    let end = end.expect("an end within ten minutes").unwrap();
    assert!(String::from_utf8_lossy(&end).contains("upstream_truncated"), "{end:?}");
    scene.finish_background();
    let row = scene.only_row();
    assert_eq!((row.outcome.as_str(), row.usage.output), ("truncated", 3 * TOKENS_PER_DELTA));
    assert_eq!(scene.platform.upstream_cancelled(), 1);
}
