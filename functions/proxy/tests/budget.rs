//! Money: never above the hold, never a shrunk hold, never without a price.

mod scene;

use domain::money::NanoEur;
use domain::routing::PriceFields;
use futures_executor::block_on;
use futures_util::future::join_all;
use http::HeaderValue;
use platform_memory::{Answer, Ending};
use scene::{MODEL, PROVIDER_KEY, Scene, UPSTREAM_MODEL, provider, question, streamed_question};
use serde_json::Value;

/// What a call may cost at most, as a refusal names it.
fn worst_case(body: &Value) -> NanoEur {
    let scene = Scene::with_budget(NanoEur::ZERO);
    let error = scene.chat(body).expect_error(403, "budget_exceeded");
    assert_eq!(error["affordable_max_tokens"], Value::Null);
    assert_eq!(scene.platform.upstream_calls(), 0);
    NanoEur::parse_euros(error["needed"].as_str().unwrap()).unwrap()
}

fn upstream_body(scene: &Scene) -> Value {
    serde_json::from_slice(scene.platform.upstream_requests().last().unwrap().body()).unwrap()
}

#[test]
fn p01_a_provider_that_bills_three_times_the_hold_is_paid_by_us_and_not_by_the_caller() {
    let hold = worst_case(&question(100));
    // Only output, so that its price is about three times the hold.
    let output = 3 * u64::try_from(hold.get()).unwrap() / 662;
    for streamed in [false, true] {
        let scene = Scene::new();
        let (body, answer) = if streamed {
            (streamed_question(100), provider::stream(3, 1, output))
        } else {
            (question(100), provider::completion(1, output))
        };
        scene.platform.answer_next(answer);
        let answer = scene.chat(&body).expect_ok();
        if !streamed {
            assert_eq!(answer.money("x-cost-eur"), hold);
            assert_eq!(answer.money("x-budget-remaining-eur"), NanoEur::euros(1).saturating_sub(hold));
        }
        scene.finish_background();
        let row = scene.only_row();
        assert_eq!(row.cost, hold);
        let price = row.tariff.price(&row.usage).unwrap().cost;
        assert!(price > hold.saturating_add(hold), "{price} is not about three times {hold}");
        assert_eq!(row.overrun, price.saturating_sub(hold));
    }
}

#[test]
fn p01_of_a_thousand_calls_at_once_as_many_pass_as_the_budget_pays() {
    let body = streamed_question(100);
    let hold = worst_case(&body);
    let scene = Scene::with_budget(NanoEur::saturating(10 * hold.get()));
    scene.platform.answer_with(|_| Answer::sse(provider::deltas(1), Ending::Hang));
    let calls = (0..1_000).map(|_| proxy::handle(&scene.platform, scene.request(&body)));
    let responses = block_on(join_all(calls));
    let with_status = |status: u16| responses.iter().filter(|one| one.status().as_u16() == status).count();
    assert_eq!((with_status(200), with_status(403)), (10, 990));
    assert_eq!(scene.platform.upstream_calls(), 10);
    assert_eq!(scene.balance().remaining, NanoEur::ZERO);
    drop(responses);
    scene.finish_background();
    assert_eq!(scene.platform.upstream_cancelled(), 10);
    let (balance, rows) = (scene.balance(), scene.rows());
    assert_eq!((balance.reserved, rows.len()), (NanoEur::ZERO, 10));
    assert_eq!(balance.used, rows.iter().map(|row| row.cost).sum());
}

#[test]
fn p02_half_the_money_is_a_refusal_that_names_the_affordable_ceiling() {
    let hold = worst_case(&question(1_000));
    let scene = Scene::with_budget(NanoEur::saturating(hold.get() / 2));
    let error = scene.chat(&question(1_000)).expect_error(403, "budget_exceeded");
    let affordable = error["affordable_max_tokens"].as_u64().unwrap();
    assert!((1..1_000).contains(&affordable), "{affordable}");
    assert_eq!(error["limit_source"], "user");
    assert_eq!(scene.platform.upstream_calls(), 0);
    scene.expect_untouched();

    // What it names fits, and one token more does not.
    scene.chat(&question(affordable + 1)).expect_error(403, "budget_exceeded");
    assert_eq!(scene.platform.upstream_calls(), 0);
    scene.platform.answer_next(provider::completion(20, 5));
    scene.chat(&question(affordable)).expect_ok();
}

