//! What every installation starts from: the platform's own tenant and one to try things with, the plans on offer, and
//! the built-in model with its price, so that a fresh one answers at once. Safe to repeat: what is there already stays
//! as people have made it.

use crate::routing_snapshots;
use domain::money::NanoEur;
use domain::routing::{CeilingField, PriceFields, RoutingSnapshot, Target, TargetKind};
use domain::time::Timestamp;
use platform::Statement;
use serde_json::Value;

/// Where administrators of the whole platform belong.
pub const PLATFORM_TENANT: &str = "platform";
/// Id, name and type.
pub const TENANTS: [(&str, &str, &str); 2] =
    [("demo", "Demo", "demo"), (PLATFORM_TENANT, "Platform", "internal")];

/// A round figure to start with; an administrator enters what holds. 920,000 is €0.92 for a dollar.
const EUR_PER_USD_MILLIONTHS: u32 = 920_000;
/// 20 %.
const MARGIN_BASIS_POINTS: u32 = 2_000;
/// Of the prices that [`offer`] is given; raise it with any change of them.
const PRICE_VERSION: u32 = 1;
/// When rate, margin and prices begin to hold: 2025-01-01.
const VALID_FROM_MS: i64 = 1_735_689_600_000;

/// A model of one provider.
pub struct Model {
    pub id: &'static str,
    /// The day of its release, like `2025-04-14`.
    pub released: &'static str,
    /// Dollars per million tokens, in thousandths: input, cached input, output.
    pub prices: (u64, Option<u64>, u64),
    pub default_max_output: u64,
    pub max_output: u64,
    pub ceiling_field: CeilingField,
    pub first_byte_timeout_ms: u64,
}

const DEMO: Model = Model {
    id: "demo/echo",
    released: "2026-01-01",
    prices: (150, None, 600),
    default_max_output: 4_096,
    max_output: 16_384,
    ceiling_field: CeilingField::MaxTokens,
    first_byte_timeout_ms: 0,
};

struct Plan {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    price_nano_eur: Option<i64>,
    budget_included: Option<NanoEur>,
    max_users: Option<i64>,
    models: &'static [&'static str],
    features: &'static [&'static str],
}

const PLANS: [Plan; 3] = [
    Plan {
        id: "starter",
        name: "Starter",
        description: "One user and small models.",
        price_nano_eur: Some(9_990_000_000),
        budget_included: Some(NanoEur::euros(25)),
        max_users: Some(1),
        models: &["demo/echo", "gpt-4o-mini", "gpt-4.1-mini", "gpt-4.1-nano"],
        features: &[],
    },
    Plan {
        id: "professional",
        name: "Professional",
        description: "Five users and all models.",
        price_nano_eur: Some(29_990_000_000),
        budget_included: Some(NanoEur::euros(100)),
        max_users: Some(5),
        models: &["all"],
        features: &["branding", "priority_support"],
    },
    Plan {
        id: "enterprise",
        name: "Enterprise",
        description: "Own price, own domain, dedicated resources, on-premise.",
        price_nano_eur: None,
        budget_included: None,
        max_users: None,
        models: &["all"],
        features: &["branding", "priority_support", "own_domain", "dedicated_resources", "on_premise"],
    },
];

