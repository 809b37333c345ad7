//! Where a model's calls go and what they cost: one snapshot per tenant and model, compiled when
//! something changes, so that a request reads a single row.

use crate::price::{NanoUsdPerMillion, Prices, Tariff};
use serde::{Deserialize, Serialize};

/// Stored as JSON in the directory; at most [`SNAPSHOT_BYTES_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingSnapshot {
    /// Rises with every change of the tenant's routing.
    pub version: u64,
    /// The model as callers name it.
    pub model: String,
    pub owned_by: String,
    /// Unix seconds.
    pub created: i64,
    /// Tried in this order. Never empty.
    pub targets: Vec<Target>,
    /// The output ceiling of a call that states none, in tokens.
    pub default_max_output: u64,
    /// The most output that the model gives, in tokens; larger ceilings are refused.
    pub max_output: u64,
    pub margin_basis_points: u32,
    pub eur_per_usd_millionths: u32,
    pub price_version: u32,
}

pub const SNAPSHOT_BYTES_MAX: usize = 16 << 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The provider's name in usage rows: `openai`, `demo`.
    pub provider: String,
    pub region: String,
    pub kind: TargetKind,
    /// The model's name at this provider.
    pub upstream_model: String,
    pub prices: PriceFields,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TargetKind {
    /// Answers by itself, streams and costs money like a real one.
    DemoEcho,
    /// Any server that speaks `POST {base_url}/chat/completions`.
    OpenAiCompatible {
        /// Without a trailing slash: `http://127.0.0.1:9000/v1`.
        base_url: String,
        /// The provider's key, sealed by [`crate::provider_key::seal`]; none for servers that need none.
        sealed_key: Option<String>,
        #[serde(default)]
        vendor: OpenAiVendor,
        ceiling_field: CeilingField,
        /// Whether `service_tier` is pinned to `default`. At OpenAI its absence means what the project is set
        /// to, which may be a dearer tier; other servers may not know the field.
        #[serde(default)]
        pins_service_tier: bool,
        /// Until the status line, or the call is given up.
        first_byte_timeout_ms: u64,
    },
}

/// Whose server it is, as far as servers of chat completions differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenAiVendor {
    /// OpenAI's own, and Azure's.
    OpenAi,
    Mistral,
    Groq,
    OpenRouter,
    /// Any other: Ollama, vLLM, LM Studio …
    #[default]
    Compatible,
}

/// How a server of chat completions wants to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenAiServer {
    pub vendor: OpenAiVendor,
    pub ceiling_field: CeilingField,
    pub pins_service_tier: bool,
}

/// What the provider calls the output ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CeilingField {
    MaxTokens,
    MaxCompletionTokens,
}

impl CeilingField {
    pub const fn name(self) -> &'static str {
        match self {
            CeilingField::MaxTokens => "max_tokens",
            CeilingField::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

impl Target {
    /// The built-in model understands what all understand.
    pub const fn server(&self) -> OpenAiServer {
        match &self.kind {
            TargetKind::DemoEcho => OpenAiServer {
                vendor: OpenAiVendor::Compatible,
                ceiling_field: CeilingField::MaxTokens,
                pins_service_tier: false,
            },
            TargetKind::OpenAiCompatible { vendor, ceiling_field, pins_service_tier, .. } => OpenAiServer {
                vendor: *vendor,
                ceiling_field: *ceiling_field,
                pins_service_tier: *pins_service_tier,
            },
        }
    }
}

/// Nano-dollars per million units; absent is unknown, and an unknown unit refuses the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriceFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<u64>,
}

impl From<PriceFields> for Prices {
    fn from(fields: PriceFields) -> Self {
        let PriceFields { input, cached_input, cache_write, output, reasoning, audio_input, audio_output } =
            fields;
        Self {
            input: input.map(NanoUsdPerMillion),
            cached_input: cached_input.map(NanoUsdPerMillion),
            cache_write: cache_write.map(NanoUsdPerMillion),
            output: output.map(NanoUsdPerMillion),
            reasoning: reasoning.map(NanoUsdPerMillion),
            audio_input: audio_input.map(NanoUsdPerMillion),
            audio_output: audio_output.map(NanoUsdPerMillion),
        }
    }
}

impl RoutingSnapshot {
    pub fn tariff(&self, target: &Target) -> Tariff {
        Tariff {
            prices: target.prices.into(),
            margin_basis_points: self.margin_basis_points,
            eur_per_usd_millionths: self.eur_per_usd_millionths,
            price_version: self.price_version,
        }
    }
}