#[test]
fn p02_a_clamped_call_goes_out_with_exactly_the_ceiling_that_its_hold_pays() {
    let hold = worst_case(&question(1_000));
    let budget = NanoEur::saturating(hold.get() / 2);
    let scene = Scene::with_budget(budget);
    let refusal = scene.chat(&question(1_000)).expect_error(403, "budget_exceeded");

    let mut request = scene.request(&question(1_000));
    request.headers_mut().insert("x-budget-clamp", HeaderValue::from_static("allow"));
    scene.platform.answer_next(provider::completion(20, 5));
    scene.send(request).expect_ok();
    assert_eq!(upstream_body(&scene)["max_tokens"], refusal["affordable_max_tokens"]);
    scene.finish_background();
    assert!(scene.only_row().cost <= budget);
}

#[test]
fn the_provider_gets_its_own_key_and_model_and_never_the_callers_key() {
    let scene = Scene::new();
    scene.platform.answer_next(provider::completion(20, 5));
    scene.chat(&question(100)).expect_ok();
    let request = scene.platform.upstream_requests().remove(0);
    assert_eq!(request.uri(), "http://provider.test/v1/chat/completions");
    assert_eq!(request.headers()["authorization"], format!("Bearer {PROVIDER_KEY}"));
    assert!(!format!("{request:?}").contains(&scene.key));
    let body = upstream_body(&scene);
    assert_eq!((&body["model"], &body["max_tokens"]), (&UPSTREAM_MODEL.into(), &100.into()));
}

#[test]
fn p08_a_model_whose_prices_are_not_all_known_refuses() {
    let known = Some(150_000_000);
    let prices = [
        PriceFields::default(),
        PriceFields { input: known, ..PriceFields::default() },
        PriceFields { output: known, ..PriceFields::default() },
    ];
    for prices in prices {
        let scene = Scene::new();
        scene.price(MODEL, prices);
        for body in [question(100), streamed_question(100)] {
            let error = scene.chat(&body).expect_error(400, "unpriced_model");
            assert_eq!(error["param"], "model");
        }
        assert_eq!(scene.platform.upstream_calls(), 0);
        scene.expect_untouched();
    }
}

#[test]
fn p10_a_provider_that_ignores_the_ceiling_is_stopped_at_the_hold() {
    let scene = Scene::new();
    scene.platform.answer_next(Answer::sse(provider::deltas(200), Ending::Hang));
    let answer = scene.chat(&streamed_question(10)).expect_ok();
    let events: Vec<&str> = answer.text.trim_end().split("\n\n").collect();
    let [.., reason, done, cost] = events.as_slice() else { panic!("{}", answer.text) };
    assert!(reason.contains("\"finish_reason\":\"length\""), "{reason}");
    assert_eq!(*done, "data: [DONE]");
    assert_eq!(scene.platform.upstream_cancelled(), 1);
    scene.finish_background();
    let row = scene.only_row();
    assert_eq!(row.outcome, "stopped_at_hold");
    assert_eq!(*cost, format!(": cost_eur={}", row.cost));
    assert!(row.cost > NanoEur::ZERO && row.cost <= answer.money("x-budget-held-eur"));
}

#[test]
fn a_new_price_holds_from_the_next_call_although_the_route_is_in_memory() {
    let scene = Scene::new();
    scene.platform.answer_with(|_| provider::completion(20, 5));
    let before = scene.chat(&question(100)).expect_ok().money("x-cost-eur");

    let dearer =
        PriceFields { input: Some(300_000_000), output: Some(1_200_000_000), ..PriceFields::default() };
    scene.price(MODEL, dearer);
    scene.configure_routing(2, NanoEur::euros(1), vec![scene.key_entry(&scene.key)], 2);
    let after = scene.chat(&question(100)).expect_ok().money("x-cost-eur");
    assert_eq!(after, before.saturating_add(before));
    assert_eq!(scene.platform.upstream_calls(), 2);
}

#[test]
fn an_answer_that_cannot_be_used_is_free() {
    let unusable: [fn() -> Answer; 6] = [
        || Answer::json(200, "not JSON"),
        || Answer::json(200, "{\"choices\":[]}"),
        || Answer::json(500, "{}"),
        || Answer::json(400, "{\"error\":{\"message\":\"no\"}}"),
        || Answer::Hang,
        || Answer::Fail(platform::PlatformError::unavailable("refused by the script")),
    ];
    for (at, answer) in unusable.into_iter().enumerate() {
        let scene = Scene::new();
        scene.platform.answer_next(answer());
        let status = scene.chat(&question(100)).status.as_u16();
        assert_eq!(status, [502, 502, 502, 400, 504, 502][at], "answer {at}");
        scene.finish_background();
        scene.expect_untouched();
    }
}

#[test]
fn p01_a_report_of_nothing_beside_an_answer_is_no_report() {
    let scene = Scene::new();
    scene.platform.answer_next(provider::completion(0, 0));
    scene.chat(&question(100)).expect_ok();
    scene.finish_background();
    let row = scene.only_row();
    assert!(row.estimated && row.cost > NanoEur::ZERO, "{:?}", row.usage);
}
