//! One seed from its beginning to its verdict.

use crate::actors::clients;
use crate::actors::directory;
use crate::actors::operators;
use crate::actors::scheduler;
use crate::checks::verdict;
use crate::dice::Dice;
use crate::hosts::database;
use crate::hosts::disasters;
use crate::hosts::executor::Stop;
use crate::mutants::Mutant;
use crate::profile::Profile;
use crate::setting;
use crate::statistics::Counts;
use crate::world::{NATURE, Setting, Violation, World};
use core::time::Duration;
use domain::account::{Account, Command, HOLD_TTL_MAX, RESERVE_VALIDITY};
use domain::host_clocks::SKEW_MAX;
use domain::state_machine::StateMachine;
use platform::resident::encode;
use rusqlite::Connection;
use std::rc::Rc;

/// After the healing all holds are past their deadlines, whatever clocks their hosts had.
const HEALING_TAKES: Duration =
    Duration::from_secs(HOLD_TTL_MAX.as_secs() + RESERVE_VALIDITY.as_secs() + 3 * SKEW_MAX.as_secs() + 600);
/// Wakes and deliveries after the healing; one is enough where nothing is wrong.
const ROUNDS_MAX: usize = 4;

/// What one seed came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub violation: Option<Violation>,
    /// Of everything that happened; two runs of a seed have the same.
    pub trace_hash: u64,
    pub trace_events: u64,
    /// The last lines that touch the violation's account, if they were recorded.
    pub lines: Vec<String>,
    pub counts: Counts,
}

/// Must run on a thread of its own: the functions keep memory per thread, as they do per isolate.
pub fn run(
    connection: Connection,
    seed: u64,
    profile: &'static Profile,
    mutant: &'static Mutant,
    recording: bool,
) -> (Connection, Outcome) {
    let database = database::World::begin(connection);
    let dice = Dice::new(seed, "setting");
    let begins = setting::of(&dice, profile);
    setting::furnish(&database, &dice, &begins);
    let world = World::new(&Setting { seed, profile, mutant, recording }, database, begins);
    live(&world);
    if !world.is_violated() {
        verdict::pronounce(&world);
    }
    let violation = world.violation();
    let lines = violation
        .as_ref()
        .map_or_else(Vec::new, |found| world.trace.last_of(found.account, found.request.as_deref()));
    let outcome = Outcome {
        trace_hash: world.trace.hash(),
        trace_events: world.trace.events(),
        lines,
        counts: world.statistics.counts(),
        violation,
    };
    world.healed.set(true);
    world.executor.clear();
    let world = Rc::into_inner(world).expect("only tasks share a world, and all of them are gone");
    (world.database.end(), outcome)
}

fn live(world: &Rc<World>) {
    world.work(NATURE, Box::pin(directory::introduce(world.clone())));
    until_done(world);
    clients::start(world);
    operators::start(world);
    disasters::start(world);
    until_done(world);
    // What follows a broken promise tells nothing more.
    if !world.is_violated() {
        heal(world);
    }
}

/// Until clients, operators and disasters are through, or a promise is broken.
fn until_done(world: &Rc<World>) {
    let stop = world.executor.run(|| world.is_violated() || world.at_work.get() == 0);
    match stop {
        Stop::Asked => {}
        Stop::Idle => world.violated(None, "somebody waits for something that never comes".into()),
        Stop::Endless => world.violated(None, "the world goes round in circles".into()),
    }
}

/// No more faults; what is under way arrives, deadlines pass, everything is woken and delivered.
fn heal(world: &Rc<World>) {
    world.healed.set(true);
    world.database_down.set(false);
    world.note(None, "healed", 0, String::new);
    settle_down(world);
    for call in world.calls.borrow().iter() {
        call.is_over();
    }
    world.jump(HEALING_TAKES);
    scheduler::run_once(world);
    settle_down(world);
    for _ in 0..ROUNDS_MAX {
        for key in world.keys() {
            world.wake(&key);
        }
        settle_down(world);
    }
    recall_everything(world);
    for key in world.keys() {
        let left = world.undelivered(&key);
        if left > 0 {
            world.violated(world.account_of(&key.1), format!("{left} events are never delivered"));
        }
    }
}

/// Everybody gives back what they lease and do not need; notices leave.
fn recall_everything(world: &Rc<World>) {
    for account in &world.accounts {
        // A machine that dies no more answers.
        let _ =
            world.step_and_arm(&(Account::KIND, account.name.clone()), &encode(&Command::GiveBack(0)), None);
    }
    scheduler::run_once(world);
    settle_down(world);
}

/// Until nothing moves any more.
fn settle_down(world: &World) {
    if world.executor.run(|| world.is_violated()) == Stop::Endless {
        world.violated(None, "the world never comes to rest".into());
    }
}
