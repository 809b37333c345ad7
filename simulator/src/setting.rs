//! What a world begins with: tenants with their limits, their users with keys, and a model with a price.

use crate::actors::webhooks;
use crate::dice::Dice;
use crate::hosts::database;
use crate::profile::Profile;
use crate::world::{Customer, CustomersKey, Tenant};
use core::time::Duration;
use domain::api_key::{KeyHash, Pepper, issue};
use domain::identity::{AccountId, Home};
use domain::money::NanoEur;
use domain::routing::{CeilingField, OpenAiVendor, PriceFields, RoutingSnapshot, Target, TargetKind};
use domain::time::Timestamp;
use platform::Statement;
use store::api_keys::NewApiKey;
use store::users::NewUser;
use store::{api_keys, pending_pushes, routing_snapshots, tenant_pools, users};

/// Checks keys in this world, and in no other.
pub const PEPPER: &str = "a pepper of simulated worlds";
/// Seals the secrets of webhooks.
pub const MASTER_KEY: [u8; 32] = [0; 32];
pub const MODEL: &str = "priced";
/// 2026-01-20T00:00:00Z; worlds begin within half a year of it.
const FIRST_START_MS: i64 = 1_768_867_200_000;
const STARTS_WITHIN_MS: u64 = 180 * 86_400_000;
/// About what a usual call's worst case costs.
const USUAL_WORST_CASE_NANO: i64 = 90_000;
/// Until the provider's status line, and for a whole answer.
const FIRST_BYTE_TIMEOUT_MS: u64 = 700;
/// Soon enough to end while calls are under way.
const ENDS_WITHIN_MS: u64 = 300_000;
/// Of one user.
const KEYS_MAX: u64 = 2;
const ZONES: [&str; 3] = ["Europe/Berlin", "UTC", "Europe/Athens"];

/// All that a world begins with.
pub struct Setting {
    pub start: Timestamp,
    pub tenants: Vec<Tenant>,
    pub customers: Vec<Customer>,
}

pub fn of(dice: &Dice, profile: &Profile) -> Setting {
    let zone = *dice.pick(&ZONES);
    let tenants: Vec<Tenant> = (0..dice.between(profile.tenants)).map(|n| tenant(dice, n)).collect();
    let start = start(dice, zone, &tenants[0]);
    let mut setting = Setting { start, tenants, customers: Vec::new() };
    setting.tenants.iter_mut().for_each(|tenant| tenant.zone = zone);
    for n in 0..dice.between(profile.accounts) {
        let customer = customer(dice, profile, n, setting.tenants.len());
        let tenant = &mut setting.tenants[customer.tenant];
        if let Some(budget) = &mut tenant.budget_at_first {
            // In all between a quarter and five quarters of what the users may spend.
            *budget += customer.budget_at_first / 4 * i64::try_from(dice.between((1, 5))).unwrap_or(1);
        }
        setting.customers.push(customer);
    }
    setting
}

/// In every other world a tenant's period ends within minutes.
fn start(dice: &Dice, zone: &'static str, tenant: &Tenant) -> Timestamp {
    let start =
        Timestamp::from_millis(FIRST_START_MS).plus(Duration::from_millis(dice.below(STARTS_WITHIN_MS)));
    if dice.one_in(2) {
        return start;
    }
    let period = store::configuration::period(zone, tenant.reset_day).expect("a zone and a day that exist");
    period.next_boundary(start).minus(Duration::from_millis(dice.below(ENDS_WITHIN_MS)))
}

fn tenant(dice: &Dice, n: u64) -> Tenant {
    let id = format!("simulated-{n}");
    Tenant {
        pool: tenant_pools::name(Home::Eu, &id),
        id,
        zone: "",
        reset_day: i64::try_from(dice.between((1, 31))).unwrap_or(1),
        budget_at_first: (!dice.one_in(3)).then_some(0),
        requests_per_minute: dice.one_in(5).then_some(15),
        tokens_per_minute: dice.one_in(4).then_some(1_000),
    }
}

fn customer(dice: &Dice, profile: &Profile, n: u64, tenants: usize) -> Customer {
    let id = AccountId::new(Home::Eu, [n as u8 + 1; 16]);
    let pepper = Pepper { version: 1, secret: PEPPER.as_bytes() };
    let calls = i64::try_from(dice.between(profile.budget_in_calls)).unwrap_or(1);
    let budget = calls * USUAL_WORST_CASE_NANO;
    let key = |at: u64| CustomersKey {
        text: issue(id, &[(n * KEYS_MAX + at) as u8 + 1; 24], &pepper),
        budget: dice.one_in(3).then(|| budget / 4 * i64::try_from(dice.between((1, 4))).unwrap_or(1)),
        requests_per_minute: dice.one_in(6).then_some(12),
        clamp: dice.one_in(6),
    };
    let keys = (0..dice.between((1, KEYS_MAX))).map(key).collect();
    let tenant = (n % tenants as u64) as usize;
    Customer { id, name: id.to_string(), tenant, keys, budget_at_first: budget }
}

