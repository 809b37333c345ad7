//! Everything that is no call: top-ups, refunds, reports, corrections, resets, holds of stated amounts, and
//! changes in the directory.

use crate::actors::directory;
use crate::actors::scheduler;
use crate::hosts::network::is_too_old;
use crate::hosts::platform::SimulatedPlatform;
use crate::world::{NATURE, OPERATOR, World};
use domain::account::{
    Account, Adjust, Command, RESERVE_VALIDITY, Refund, Refusal, Reply, Report, Reserve, Reset, Served, TopUp,
};
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::price::{Tariff, Usage};
use domain::tenant_pool::{self, TenantPool};
use platform::{AtomicState, Clock};
use std::rc::Rc;

/// Tries of one operation, under one id.
const TRIES_MAX: u64 = 6;
/// Between two operations.
const PAUSE_MS: (u64, u64) = (0, 120_000);
/// How often a hold of a stated amount asks the tenant's pool.
const GRANTS_MAX: u64 = 4;
/// How long the job behind such a hold takes.
const JOB_MS: (u64, u64) = (100, 30_000);

pub fn start(world: &Rc<World>) {
    world.work(NATURE, Box::pin(operate(world.clone())));
    world.executor.spawn(NATURE, Box::pin(scheduler::schedule(world.clone())));
}

async fn operate(world: Rc<World>) {
    let platform = SimulatedPlatform::of_host(world.clone(), OPERATOR);
    let dice = &world.dice.clients;
    for number in 0..dice.between(world.profile.operations) {
        world.executor.sleep_ms(dice.between(PAUSE_MS)).await;
        let account = dice.below(world.accounts.len() as u64) as usize;
        match dice.below(6) {
            0 | 1 => directory::change(&world, &platform, account).await,
            2 => do_a_job(&world, &platform, account, number).await,
            _ => {
                let command = command(&world, number);
                world.statistics.count("operations");
                world.note(Some(account), "operation", number, || format!("{command:?}"));
                persist(&world, &platform, account, command).await;
            }
        }
    }
}

/// Tried until it is answered, or too old.
async fn persist(
    world: &World,
    platform: &SimulatedPlatform,
    account: usize,
    command: Command,
) -> Option<Reply> {
    let first_try = world.wall();
    for _ in 0..TRIES_MAX {
        if is_too_old(first_try, world.wall()) {
            break;
        }
        let name = &world.accounts[account].name;
        if let Ok(reply) = platform.apply::<Account>(name, command.clone()).await {
            return Some(reply);
        }
        world.executor.sleep_ms(world.dice.clients.below(2_000)).await;
    }
    None
}

fn amount(world: &World, most: u64) -> NanoEur {
    NanoEur::saturating(i64::try_from(world.dice.clients.below(most)).unwrap_or(0))
}

fn command(world: &World, number: u64) -> Command {
    let dice = &world.dice.clients;
    let operation_id = RequestId::of_foreign("simulated", &number.to_string());
    match dice.below(8) {
        0 | 1 => Command::TopUp(TopUp { operation_id, amount: amount(world, 800_000) }),
        2 => Command::Refund(Refund { operation_id, amount: amount(world, 600_000) }),
        3 | 4 => report(number, amount(world, 300_000), None),
        5 => {
            let charge = amount(world, 200_000);
            let amount = if dice.one_in(2) { charge } else { NanoEur::ZERO.saturating_sub(charge) };
            Command::Adjust(Adjust { operation_id, amount, reason: "simulated".into() })
        }
        6 => Command::Reset(Reset { operation_id }),
        _ => Command::Inspect,
    }
}

fn report(number: u64, cost: NanoEur, hold: Option<RequestId>) -> Command {
    Command::Report(Box::new(Report {
        operation_id: RequestId::of_foreign("simulated", &number.to_string()),
        model: "elsewhere".into(),
        usage: Usage::default(),
        cost: Some(cost),
        tariff: Tariff::default(),
        served: Served::default(),
        tags: Vec::new(),
        foreign_id: number.to_string(),
        hold,
    }))
}

/// A service that knows a price and no tokens: it holds the most, works, and reports what it was. Now and then
/// nobody hears of it again.
async fn do_a_job(world: &World, platform: &SimulatedPlatform, account: usize, number: u64) {
    let dice = &world.dice.clients;
    let id = RequestId::of_foreign("simulated hold", &number.to_string());
    let most = amount(world, 200_000);
    world.statistics.count("holds of stated amounts");
    world.note(Some(account), "holds", number, || format!("{most} as {id}"));
    let Some(id) = hold(world, platform, account, id, most).await else { return };
    world.executor.sleep_ms(dice.between(JOB_MS)).await;
    if dice.one_in(5) {
        return;
    }
    // It may have cost more than was held.
    let cost = NanoEur::saturating(i64::try_from(dice.below(most.get().unsigned_abs() * 5 / 4)).unwrap_or(0));
    persist(world, platform, account, report(number, cost, Some(id))).await;
}

async fn hold(
    world: &World,
    platform: &SimulatedPlatform,
    account: usize,
    id: RequestId,
    amount: NanoEur,
) -> Option<RequestId> {
    let customer = &world.accounts[account];
    let mut reserve = Reserve {
        request_id: id,
        key: None,
        model: "elsewhere".into(),
        routing_version: 0,
        worst_case: Usage::default(),
        input_estimate: Usage::default(),
        tariff: Tariff::default(),
        valid_until: platform.now().plus(RESERVE_VALIDITY),
        clamp: false,
        choices: 1,
        served: Served::default(),
        tags: Vec::new(),
        grant: None,
        asked: 0,
        after_ends: None,
        amount: Some(amount),
    };
    for _ in 0..GRANTS_MAX {
        let command = Command::Reserve(Box::new(reserve.clone()));
        let needs = match platform.apply::<Account>(&customer.name, command).await {
            Ok(Reply::Reserved(_)) => return Some(reserve.request_id),
            Ok(Reply::NeedsGrant(needs)) => needs,
            Ok(Reply::Refused(Refusal::TooLate(moment))) => {
                (reserve.valid_until, reserve.after_ends) = (moment.valid_until(), Some(moment.ends));
                let again = format!("{id} {}", moment.now.as_millis());
                reserve.request_id = RequestId::of_foreign("simulated hold", &again);
                continue;
            }
            _ => return None,
        };
        let want = tenant_pool::Command::Want(customer.id, Box::new(needs.want));
        match platform.apply::<TenantPool>(&needs.pool, want).await {
            Ok(tenant_pool::Reply::Grant(grant)) => {
                (reserve.grant, reserve.asked) = (Some(grant), reserve.asked + 1)
            }
            _ => return None,
        }
    }
    None
}
