//! The scheduler: the real function, now and then twice at once, and as mortal as any host.

use crate::hosts::platform::SimulatedPlatform;
use crate::world::{CRON, World};
use std::rc::Rc;

/// Between two runs; sometimes two run at once.
const EVERY_MS: u64 = 300_000;

pub async fn schedule(world: Rc<World>) {
    while world.at_work.get() > 0 {
        world.executor.sleep_ms(EVERY_MS).await;
        let runs = if world.dice.disasters.one_in(4) { 2 } else { 1 };
        for _ in 0..runs {
            run_once(&world);
        }
        if world.strikes(&world.dice.disasters, world.profile.faults.host_dies) {
            world.executor.sleep_ms(world.dice.disasters.below(60)).await;
            world.kill_host(CRON, "scheduler died");
        }
    }
}

pub fn run_once(world: &Rc<World>) {
    let platform = SimulatedPlatform::of_host(world.clone(), CRON);
    let (witness, all_is_well) = (world.clone(), world.healed.get());
    let run = async move {
        let summary = cron_reset::scheduled(&platform, "*/5 * * * *").await;
        if summary.all_failures() > 0 && all_is_well {
            witness.violated(None, format!("the scheduler fails, though all is well: {summary:?}"));
        }
    };
    world.executor.spawn(CRON, Box::pin(run));
}