/// The directory's rows of all that.
///
/// # Panics
/// If the schema does not take them.
pub fn furnish(database: &database::World, dice: &Dice, setting: &Setting) {
    let Setting { start, tenants, customers } = setting;
    let mut statements = Vec::new();
    for tenant in tenants {
        statements.push(tenants_row(tenant));
        statements.push(routing_snapshots::upsert(&tenant.id, &model()));
        statements.push(tenant_pools::add(&tenant.id, *start));
        statements.extend(dice.one_in(2).then(|| webhooks::endpoint(&tenant.id, *start)));
    }
    for customer in customers {
        let tenant = &tenants[customer.tenant];
        statements.push(users::insert(&user(dice, customer, tenant, *start), *start));
        statements.push(users_limits(dice, customer, *start));
        for (at, key) in customer.keys.iter().enumerate() {
            let new = new_key(customer, at, key);
            statements.push(api_keys::insert(&new, *start));
            statements.push(keys_limits(&new.id, key));
        }
        statements.push(pending_pushes::add(customer.id, *start));
    }
    database.commit(&statements).expect("the schema takes tenants and their users");
}

const TENANT: &str = "
INSERT INTO tenants (id, slug, name, status, time_zone, reset_day, budget_nano_eur, requests_per_minute,
  tokens_per_minute, created_at, updated_at)
VALUES (?1, ?1, ?1, 'active', ?2, ?3, ?4, ?5, ?6, 0, 0)";

fn tenants_row(tenant: &Tenant) -> Statement {
    Statement::new(TENANT)
        .bind(tenant.id.as_str())
        .bind(tenant.zone)
        .bind(tenant.reset_day)
        .bind(tenant.budget_at_first)
        .bind(tenant.requests_per_minute)
        .bind(tenant.tokens_per_minute)
}

fn user(dice: &Dice, customer: &Customer, tenant: &Tenant, now: Timestamp) -> NewUser {
    NewUser {
        id: customer.id,
        tenant_id: tenant.id.clone(),
        email: format!("{}@simulated.test", customer.name),
        name: String::new(),
        role: "user",
        status: "active",
        product_id: None,
        budget: NanoEur::saturating(customer.budget_at_first),
        reset_day: dice.between((1, 31)) as u8,
        models: vec!["all".into()],
        requests_per_minute: dice.one_in(6).then_some(20),
        tokens_per_minute: dice.one_in(4).then_some(600),
        budget_reset_at: now,
    }
}

/// Some may have few calls open at once; some have periods of 30 days, which end within minutes.
fn users_limits(dice: &Dice, customer: &Customer, now: Timestamp) -> Statement {
    let by_days = dice.one_in(3);
    let period = Duration::from_secs(30 * 86_400);
    let from = now.plus(Duration::from_millis(dice.below(ENDS_WITHIN_MS))).minus(period);
    Statement::new("UPDATE users SET concurrency_max = ?2, period_days = ?3, period_from = ?4 WHERE id = ?1")
        .bind(customer.name.as_str())
        .bind(dice.one_in(6).then_some(2_i64))
        .bind(by_days.then_some(30_i64))
        .bind(by_days.then_some(from.as_millis()))
}

fn new_key(customer: &Customer, at: usize, key: &CustomersKey) -> NewApiKey {
    NewApiKey {
        id: format!("{}-{at}", customer.name),
        user: customer.id,
        name: String::new(),
        preview: String::new(),
        hash: KeyHash::of(&key.text),
        expires: None,
    }
}

fn keys_limits(id: &str, key: &CustomersKey) -> Statement {
    Statement::new(
        "UPDATE api_keys SET budget_nano_eur = ?2, requests_per_minute = ?3, clamp = ?4 WHERE id = ?1",
    )
    .bind(id)
    .bind(key.budget)
    .bind(key.requests_per_minute)
    .bind(i64::from(key.clamp))
}

/// At prices of a small real model, margin 20 %, €0.92 for a dollar.
fn model() -> RoutingSnapshot {
    let target = Target {
        provider: "scripted".into(),
        region: "local".into(),
        kind: TargetKind::OpenAiCompatible {
            vendor: OpenAiVendor::Compatible,
            base_url: "http://provider.test/v1".into(),
            sealed_key: None,
            ceiling_field: CeilingField::MaxTokens,
            first_byte_timeout_ms: FIRST_BYTE_TIMEOUT_MS,
            pins_service_tier: false,
        },
        upstream_model: "priced-2026".into(),
        prices: PriceFields { input: Some(150_000_000), output: Some(600_000_000), ..PriceFields::default() },
    };
    RoutingSnapshot {
        version: 0,
        model: MODEL.into(),
        owned_by: "scripted".into(),
        created: 0,
        targets: vec![target],
        default_max_output: 60,
        max_output: 200,
        margin_basis_points: 2_000,
        eur_per_usd_millionths: 920_000,
        price_version: 1,
    }
}
