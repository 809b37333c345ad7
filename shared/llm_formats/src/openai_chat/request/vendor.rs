//! In what servers of chat completions differ.

use crate::conversation::Effort;
use domain::routing::OpenAiVendor;

/// What a server understands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vendor {
    /// The role `developer`; elsewhere it is `system`.
    pub developer: bool,
    /// `stream_options`; elsewhere usage comes unasked.
    pub stream_options: bool,
    pub seed: &'static str,
    /// Ids of tool calls are exactly nine letters and digits.
    pub short_call_ids: bool,
    pub speaker_names: bool,
    pub choices: bool,
    pub files: bool,
    pub file_urls: bool,
    pub audio: bool,
    pub top_k: bool,
    /// `logprobs` and `logit_bias`.
    pub token_values: bool,
    pub verbosity: bool,
    /// A refusal as its own member; elsewhere it is text.
    pub refusals: bool,
    pub end_user: bool,
    pub reasoning: KeptReasoning,
    /// `reasoning: {effort, max_tokens, exclude}` in place of `reasoning_effort`.
    pub reasoning_object: bool,
    pub cache_marks: bool,
}

/// What becomes of a model's earlier thoughts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeptReasoning {
    /// There is no place for them; the model thinks anew.
    Dropped,
    Text,
    Details,
}

const OPEN_AI: Vendor = Vendor {
    developer: true,
    stream_options: true,
    seed: "seed",
    short_call_ids: false,
    speaker_names: true,
    choices: true,
    files: true,
    file_urls: false,
    audio: true,
    top_k: false,
    token_values: true,
    verbosity: true,
    refusals: true,
    end_user: true,
    reasoning: KeptReasoning::Dropped,
    reasoning_object: false,
    cache_marks: false,
};

const MISTRAL: Vendor = Vendor {
    developer: false,
    stream_options: false,
    seed: "random_seed",
    short_call_ids: true,
    speaker_names: false,
    files: false,
    audio: false,
    token_values: false,
    verbosity: false,
    refusals: false,
    end_user: false,
    ..OPEN_AI
};

const GROQ: Vendor = Vendor {
    developer: false,
    choices: false,
    files: false,
    audio: false,
    token_values: false,
    verbosity: false,
    refusals: false,
    ..OPEN_AI
};

const OPEN_ROUTER: Vendor = Vendor {
    file_urls: true,
    top_k: true,
    reasoning: KeptReasoning::Details,
    reasoning_object: true,
    cache_marks: true,
    ..OPEN_AI
};

const COMPATIBLE: Vendor = Vendor {
    developer: false,
    files: false,
    top_k: true,
    verbosity: false,
    refusals: false,
    reasoning: KeptReasoning::Text,
    ..OPEN_AI
};

impl Vendor {
    pub fn of(vendor: OpenAiVendor) -> &'static Self {
        match vendor {
            OpenAiVendor::OpenAi => &OPEN_AI,
            OpenAiVendor::Mistral => &MISTRAL,
            OpenAiVendor::Groq => &GROQ,
            OpenAiVendor::OpenRouter => &OPEN_ROUTER,
            OpenAiVendor::Compatible => &COMPATIBLE,
        }
    }
}

/// A budget of thoughts as a word, for servers that take no number: up to 2,048 tokens are `low`, up to
/// 8,192 `medium`.
pub(super) fn effort_of_budget(tokens: u64) -> Effort {
    match tokens {
        0 => Effort::None,
        1..=2_048 => Effort::Low,
        2_049..=8_192 => Effort::Medium,
        _ => Effort::High,
    }
}

pub(super) fn word_of(effort: Effort) -> &'static str {
    match effort {
        Effort::None => "none",
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Max => "xhigh",
    }
}
