//! Changes in the directory, as the billing function makes them: the change and its pending push in one commit,
//! then the push itself. What does not arrive stays pending, for the scheduler.

use crate::actors::limits;
use crate::hosts::platform::SimulatedPlatform;
use crate::world::{OPERATOR, World};
use domain::money::NanoEur;
use platform::{Clock, Database, Statement};
use std::rc::Rc;
use store::pending_pushes;
use store::tenant_pools::{self, TenantLimits};
use store::users::{self, UserChange};

/// Until every account has heard of its user, tries without end would be a bug.
const FIRST_PUSH_TRIES_MAX: u64 = 200;
const TRY_AGAIN_MS: u64 = 500;

/// Tells every account and pool who it is, before the first client comes.
pub async fn introduce(world: Rc<World>) {
    let platform = SimulatedPlatform::of_host(world.clone(), OPERATOR);
    for tenant in &world.tenants {
        for _ in 0..FIRST_PUSH_TRIES_MAX {
            if tenant_pools::push(&platform, &tenant.id).await.is_ok() {
                break;
            }
            world.executor.sleep_ms(TRY_AGAIN_MS).await;
        }
    }
    for customer in &world.accounts {
        for _ in 0..FIRST_PUSH_TRIES_MAX {
            if pending_pushes::push(&platform, customer.id).await.is_ok() {
                break;
            }
            world.executor.sleep_ms(TRY_AGAIN_MS).await;
        }
    }
}

/// Some change of a user's or a tenant's limits, or a user's end.
pub async fn change(world: &World, platform: &SimulatedPlatform, account: usize) {
    match world.dice.clients.below(15) {
        0..4 => change_users_budget(world, platform, account).await,
        4..7 => change_tenants_budget(world, platform, world.accounts[account].tenant).await,
        7 => close(world, platform, account).await,
        8..10 => limits::change_a_key(world, platform, account).await,
        10 => limits::revoke_a_key(world, platform, account).await,
        11..13 => limits::change_users_rates(world, platform, account).await,
        _ => limits::change_a_tenant(world, platform, account).await,
    }
}

fn up_to_twice(world: &World, amount: i64) -> NanoEur {
    let budget = world.dice.clients.below(2 * amount.unsigned_abs());
    NanoEur::saturating(i64::try_from(budget).unwrap_or(0))
}

async fn change_users_budget(world: &World, platform: &SimulatedPlatform, account: usize) {
    let customer = &world.accounts[account];
    let budget = up_to_twice(world, customer.budget_at_first);
    let change = UserChange { budget: Some(budget), ..UserChange::default() };
    world.statistics.count("limits changed");
    world.note(Some(account), "change", budget.get().unsigned_abs(), || format!("budget becomes {budget}"));
    let now = platform.now();
    let statements = vec![users::update(customer.id, &change, now), pending_pushes::add(customer.id, now)];
    if platform.commit(statements).await.is_ok() {
        let _ = pending_pushes::push(platform, customer.id).await;
    }
}

async fn change_tenants_budget(world: &World, platform: &SimulatedPlatform, tenant: usize) {
    let tenant = &world.tenants[tenant];
    let Some(at_first) = tenant.budget_at_first else { return };
    let budget = up_to_twice(world, at_first);
    world.statistics.count("tenants' limits changed");
    world.note(None, "change", budget.get().unsigned_abs(), || format!("{} may spend {budget}", tenant.id));
    let (now, limits) =
        (platform.now(), TenantLimits { budget: Some(Some(budget)), ..TenantLimits::default() });
    let statements = vec![
        tenant_pools::set_limits(&tenant.id, &limits, now),
        tenant_pools::add(&tenant.id, now),
        users::configuration_changed_in_tenant(&tenant.id),
        pending_pushes::add_for_tenant(&tenant.id, now),
    ];
    if platform.commit(statements).await.is_ok() {
        let _ = tenant_pools::push(platform, &tenant.id).await;
    }
}

const CLOSE: &str = "
UPDATE users SET closed_at = ?2, configuration_version = configuration_version + 1 WHERE id = ?1";

async fn close(world: &World, platform: &SimulatedPlatform, account: usize) {
    let customer = &world.accounts[account];
    world.statistics.count("accounts closed");
    world.note(Some(account), "change", 0, || "is closed".into());
    let now = platform.now();
    let closed = Statement::new(CLOSE).bind(customer.name.as_str()).bind(now.as_millis());
    if platform.commit(vec![closed, pending_pushes::add(customer.id, now)]).await.is_ok() {
        let _ = pending_pushes::push(platform, customer.id).await;
    }
}
