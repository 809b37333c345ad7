//! What befalls a whole world: hosts that die of themselves, a database that is away, clocks that jump.

use crate::world::{NATURE, PROXIES, World};
use core::time::Duration;
use domain::state_machine::StateMachine;
use domain::tenant_pool::TenantPool;
use std::rc::Rc;

/// When a disaster comes, counted from the world's beginning.
const COMES_WITHIN_MS: u64 = 200_000;
const OUTAGE_MS: (u64, u64) = (1_000, 600_000);
/// Up to five weeks, so that months pass; mostly less than an hour, so that holds expire in the middle of calls.
const JUMPS_HOURS: [(u64, u64); 3] = [(0, 1), (1, 48), (24, 35 * 24)];

pub fn start(world: &Rc<World>) {
    let (dice, disasters) = (&world.dice.disasters, &world.profile.disasters);
    for _ in 0..dice.between(disasters.host_kills) {
        world.work(NATURE, Box::pin(kill_a_host(world.clone())));
    }
    for _ in 0..dice.between(disasters.machine_kills) {
        world.work(NATURE, Box::pin(kill_a_machine(world.clone())));
    }
    for _ in 0..dice.between(disasters.database_outages) {
        world.work(NATURE, Box::pin(take_the_database_away(world.clone())));
    }
    for _ in 0..dice.between(disasters.cut_offs) {
        world.work(NATURE, Box::pin(cut_a_machine_off(world.clone())));
    }
    for _ in 0..dice.between(disasters.clock_jumps) {
        world.work(NATURE, Box::pin(jump(world.clone())));
    }
}

async fn comes(world: &World) {
    world.executor.sleep_ms(world.dice.disasters.below(COMES_WITHIN_MS)).await;
}

async fn kill_a_host(world: Rc<World>) {
    comes(&world).await;
    world.kill_host(*world.dice.disasters.pick(&PROXIES), "host died of itself");
}

async fn kill_a_machine(world: Rc<World>) {
    comes(&world).await;
    let keys = world.keys();
    if !keys.is_empty() {
        world.machine_dies(world.dice.disasters.pick(&keys), "machine died of itself");
    }
}

/// Mostly a pool: an account is one user's trouble, a pool is everybody's.
async fn cut_a_machine_off(world: Rc<World>) {
    comes(&world).await;
    let dice = &world.dice.disasters;
    let mut keys = world.keys();
    if dice.one_in(2) {
        keys.retain(|key| key.0 == TenantPool::KIND);
    }
    if keys.is_empty() {
        return;
    }
    let key = dice.pick(&keys).clone();
    world.statistics.count("machines cut off");
    world.note(None, "cut off", 0, || key.1.clone());
    world.cut_off.borrow_mut().insert(key.clone());
    world.executor.sleep_ms(dice.between(OUTAGE_MS)).await;
    world.cut_off.borrow_mut().remove(&key);
}

async fn take_the_database_away(world: Rc<World>) {
    comes(&world).await;
    world.note(None, "database", 0, || "goes away".into());
    world.database_down.set(true);
    world.executor.sleep_ms(world.dice.disasters.between(OUTAGE_MS)).await;
    world.database_down.set(false);
    world.note(None, "database", 1, || "is back".into());
}

async fn jump(world: Rc<World>) {
    comes(&world).await;
    let dice = &world.dice.disasters;
    let (low, high) = *dice.pick(&JUMPS_HOURS);
    let millis = dice.between((low * 3_600_000, high * 3_600_000));
    world.jump(Duration::from_millis(millis));
}
