//! Random mishaps at the provider, the ledger, the host and the caller: whatever comes together, no hold
//! stays and the books agree.

mod scene;

use core::cell::RefCell;
use domain::account::{Account, HOLD_TTL_MAX};
use domain::money::NanoEur;
use futures_util::FutureExt;
use platform::{Body, PlatformError};
use platform_memory::{Answer, Ending, Fault};
use scene::{Scene, provider, pull, question, streamed_question};

const SEEDS: u64 = 300;
const CALLS_PER_SEED: usize = 4;

/// Numbers that a seed decides (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn fault(&mut self) -> Fault {
        use Fault::*;
        let all = [BeforeStep, AfterStore, CrashBeforeStore, CrashAfterStore, HangBeforeStep, HangAfterStore];
        all[self.below(all.len())]
    }

    fn faults(&mut self) -> Vec<Fault> {
        let count = self.below(4);
        (0..count).map(|_| self.fault()).collect()
    }

    fn ending(&mut self) -> Ending {
        [Ending::Clean, Ending::Broken, Ending::Hang][self.below(3)]
    }

    fn answer(&mut self) -> Answer {
        match self.below(9) {
            0 => provider::completion(20, 5),
            1 => Answer::json(200, "{\"choices\":[]}"),
            2 => Answer::json(200, "not JSON"),
            3 => Answer::json(500, "{}"),
            4 => Answer::json(429, "{}").header("retry-after", "2"),
            5 => Answer::Fail(PlatformError::unavailable("refused by the script")),
            6 => Answer::Hang,
            7 => Answer::sse([provider::deltas(3), provider::orderly_end(20, 6)].concat(), self.ending()),
            _ => Answer::sse(provider::deltas(self.below(80)), self.ending()),
        }
    }
}

/// Unlike a queued answer, this one does not wait for the next call when its own was refused.
fn answer_once(scene: &Scene, answer: Answer) {
    let answer = RefCell::new(Some(answer));
    scene.platform.answer_with(move |_| {
        answer.take().unwrap_or_else(|| Answer::Fail(PlatformError::unavailable("answered already")))
    });
}

/// One call with its mishaps, the caller's own among them.
fn call(scene: &Scene, dice: &mut Dice) {
    if dice.one_in(3) {
        dice.faults().into_iter().for_each(|fault| scene.platform.inject(fault));
    }
    answer_once(scene, dice.answer());
    let body = if dice.one_in(3) { question(100) } else { streamed_question(100) };
    let request = scene.request(&body);
    if dice.one_in(8) {
        // Leaves while the provider is silent.
        drop(Box::pin(proxy::handle(&scene.platform, request)).now_or_never());
        return;
    }
    let mut body = scene.open(request).into_body();
    if dice.one_in(2) {
        dice.faults().into_iter().for_each(|fault| scene.platform.inject(fault));
    }
    if matches!(body, Body::Stream(_)) {
        pull(&mut body, dice.below(100));
    }
}

#[test]
fn p05_no_hold_survives_any_mixture_of_mishaps() {
    for seed in 0..SEEDS {
        let scene = Scene::new();
        let mut dice = Dice(seed);
        for _ in 0..CALLS_PER_SEED {
            call(&scene, &mut dice);
            if dice.one_in(6) {
                scene.platform.crash();
            }
        }
        scene.finish_background();
        scene.platform.advance(HOLD_TTL_MAX);
        let balance = scene.balance();
        assert_eq!((balance.reserved, balance.open_holds), (NanoEur::ZERO, 0), "seed {seed}");
        scene.platform.wake_due::<Account>().unwrap();
        let rows = scene.rows();
        assert_eq!(balance.used, rows.iter().map(|row| row.cost).sum(), "seed {seed}: {rows:?}");
        assert!(rows.iter().all(|row| row.cost > NanoEur::ZERO), "seed {seed}: {rows:?}");
        assert!(rows.len() <= CALLS_PER_SEED, "seed {seed}: {rows:?}");

        // Nothing that happened refuses what fits.
        answer_once(&scene, provider::completion(20, 5));
        scene.chat(&question(100)).expect_ok();
        assert_eq!(scene.rows().len(), rows.len() + 1, "seed {seed}");
    }
}

#[test]
fn p05_mishaps_that_leave_the_ledger_alone_free_every_hold_without_waiting_for_its_expiry() {
    for seed in 0..SEEDS {
        let scene = Scene::new();
        let mut dice = Dice(seed);
        for _ in 0..CALLS_PER_SEED {
            scene.platform.answer_next(dice.answer());
            let body = if dice.one_in(3) { question(100) } else { streamed_question(100) };
            let mut body = scene.open(scene.request(&body)).into_body();
            if matches!(body, Body::Stream(_)) {
                pull(&mut body, dice.below(100));
            }
        }
        scene.finish_background();
        let balance = scene.balance();
        assert_eq!((balance.reserved, balance.open_holds), (NanoEur::ZERO, 0), "seed {seed}");
        assert!(scene.rows().iter().all(|row| row.outcome != "expired"), "seed {seed}");
    }
}
