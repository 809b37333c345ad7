//! Everything that is no call: pushes of configurations, top-ups, reports, corrections, resets, and the
//! scheduler.

use crate::network::is_too_old;
use crate::platform::SimulatedPlatform;
use crate::world::{CRON, NATURE, OPERATOR, World};
use domain::account::{Account, Adjust, Command, Report, Served, TopUp};
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::price::{Tariff, Usage};
use platform::{AtomicState, Clock, Database};
use std::rc::Rc;
use store::users::UserChange;
use store::{pending_pushes, users};

/// Tries of one operation, under one id.
const TRIES_MAX: u64 = 6;
/// Between two operations.
const PAUSE_MS: (u64, u64) = (0, 120_000);
/// Between two runs of the scheduler; sometimes two run at once.
const CRON_EVERY_MS: u64 = 300_000;
/// Until every account has heard of its user, tries without end would be a bug.
const FIRST_PUSH_TRIES_MAX: u64 = 200;

pub fn start(world: &Rc<World>) {
    world.work(NATURE, Box::pin(operate(world.clone())));
    world.executor.spawn(NATURE, Box::pin(schedule(world.clone())));
}

/// Tells every account who it is, before the first client comes.
pub async fn introduce(world: Rc<World>) {
    let platform = SimulatedPlatform::of_host(world.clone(), OPERATOR);
    for customer in &world.accounts {
        for _ in 0..FIRST_PUSH_TRIES_MAX {
            if pending_pushes::push(&platform, customer.id).await.is_ok() {
                break;
            }
            world.executor.sleep_ms(500).await;
        }
    }
}

async fn operate(world: Rc<World>) {
    let platform = SimulatedPlatform::of_host(world.clone(), OPERATOR);
    let dice = &world.dice.clients;
    for number in 0..dice.between(world.profile.operations) {
        world.executor.sleep_ms(dice.between(PAUSE_MS)).await;
        let account = dice.below(world.accounts.len() as u64) as usize;
        if dice.one_in(3) {
            change(&world, &platform, account).await;
            continue;
        }
        let command = command(&world, number);
        world.statistics.count("operations");
        world.note(Some(account), "operation", number, || format!("{command:?}"));
        let first_try = world.wall();
        for _ in 0..TRIES_MAX {
            if is_too_old(first_try, world.wall()) {
                break;
            }
            let name = &world.accounts[account].name;
            if platform.apply::<Account>(name, command.clone()).await.is_ok() {
                break;
            }
            world.executor.sleep_ms(dice.below(2_000)).await;
        }
    }
}

fn command(world: &World, number: u64) -> Command {
    let dice = &world.dice.clients;
    let operation_id = RequestId::of_foreign("simulated", &number.to_string());
    let amount = |most: u64| NanoEur::saturating(i64::try_from(dice.below(most)).unwrap_or(0));
    match dice.below(6) {
        0 | 1 => Command::TopUp(TopUp { operation_id, amount: amount(800_000) }),
        2 => Command::Report(Box::new(Report {
            operation_id,
            model: "elsewhere".into(),
            usage: Usage::default(),
            cost: Some(amount(300_000)),
            tariff: Tariff::default(),
            served: Served::default(),
            tags: Vec::new(),
            foreign_id: number.to_string(),
        })),
        3 => {
            let charge = amount(200_000);
            let amount = if dice.one_in(2) { charge } else { NanoEur::ZERO.saturating_sub(charge) };
            Command::Adjust(Adjust { operation_id, amount, reason: "simulated".into() })
        }
        4 => Command::Reset,
        _ => Command::Inspect,
    }
}

/// As the billing function does it: the change and its pending push in one commit, then the push itself.
async fn change(world: &World, platform: &SimulatedPlatform, account: usize) {
    let customer = &world.accounts[account];
    let budget = world.dice.clients.below(2 * customer.budget_at_first.unsigned_abs());
    let change = UserChange {
        budget: Some(NanoEur::saturating(i64::try_from(budget).unwrap_or(0))),
        ..UserChange::default()
    };
    world.statistics.count("limits changed");
    world.note(Some(account), "change", budget, || format!("budget becomes {budget}"));
    let now = platform.now();
    let statements = vec![users::update(customer.id, &change, now), pending_pushes::add(customer.id, now)];
    if platform.commit(statements).await.is_ok() {
        // What does not arrive stays pending, for the scheduler.
        let _ = pending_pushes::push(platform, customer.id).await;
    }
}

/// The real scheduled function, now and then twice at once, and as mortal as any host.
async fn schedule(world: Rc<World>) {
    while world.at_work.get() > 0 {
        world.executor.sleep_ms(CRON_EVERY_MS).await;
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
        if summary.failures > 0 && all_is_well {
            witness.violated(None, format!("the scheduler fails, though all is well: {summary:?}"));
        }
    };
    world.executor.spawn(CRON, Box::pin(run));
}
