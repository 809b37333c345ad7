//! A real provider's models, their prices, and where their calls go.
//!
//! OpenAI's prices are its public list prices per million tokens for standard processing
//! (platform.openai.com/docs/pricing): input and output as quoted in June 2026, cached input as announced with
//! each model. Check them against that page before real money depends on them; an administrator sets what holds.

use super::{SeedStatement, UpstreamEnv};
use crate::secrets::Secrets;
use anyhow::Result;
use domain::provider_key;
use domain::routing::{CeilingField, OpenAiVendor, TargetKind};
use serde_json::json;
use sha2::{Digest, Sha256};
use store::first_rows::{Model, TENANTS, offer, provider};

const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

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

const UPSERT_PROVIDER_KEY: &str = "
INSERT INTO provider_keys (id, tenant_id, provider_id, base_url, sealed_key, created_at, updated_at)
VALUES ('environment', NULL, 'openai', ?1, ?2, unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT (id) DO UPDATE SET
  base_url = excluded.base_url, sealed_key = excluded.sealed_key, updated_at = excluded.updated_at
WHERE base_url <> excluded.base_url OR sealed_key IS NOT excluded.sealed_key";

const DELETE_PROVIDER_KEY: &str = "DELETE FROM provider_keys WHERE id = 'environment'";

/// What the environment no longer offers.
const DELETE_ROUTES: &str = "
DELETE FROM routing_snapshots
WHERE tenant_id IN (SELECT value FROM json_each(?1)) AND model IN (SELECT value FROM json_each(?2))";

pub fn statements(secrets: &Secrets, env: &UpstreamEnv) -> Result<Vec<SeedStatement>> {
    let mut all: Vec<SeedStatement> = vec![provider("openai", "OpenAI", "open_ai_compatible").into()];
    match upstream(secrets, env)? {
        Some(Upstream { base_url, sealed_key }) => {
            all.push(SeedStatement::new(UPSERT_PROVIDER_KEY, vec![json!(base_url), json!(sealed_key)]));
            for model in &OPENAI {
                let is_open_ai = base_url.starts_with(OPENAI_BASE_URL);
                let kind = TargetKind::OpenAiCompatible {
                    vendor: if is_open_ai { OpenAiVendor::OpenAi } else { OpenAiVendor::Compatible },
                    base_url: base_url.clone(),
                    sealed_key: sealed_key.clone(),
                    ceiling_field: model.ceiling_field,
                    pins_service_tier: is_open_ai,
                    first_byte_timeout_ms: model.first_byte_timeout_ms,
                };
                all.extend(offer(model, "openai", kind).into_iter().map(SeedStatement::from));
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