/// The database's own clock, so that a repetition is the same statement.
const INSERT_TENANT: &str = "
INSERT INTO tenants (id, slug, name, type, status, time_zone, created_at, updated_at)
VALUES (?1, ?1, ?2, ?3, 'active', 'Europe/Berlin', unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT DO NOTHING";

const INSERT_PRODUCT: &str = "
INSERT INTO products (id, name, description, price_nano_eur, budget_included_nano_eur, max_users, models,
  features, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT DO NOTHING";

const INSERT_RATE: &str = "
INSERT INTO exchange_rates (valid_from, eur_per_usd_millionths, source) VALUES (?1, ?2, 'seed')
ON CONFLICT DO NOTHING";

const INSERT_MARGIN: &str = "
INSERT INTO margins (tenant_id, valid_from, basis_points) VALUES (NULL, ?1, ?2) ON CONFLICT DO NOTHING";

const INSERT_PROVIDER: &str = "
INSERT INTO providers (id, name, kind, created_at) VALUES (?1, ?2, ?3, unixepoch() * 1000)
ON CONFLICT DO NOTHING";

const INSERT_MODEL: &str = "
INSERT INTO models (id, provider_id, upstream_model, owned_by, default_max_output, max_output, created_at,
  updated_at)
VALUES (?1, ?2, ?3, ?2, ?4, ?5, unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT DO NOTHING";

const INSERT_PRICES: &str = "
INSERT INTO prices (model_id, version, valid_from, input, cached_input, output, source)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'seed')
ON CONFLICT DO NOTHING";

/// In an order that satisfies what refers to what; commit them together.
pub fn statements() -> Vec<Statement> {
    let mut all: Vec<_> = TENANTS
        .into_iter()
        .map(|(id, name, kind)| Statement::new(INSERT_TENANT).bind(id).bind(name).bind(kind))
        .collect();
    all.extend(PLANS.iter().map(product));
    all.push(Statement::new(INSERT_RATE).bind(VALID_FROM_MS).bind(i64::from(EUR_PER_USD_MILLIONTHS)));
    all.push(Statement::new(INSERT_MARGIN).bind(VALID_FROM_MS).bind(i64::from(MARGIN_BASIS_POINTS)));
    all.push(provider("demo", "Demo", "demo_echo"));
    all.extend(offer(&DEMO, "demo", TargetKind::DemoEcho));
    all
}

/// `kind` says how it is spoken to: `open_ai_compatible`.
pub fn provider(id: &str, name: &str, kind: &str) -> Statement {
    Statement::new(INSERT_PROVIDER).bind(id).bind(name).bind(kind)
}

/// A model, its prices, and its routing for each of [`TENANTS`], which follows what is stated here.
pub fn offer(model: &Model, provider: &str, kind: TargetKind) -> Vec<Statement> {
    let snapshot = snapshot(model, provider, kind);
    let target = &snapshot.targets[0];
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let insert_model = Statement::new(INSERT_MODEL)
        .bind(model.id)
        .bind(provider)
        .bind(target.upstream_model.as_str())
        .bind(whole(model.default_max_output))
        .bind(whole(model.max_output));
    let insert_prices = Statement::new(INSERT_PRICES)
        .bind(model.id)
        .bind(i64::from(PRICE_VERSION))
        .bind(VALID_FROM_MS)
        .bind(target.prices.input.map(whole))
        .bind(target.prices.cached_input.map(whole))
        .bind(target.prices.output.map(whole));
    let mut all = vec![insert_model, insert_prices];
    all.extend(TENANTS.map(|(tenant, ..)| routing_snapshots::upsert(tenant, &snapshot)));
    all
}

fn product(plan: &Plan) -> Statement {
    let Plan { id, name, description, price_nano_eur, budget_included, max_users, models, features } = plan;
    Statement::new(INSERT_PRODUCT)
        .bind(*id)
        .bind(*name)
        .bind(*description)
        .bind(*price_nano_eur)
        .bind(budget_included.map(NanoEur::get))
        .bind(*max_users)
        .bind(Value::from(*models).to_string())
        .bind(Value::from(*features).to_string())
}

fn snapshot(model: &Model, provider: &str, kind: TargetKind) -> RoutingSnapshot {
    let released = Timestamp::parse_rfc3339(&format!("{}T00:00:00Z", model.released));
    let (input, cached_input, output) = model.prices;
    let nano_usd = |thousandths: u64| thousandths * 1_000_000;
    let prices = PriceFields {
        input: Some(nano_usd(input)),
        cached_input: cached_input.map(nano_usd),
        output: Some(nano_usd(output)),
        ..PriceFields::default()
    };
    RoutingSnapshot {
        version: 0,
        model: model.id.to_owned(),
        owned_by: provider.to_owned(),
        created: released.expect("a release date is a date").as_secs(),
        targets: vec![Target {
            provider: provider.to_owned(),
            region: "global".to_owned(),
            kind,
            upstream_model: model.id.trim_start_matches("demo/").to_owned(),
            prices,
        }],
        default_max_output: model.default_max_output,
        max_output: model.max_output,
        margin_basis_points: MARGIN_BASIS_POINTS,
        eur_per_usd_millionths: EUR_PER_USD_MILLIONTHS,
        price_version: PRICE_VERSION,
    }
}
