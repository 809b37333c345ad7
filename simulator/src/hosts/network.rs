//! Messages to machines: lost, late, repeated, out of order; answers likewise.

use crate::hosts::machines::{Death, Key};
use crate::hosts::mail::{Sender, channel};
use crate::mutants::HostFlaw;
use crate::world::{NATURE, World};
use core::pin::pin;
use core::time::Duration;
use domain::account::OPERATION_MEMORY;
use domain::time::Timestamp;
use futures_util::future::{Either, select};
use platform::PlatformError;
use std::rc::Rc;

/// A machine that does not answer within this fails its caller, as on Workers.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// A usual way, there or back.
const WAY_MS: (u64, u64) = (1, 12);
/// A way that is too long for whoever waits, mostly.
const DETOUR_MS: (u64, u64) = (500, 120_000);
/// How late a repetition may come: up to a day and more.
const REPEATED_AFTER_MS: [(u64, u64); 3] = [(1, 40), (1_000, 900_000), (80_000_000, 100_000_000)];
const REPETITIONS: (u64, u64) = (1, 4);
/// Operations are known by their ids for so long; nobody tries one, and no message is under way, for longer
/// than half of it.
const AGE_MAX: Duration = Duration::from_secs(OPERATION_MEMORY.as_secs() / 2);

type Answer = Result<Vec<u8>, PlatformError>;

/// What becomes of one message.
#[derive(Default)]
struct Fate {
    there_ms: u64,
    back_ms: u64,
    lost_there: bool,
    lost_back: bool,
    death: Option<Death>,
}

impl World {
    /// Sends a command to the named machine and waits for the reply, within bounds. `repeated` hears it if
    /// the network will deliver it more than once.
    pub async fn ask(self: &Rc<Self>, key: Key, command: Vec<u8>, repeated: impl FnOnce()) -> Answer {
        let (sender, receiver) = channel();
        let fate = self.fate();
        if self.repeat(&key, &command) {
            repeated();
        }
        self.executor.spawn(NATURE, Box::pin(carry(self.clone(), key.clone(), command, fate, Some(sender))));
        match select(pin!(receiver.next()), pin!(self.executor.sleep(ANSWER_WAIT))).await {
            Either::Left((Some(answer), _)) => answer,
            Either::Left((None, _)) => Err(PlatformError::unavailable("the connection broke")),
            Either::Right(_) => Err(PlatformError::timed_out(key.1)),
        }
    }

    fn fate(&self) -> Fate {
        let (dice, faults) = (&self.dice.network, &self.profile.faults);
        let way = || {
            let way = if self.strikes(dice, faults.delayed) { DETOUR_MS } else { WAY_MS };
            dice.between(way)
        };
        let lost = self.strikes(dice, faults.lost);
        let lost_there = lost && dice.one_in(2);
        let death = self
            .strikes(dice, faults.machine_dies)
            .then(|| *dice.pick(&[Death::BeforeStep, Death::BeforeStore, Death::AfterStore]));
        Fate { there_ms: way(), back_ms: way(), lost_there, lost_back: lost && !lost_there, death }
    }

    fn repeat(self: &Rc<Self>, key: &Key, command: &[u8]) -> bool {
        let dice = &self.dice.network;
        if !self.strikes(dice, self.profile.faults.repeated) {
            return false;
        }
        for _ in 0..dice.between(REPETITIONS) {
            self.statistics.count("messages repeated");
            let there_ms = dice.between(*dice.pick(&REPEATED_AFTER_MS));
            let fate = Fate { there_ms, ..Fate::default() };
            let copy = carry(self.clone(), key.clone(), command.to_vec(), fate, None);
            self.executor.spawn(NATURE, Box::pin(copy));
        }
        true
    }
}

async fn carry(world: Rc<World>, key: Key, command: Vec<u8>, fate: Fate, sender: Option<Sender<Answer>>) {
    let sent_at = world.wall();
    world.executor.sleep_ms(fate.there_ms).await;
    if fate.lost_there || (world.cut_off.borrow().contains(&key) && !world.healed.get()) {
        world.statistics.count("messages lost");
        world.note(world.account_of(&key.1), "message lost", 0, String::new);
        return silence(&world, sender).await;
    }
    if is_too_old(sent_at, world.wall()) {
        return;
    }
    let answer = if world.mutant.host == HostFlaw::StepsOnAStaleCopy {
        let copy = world.rows_of(&key);
        world.executor.sleep_ms(world.dice.machines.between((0, 3))).await;
        world.step_on_a_stale_copy(&key, copy, &command)
    } else {
        world.step_and_arm(&key, &command, fate.death)
    };
    world.executor.sleep_ms(fate.back_ms).await;
    if fate.lost_back {
        world.statistics.count("answers lost");
        world.note(world.account_of(&key.1), "answer lost", 0, String::new);
        return silence(&world, sender).await;
    }
    if let Some(sender) = sender {
        sender.send(answer);
    }
}

/// Whether its operation may be forgotten.
pub fn is_too_old(sent_at: Timestamp, now: Timestamp) -> bool {
    now.since(sent_at) >= AGE_MAX
}

/// A broken connection tells its caller at once, or lets him wait.
async fn silence(world: &World, sender: Option<Sender<Answer>>) {
    if sender.is_some() && world.dice.network.one_in(2) {
        world.executor.sleep(ANSWER_WAIT * 2).await;
    }
}
