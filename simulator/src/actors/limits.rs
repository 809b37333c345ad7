//! Limits that change, appear and vanish while calls are under way, and keys that are revoked: committed with their
//! pending push, then pushed, as the billing function does it.

use crate::hosts::platform::SimulatedPlatform;
use crate::world::World;
use domain::api_key::KeyHash;
use domain::money::NanoEur;
use platform::{Clock, Database};
use store::api_keys::{self, KeyChange};
use store::tenant_pools::{self, TenantLimits};
use store::users::{self, UserChange};
use store::{leases, pending_pushes};

/// Some change of it; in one world of three of each kind the limit goes.
fn some(world: &World, most: u64) -> Option<i64> {
    let dice = &world.dice.clients;
    (!dice.one_in(3)).then(|| i64::try_from(dice.below(most)).unwrap_or(0))
}

pub async fn change_a_key(world: &World, platform: &SimulatedPlatform, account: usize) {
    let customer = &world.accounts[account];
    let at = world.dice.clients.below(customer.keys.len() as u64);
    let budget = customer.budget_at_first.unsigned_abs();
    let change = KeyChange {
        budget: world.dice.clients.one_in(2).then(|| some(world, budget).map(NanoEur::saturating)),
        requests_per_minute: Some(some(world, 12)),
        tokens_per_minute: Some(some(world, 2_000)),
        clamp: Some(world.dice.clients.one_in(6)),
        ..KeyChange::default()
    };
    world.statistics.count("keys' limits changed");
    world.note(Some(account), "change", at, || format!("key {at} becomes {change:?}"));
    let now = platform.now();
    let statements = vec![
        api_keys::update(&key_id(&customer.name, at), customer.id, &change, now),
        users::configuration_changed(customer.id),
        pending_pushes::add(customer.id, now),
    ];
    if platform.commit(statements).await.is_ok() {
        let _ = pending_pushes::push(platform, customer.id).await;
    }
}

/// P21: once the account has acknowledged it, no later call passes.
pub async fn revoke_a_key(world: &World, platform: &SimulatedPlatform, account: usize) {
    let customer = &world.accounts[account];
    let at = world.dice.clients.below(customer.keys.len() as u64);
    world.statistics.count("keys revoked");
    world.note(Some(account), "change", at, || format!("key {at} is revoked"));
    let now = platform.now();
    let statements = vec![
        api_keys::revoke(&key_id(&customer.name, at), customer.id, now),
        users::configuration_changed(customer.id),
        pending_pushes::add(customer.id, now),
    ];
    if platform.commit(statements).await.is_ok()
        && let Ok(Some(_)) = pending_pushes::push(platform, customer.id).await
    {
        let hash = KeyHash::of(&customer.keys[usize::try_from(at).unwrap_or(0)].text);
        let mut books = world.books.borrow_mut();
        books.entry(customer.name.clone()).or_default().levels.revoked.push(hash);
    }
}

pub async fn change_users_rates(world: &World, platform: &SimulatedPlatform, account: usize) {
    let customer = &world.accounts[account];
    let change = UserChange {
        requests_per_minute: Some(some(world, 20)),
        tokens_per_minute: Some(some(world, 3_000)),
        concurrency_max: Some(some(world, 4).map(|max| max + 1)),
        ..UserChange::default()
    };
    world.statistics.count("users' rates changed");
    world.note(Some(account), "change", 0, || format!("rates become {change:?}"));
    let now = platform.now();
    let statements = vec![users::update(customer.id, &change, now), pending_pushes::add(customer.id, now)];
    if platform.commit(statements).await.is_ok() {
        let _ = pending_pushes::push(platform, customer.id).await;
    }
}

/// Budget and rates of a tenant, of which it may have had none; and whoever has leased too much gives back.
pub async fn change_a_tenant(world: &World, platform: &SimulatedPlatform, account: usize) {
    let at = world.accounts[account].tenant;
    let tenant = &world.tenants[at];
    let users_may: i64 = world.accounts_of(at).map(|customer| customer.budget_at_first).sum();
    let dice = &world.dice.clients;
    let change = TenantLimits {
        budget: dice.one_in(2).then(|| some(world, users_may.unsigned_abs()).map(NanoEur::saturating)),
        requests_per_minute: dice.one_in(2).then(|| some(world, 30)),
        tokens_per_minute: dice.one_in(2).then(|| some(world, 6_000)),
        ..TenantLimits::default()
    };
    world.statistics.count("tenants' limits appeared, changed or vanished");
    world.note(None, "change", at as u64, || format!("{} becomes {change:?}", tenant.id));
    let now = platform.now();
    let mut statements = tenant_pools::accounts_to_tell(&tenant.id, &change, None, now).to_vec();
    statements
        .extend([tenant_pools::set_limits(&tenant.id, &change, now), tenant_pools::add(&tenant.id, now)]);
    if platform.commit(statements).await.is_err() || tenant_pools::push(platform, &tenant.id).await.is_err() {
        return;
    }
    for customer in world.accounts_of(at) {
        let _ = pending_pushes::push(platform, customer.id).await;
    }
    if let Ok(left) = leases::recall_outstanding(platform, &tenant.pool).await
        && left.accounts == 0
    {
        world.statistics.count("tenants' lower limits held at once");
    }
}

fn key_id(name: &str, at: u64) -> String {
    format!("{name}-{at}")
}
