//! What a world begins with: a tenant, its users with their keys, and a model with a price.

use crate::database;
use crate::dice::Dice;
use crate::profile::Profile;
use crate::world::Customer;
use core::time::Duration;
use domain::api_key::{KeyHash, Pepper, issue};
use domain::identity::{AccountId, Home};
use domain::money::NanoEur;
use domain::routing::{CeilingField, PriceFields, RoutingSnapshot, Target, TargetKind};
use domain::time::Timestamp;
use platform::Statement;
use store::api_keys::NewApiKey;
use store::users::NewUser;
use store::{api_keys, pending_pushes, routing_snapshots, users};

/// Checks keys in this world, and in no other.
pub const PEPPER: &str = "a pepper of simulated worlds";
pub const TENANT: &str = "simulated";
pub const MODEL: &str = "priced";
/// 2026-01-20T00:00:00Z; worlds begin within half a year of it.
const FIRST_START_MS: i64 = 1_768_867_200_000;
const STARTS_WITHIN_MS: u64 = 180 * 86_400_000;
/// About what a usual call's worst case costs.
const USUAL_WORST_CASE_NANO: i64 = 90_000;
/// Until the provider's status line, and for a whole answer.
const FIRST_BYTE_TIMEOUT_MS: u64 = 700;
const ZONES: [&str; 3] = ["Europe/Berlin", "UTC", "Europe/Athens"];

pub fn start(dice: &Dice) -> Timestamp {
    let start = Timestamp::from_millis(FIRST_START_MS);
    start.plus(Duration::from_millis(dice.below(STARTS_WITHIN_MS)))
}

pub fn customers(dice: &Dice, profile: &Profile) -> Vec<Customer> {
    let count = dice.between(profile.accounts);
    let customer = |n: u64| {
        let id = AccountId::new(Home::Eu, [n as u8 + 1; 16]);
        let key = issue(id, &[n as u8 + 1; 24], &Pepper { version: 1, secret: PEPPER.as_bytes() });
        let calls = i64::try_from(dice.between(profile.budget_in_calls)).unwrap_or(1);
        Customer { id, name: id.to_string(), key, budget_at_first: calls * USUAL_WORST_CASE_NANO }
    };
    (0..count).map(customer).collect()
}

/// The directory's rows of all that.
///
/// # Panics
/// If the schema does not take them.
pub fn furnish(database: &database::World, dice: &Dice, customers: &[Customer], now: Timestamp) {
    let tenant = "INSERT INTO tenants (id, slug, name, status, time_zone, created_at, updated_at)
                  VALUES (?1, ?1, ?1, 'active', ?2, 0, 0)";
    let mut statements = vec![
        Statement::new(tenant).bind(TENANT).bind(*dice.pick(&ZONES)),
        routing_snapshots::upsert(TENANT, &model()),
    ];
    for customer in customers {
        statements.push(users::insert(&user(dice, customer, now), now));
        statements.push(api_keys::insert(&key(customer), now));
        statements.push(pending_pushes::add(customer.id, now));
    }
    database.commit(&statements).expect("the schema takes a tenant and its users");
}

fn user(dice: &Dice, customer: &Customer, now: Timestamp) -> NewUser {
    NewUser {
        id: customer.id,
        tenant_id: TENANT.into(),
        email: format!("{}@simulated.test", customer.name),
        name: String::new(),
        role: "user",
        status: "active",
        product_id: None,
        budget: NanoEur::saturating(customer.budget_at_first),
        reset_day: dice.between((1, 31)) as u8,
        models: vec!["all".into()],
        requests_per_minute: dice.one_in(6).then_some(20),
        tokens_per_minute: dice.one_in(6).then_some(3_000),
        budget_reset_at: now,
    }
}

fn key(customer: &Customer) -> NewApiKey {
    NewApiKey {
        id: customer.name.clone(),
        user: customer.id,
        name: String::new(),
        preview: String::new(),
        hash: KeyHash::of(&customer.key),
        expires: None,
    }
}

/// At prices of a small real model, margin 20 %, €0.92 for a dollar.
fn model() -> RoutingSnapshot {
    let target = Target {
        provider: "scripted".into(),
        region: "local".into(),
        kind: TargetKind::OpenAiCompatible {
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
