//! Streams that pass as they are: whose callers asked for the usage, from a target that reports it.

mod scene;

use domain::money::NanoEur;
use http::HeaderValue;
use platform_memory::{Answer, Ending};
use scene::{Scene, provider, streamed_question};
use serde_json::{Value, json};

const CHUNKS: usize = 12;

fn with_usage(max_tokens: u64) -> Value {
    let mut body = streamed_question(max_tokens);
    body["stream_options"] = json!({ "include_usage": true });
    body
}

/// A scene whose target has reported its usage once: what follows passes.
fn known() -> Scene {
    let scene = Scene::with_budget(NanoEur::euros(1_000));
    report_once(&scene);
    scene
}

fn report_once(scene: &Scene) {
    scene.platform.answer_next(provider::stream(CHUNKS, 20, 24));
    scene.chat(&with_usage(100)).expect_ok();
    scene.finish_background();
}

fn chat_for_cost(scene: &Scene, wish: &'static str) -> scene::Answer {
    let mut request = scene.request(&with_usage(100));
    request.headers_mut().insert("x-usage-cost", HeaderValue::from_static(wish));
    scene.send(request)
}

#[test]
fn bytes_pass_unchanged_and_the_cost_follows_as_a_comment() {
    let scene = known();
    let sent = provider::stream_text(CHUNKS, 20, 24);
    scene.platform.answer_next(provider::stream(CHUNKS, 20, 24));
    let answer = scene.chat(&with_usage(100)).expect_ok();
    scene.finish_background();
    let rows = scene.rows();
    let row = rows.last().unwrap();
    assert_eq!(answer.text, format!("{sent}: cost_eur={}\n\n", row.cost));
    assert_eq!((row.outcome.as_str(), row.estimated), ("completed", false));
    assert_eq!(rows[0].cost, row.cost, "a stream that is rewritten costs the same");
}

#[test]
fn with_the_header_the_cost_stands_in_the_usage() {
    let scene = known();
    scene.platform.answer_next(provider::stream(CHUNKS, 20, 24));
    let answer = chat_for_cost(&scene, "include").expect_ok();
    scene.finish_background();
    let cost = scene.rows().last().unwrap().cost;
    assert!(answer.text.contains(&format!("\"cost_eur\":\"{cost}\"")), "{}", answer.text);
    assert_eq!(chat_for_cost(&scene, "yes").expect_error(400, "invalid_value")["param"], "x-usage-cost");
}

#[test]
fn a_target_that_stops_reporting_gets_its_usage_from_us_again() {
    let scene = known();
    for told in [false, true] {
        let mut chunks = [provider::deltas(CHUNKS), provider::orderly_end(20, 24)].concat();
        chunks.remove(CHUNKS + 1);
        scene.platform.answer_next(Answer::sse(chunks, Ending::Clean));
        let answer = scene.chat(&with_usage(100)).expect_ok();
        assert_eq!(answer.text.contains("\"usage\":{"), told, "{}", answer.text);
        scene.finish_background();
        assert!(scene.rows().last().unwrap().cost > NanoEur::ZERO);
    }
}

#[test]
fn p09_p10_cut_at_any_byte_a_stream_that_passes_ends_in_events_that_can_be_read() {
    let sent = provider::stream_text(2, 20, 24);
    let scene = known();
    for cut in 1..sent.len() {
        report_once(&scene);
        scene.platform.answer_next(Answer::sse([&sent.as_bytes()[..cut]], Ending::Broken));
        let answer = scene.chat(&with_usage(100)).expect_ok();
        scene.finish_background();
        assert!(answer.text.starts_with(&sent[..cut]), "what came has passed");
        let events = readable(&answer.text, cut);
        let row = scene.rows().pop().unwrap();
        if row.outcome == "truncated" {
            let last = events.last().unwrap();
            assert_eq!(last["error"]["code"], "upstream_truncated", "cut at {cut}: {}", answer.text);
        }
    }
}

#[test]
fn p10_a_stream_that_passes_is_stopped_at_its_hold() {
    let scene = known();
    let many = provider::stream_text(200, 20, 24);
    // In pieces that end anywhere but where an event ends.
    scene.platform.answer_next(Answer::sse(many.as_bytes().chunks(37), Ending::Hang));
    let answer = scene.chat(&with_usage(10)).expect_ok();
    assert_eq!(scene.platform.upstream_cancelled(), 1);
    scene.finish_background();
    let events = readable(&answer.text, 0);
    assert!(answer.text.contains("data: [DONE]"), "{}", answer.text);
    assert!(events.iter().any(|event| event["choices"][0]["finish_reason"] == "length"));
    let row = scene.rows().pop().unwrap();
    assert_eq!(row.outcome, "stopped_at_hold");
    assert!(row.cost > NanoEur::ZERO && row.cost <= answer.money("x-budget-held-eur"));
}

/// All events' data as JSON, but `[DONE]`.
fn readable(text: &str, cut: usize) -> Vec<Value> {
    let data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| {
            serde_json::from_str(data).unwrap_or_else(|error| panic!("cut at {cut}: {error}: {data}"))
        })
        .collect()
}
