//! Models, their prices, and where their calls go.
//!
//! OpenAI's prices are its public list prices per million tokens for standard processing
//! (platform.openai.com/docs/pricing): input and output as quoted in June 2026, cached input as announced with
//! each model. Check them against that page before real money depends on them; an administrator sets what holds.

use super::{SeedStatement, TENANTS, UpstreamEnv};
use crate::secrets::Secrets;
use anyhow::{Context, Result};
use domain::provider_key;
use domain::routing::{CeilingField, PriceFields, RoutingSnapshot, Target, TargetKind};
use domain::time::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

/// A round figure to start with; an administrator enters what holds. 920,000 is €0.92 for a dollar.
const EUR_PER_USD_MILLIONTHS: u32 = 920_000;
/// 20 %.
const MARGIN_BASIS_POINTS: u32 = 2_000;
/// Of the prices below; raise it with any change of them.
const PRICE_VERSION: u32 = 1;
/// When rate, margin and prices begin to hold: 2025-01-01.
const VALID_FROM_MS: i64 = 1_735_689_600_000;
const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

struct Model {
    id: &'static str,
    /// The day of its release.
    released: &'static str,
    /// Dollars per million tokens, in thousandths: input, cached input, output.
    prices: (u64, Option<u64>, u64),
    default_max_output: u64,
    max_output: u64,
    ceiling_field: CeilingField,
    first_byte_timeout_ms: u64,
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

const fn chat(id: &'static str, released: &'static str, prices: (u64, u64, u64), max_output: u64) -> Model {
    Model {
        id,
        released,
        prices: (prices.0, Some(prices.1), prices.2),
        default_max_output: 4_096,
        max_output,
        // Understood by every compatible server; only reasoning models insist on the newer name.
        ceiling_field: CeilingField::MaxTokens,
        first_byte_timeout_ms: 120_000,
    }
}

const OPENAI: [Model; 6] = [
    chat("gpt-4o-mini", "2024-07-18", (150, 75, 600), 16_384),
    chat("gpt-4o", "2024-05-13", (2_500, 1_250, 10_000), 16_384),
    chat("gpt-4.1", "2025-04-14", (2_000, 500, 8_000), 32_768),
    chat("gpt-4.1-mini", "2025-04-14", (400, 100, 1_600), 32_768),
    chat("gpt-4.1-nano", "2025-04-14", (100, 25, 400), 32_768),
    Model {
        default_max_output: 16_384,
        ceiling_field: CeilingField::MaxCompletionTokens,
        first_byte_timeout_ms: 300_000,
        ..chat("o4-mini", "2025-04-16", (1_100, 275, 4_400), 100_000)
    },
];

const INSERT_RATE: &str = "
INSERT INTO exchange_rates (valid_from, eur_per_usd_millionths, source) VALUES (?1, ?2, 'seed')
ON CONFLICT DO NOTHING";

const INSERT_MARGIN: &str = "
INSERT INTO margins (tenant_id, valid_from, basis_points) VALUES (NULL, ?1, ?2) ON CONFLICT DO NOTHING";

const INSERT_PROVIDER: &str = "
INSERT INTO providers (id, name, kind, created_at) VALUES (?1, ?2, ?3, unixepoch() * 1000)
ON CONFLICT DO NOTHING";

const UPSERT_PROVIDER_KEY: &str = "
INSERT INTO provider_keys (id, tenant_id, provider_id, base_url, sealed_key, created_at, updated_at)
VALUES ('environment', NULL, 'openai', ?1, ?2, unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT (id) DO UPDATE SET
  base_url = excluded.base_url, sealed_key = excluded.sealed_key, updated_at = excluded.updated_at
WHERE base_url <> excluded.base_url OR sealed_key IS NOT excluded.sealed_key";

const DELETE_PROVIDER_KEY: &str = "DELETE FROM provider_keys WHERE id = 'environment'";

const INSERT_MODEL: &str = "
INSERT INTO models (id, provider_id, upstream_model, owned_by, default_max_output, max_output, created_at,
  updated_at)
VALUES (?1, ?2, ?3, ?2, ?4, ?5, unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT DO NOTHING";

const INSERT_PRICES: &str = "
INSERT INTO prices (model_id, version, valid_from, input, cached_input, output, source)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'seed')
ON CONFLICT DO NOTHING";

/// What the environment no longer offers.
const DELETE_ROUTES: &str = "
DELETE FROM routing_snapshots
WHERE tenant_id IN (SELECT value FROM json_each(?1)) AND model IN (SELECT value FROM json_each(?2))";

pub fn statements(secrets: &Secrets, env: &UpstreamEnv) -> Result<Vec<SeedStatement>> {
    let mut all = vec![
        SeedStatement::new(INSERT_RATE, vec![json!(VALID_FROM_MS), json!(EUR_PER_USD_MILLIONTHS)]),
        SeedStatement::new(INSERT_MARGIN, vec![json!(VALID_FROM_MS), json!(MARGIN_BASIS_POINTS)]),
        SeedStatement::new(INSERT_PROVIDER, vec![json!("demo"), json!("Demo"), json!("demo_echo")]),
        SeedStatement::new(
            INSERT_PROVIDER,
            vec![json!("openai"), json!("OpenAI"), json!("open_ai_compatible")],
        ),
    ];
    all.extend(offer(&DEMO, "demo", |_| TargetKind::DemoEcho)?);
    match upstream(secrets, env)? {
        Some(Upstream { base_url, sealed_key }) => {
            all.push(SeedStatement::new(UPSERT_PROVIDER_KEY, vec![json!(base_url), json!(sealed_key)]));
            for model in &OPENAI {
                all.extend(offer(model, "openai", |model| TargetKind::OpenAiCompatible {
                    base_url: base_url.clone(),
                    sealed_key: sealed_key.clone(),
                    ceiling_field: model.ceiling_field,
                    pins_service_tier: base_url.starts_with(OPENAI_BASE_URL),
                    first_byte_timeout_ms: model.first_byte_timeout_ms,
                })?);
            }
        }
        None => {
            let tenants = json!(TENANTS.map(|(id, ..)| id)).to_string();
            let models = json!(OPENAI.each_ref().map(|model| model.id)).to_string();
            all.push(SeedStatement::new(DELETE_ROUTES, vec![json!(tenants), json!(models)]));
            all.push(SeedStatement::new(DELETE_PROVIDER_KEY, Vec::new()));
        }
    }
    Ok(all)
}

struct Upstream {
    base_url: String,
    sealed_key: Option<String>,
}

/// None when the environment names no provider.
fn upstream(secrets: &Secrets, env: &UpstreamEnv) -> Result<Option<Upstream>> {
    let UpstreamEnv { openai_api_key, openai_base_url } = env;
    if openai_api_key.is_none() && openai_base_url.is_none() {
        return Ok(None);
    }
    let base_url = openai_base_url.as_deref().unwrap_or(OPENAI_BASE_URL).trim_end_matches('/').to_owned();
    let sealed_key = openai_api_key.as_deref().map(|key| seal(secrets, "openai", key)).transpose()?;
    Ok(Some(Upstream { base_url, sealed_key }))
}

/// The nonce is made from key and text, so that the same key is the same row at every start; another text
/// gets another nonce.
fn seal(secrets: &Secrets, provider: &str, key: &str) -> Result<String> {
    let master = provider_key::master_key(&secrets.provider_keys_key_1)?;
    let digest = Sha256::new()
        .chain_update(master)
        .chain_update(provider)
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let nonce = core::array::from_fn(|i| digest[i]);
    Ok(provider_key::seal(&master, provider, key, &nonce))
}

/// A model, its prices, and its routing for every seeded tenant.
fn offer(model: &Model, provider: &str, kind: impl Fn(&Model) -> TargetKind) -> Result<Vec<SeedStatement>> {
    let snapshot = snapshot(model, provider, kind(model))?;
    let target = &snapshot.targets[0];
    let prices = target.prices;
    let mut all = vec![
        SeedStatement::new(
            INSERT_MODEL,
            vec![
                json!(model.id),
                json!(provider),
                json!(target.upstream_model),
                json!(model.default_max_output),
                json!(model.max_output),
            ],
        ),
        SeedStatement::new(
            INSERT_PRICES,
            vec![
                json!(model.id),
                json!(PRICE_VERSION),
                json!(VALID_FROM_MS),
                json!(prices.input),
                json!(prices.cached_input),
                json!(prices.output),
            ],
        ),
    ];
    all.extend(TENANTS.map(|(tenant, ..)| store::routing_snapshots::upsert(tenant, &snapshot).into()));
    Ok(all)
}

fn snapshot(model: &Model, provider: &str, kind: TargetKind) -> Result<RoutingSnapshot> {
    let released = Timestamp::parse_rfc3339(&format!("{}T00:00:00Z", model.released));
    let (input, cached_input, output) = model.prices;
    let nano_usd = |thousandths: u64| thousandths * 1_000_000;
    let prices = PriceFields {
        input: Some(nano_usd(input)),
        cached_input: cached_input.map(nano_usd),
        output: Some(nano_usd(output)),
        ..PriceFields::default()
    };
    Ok(RoutingSnapshot {
        version: 0,
        model: model.id.to_owned(),
        owned_by: provider.to_owned(),
        created: released.context("a release date is not a date")?.as_secs(),
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
    })
}
