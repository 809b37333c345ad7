//! A ledger that fails before, during and after a call: closed at the start, exact at the end.

mod scene;

use domain::account::{Account, HOLD_TTL};
use domain::money::NanoEur;
use platform_memory::{Answer, Ending, Fault};
use scene::{Scene, provider, pull, question, streamed_question};

const FAULTS: [Fault; 6] = [
    Fault::BeforeStep,
    Fault::AfterStore,
    Fault::CrashBeforeStore,
    Fault::CrashAfterStore,
    Fault::HangBeforeStep,
    Fault::HangAfterStore,
];

#[track_caller]
fn expect_refused_unsent(scene: &Scene) {
    let answer = scene.chat(&question(100));
    answer.expect_error(503, "ledger_unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert_eq!(scene.platform.upstream_calls(), 0);
}

/// The faults hit from the moment that the provider is called.
fn fail_after_reserve(scene: &Scene, faults: Vec<Fault>, answer: fn() -> Answer) {
    let platform = scene.platform.clone();
    scene.platform.answer_with(move |_| {
        faults.iter().for_each(|fault| platform.inject(*fault));
        answer()
    });
}

#[test]
fn p06_a_reservation_that_keeps_failing_refuses_and_leaves_nothing_reserved() {
    for first in FAULTS {
        for second in FAULTS {
            let scene = Scene::new();
            scene.platform.inject(first);
            scene.platform.inject(second);
            expect_refused_unsent(&scene);
            scene.finish_background();
            scene.expect_untouched();
        }
    }
}

#[test]
fn p06_a_release_that_also_fails_for_a_while_still_frees_the_hold() {
    for fault in FAULTS {
        let scene = Scene::new();
        scene.platform.inject(Fault::HangAfterStore);
        (0..4).for_each(|_| scene.platform.inject(fault));
        expect_refused_unsent(&scene);
        scene.finish_background();
        scene.expect_untouched();
    }
}

#[test]
fn p06_a_ledger_out_of_reach_refuses_every_call_and_recovers() {
    let scene = Scene::new();
    scene.platform.set_state_down(true);
    (0..3).for_each(|_| expect_refused_unsent(&scene));
    scene.finish_background();
    scene.platform.set_state_down(false);
    scene.expect_untouched();
    scene.platform.answer_next(provider::completion(20, 5));
    scene.chat(&question(100)).expect_ok();
}

#[test]
fn p06_a_directory_out_of_reach_refuses() {
    let scene = Scene::new();
    scene.platform.set_database_down(true);
    scene.chat(&question(100)).expect_error(503, "directory_unavailable");
    assert_eq!(scene.platform.upstream_calls(), 0);
    scene.platform.set_database_down(false);
    scene.expect_untouched();
}

#[test]
fn p04_a_reservation_whose_reply_is_lost_once_holds_once() {
    for fault in [Fault::AfterStore, Fault::CrashAfterStore, Fault::BeforeStep, Fault::CrashBeforeStore] {
        let scene = Scene::new();
        scene.platform.inject(fault);
        scene.platform.answer_next(provider::completion(20, 5));
        scene.chat(&question(100)).expect_ok();
        scene.finish_background();
        assert_eq!(scene.only_row().usage.output, 5, "{fault:?}");
        assert_eq!(scene.platform.upstream_calls(), 1);
    }
}

#[test]
fn p04_a_settlement_whose_reply_is_lost_charges_once() {
    for fault in FAULTS {
        for (body, answer) in [
            (question(100), (|| provider::completion(20, 5)) as fn() -> Answer),
            (streamed_question(100), || provider::stream(2, 20, 5)),
        ] {
            let scene = Scene::new();
            fail_after_reserve(&scene, vec![fault], answer);
            scene.chat(&body).expect_ok();
            scene.finish_background();
            let row = scene.only_row();
            assert_eq!((row.usage.input, row.usage.output), (20, 5), "{fault:?}");
            assert_eq!(row.outcome, "completed");
        }
    }
}

#[test]
fn p03_a_settlement_that_fails_for_a_while_is_made_in_the_background() {
    for fault in FAULTS {
        let scene = Scene::new();
        fail_after_reserve(&scene, vec![fault; 5], || provider::completion(20, 5));
        let answer = scene.chat(&question(100)).expect_ok();
        scene.finish_background();
        let row = scene.only_row();
        assert_eq!((row.usage.output, row.cost), (5, answer.money("x-cost-eur")), "{fault:?}");
    }
}

#[test]
fn p03_an_end_that_a_dying_host_loses_is_charged_at_the_input_estimate_when_its_hold_expires() {
    let scene = Scene::new();
    scene.platform.answer_next(Answer::sse(provider::deltas(5), Ending::Hang));
    let mut body = scene.open(scene.request(&streamed_question(100))).into_body();
    pull(&mut body, 5);
    drop(body);
    scene.platform.crash();
    assert!(scene.balance().reserved > NanoEur::ZERO);

    scene.platform.advance(HOLD_TTL);
    scene.platform.wake_due::<Account>().unwrap();
    let row = scene.only_row();
    assert_eq!((row.outcome.as_str(), row.usage.output), ("expired", 0));
    assert!(row.cost > NanoEur::ZERO);
}

#[test]
fn p03_a_long_stream_tells_how_far_it_is_so_that_a_crash_loses_little() {
    let scene = Scene::new();
    scene.platform.answer_next(Answer::sse(provider::deltas(5), Ending::Hang));
    let mut body = scene.open(scene.request(&streamed_question(100))).into_body();
    pull(&mut body, 3);
    scene.platform.advance(core::time::Duration::from_secs(61));
    pull(&mut body, 1);
    scene.finish_background();
    scene.platform.crash();
    drop(body);
    scene.platform.lose_background();

    scene.platform.advance(HOLD_TTL);
    scene.platform.wake_due::<Account>().unwrap();
    let row = scene.only_row();
    assert_eq!(row.outcome, "expired");
    assert_eq!(row.usage.output, 4 * provider::TOKENS_PER_DELTA);
}
