//! What a client asks.

use super::{CacheLifetime, Content, Part};
use serde_json::{Number, Value};

/// A chat request in no format. Counts are in tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// As the client names it.
    pub model: String,
    pub stream: bool,
    /// In the client's order; system and developer prompts are turns, wherever they stand.
    pub turns: Vec<Turn>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    /// `Some(false)`: at most one tool call in an answer.
    pub parallel_tool_calls: Option<bool>,
    pub output_format: OutputFormat,
    pub sampling: Sampling,
    /// Of each choice.
    pub output_tokens_max: Option<u64>,
    /// How many answers; at least 1 once read.
    pub choices: u64,
    pub reasoning: ReasoningWish,
    pub verbosity: Option<Verbosity>,
    /// An opaque name of the end user, for the provider's own abuse checks.
    pub end_user: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    pub role: Role,
    /// Of the speaker, where the format has one.
    pub name: Option<String>,
    pub parts: Vec<Part>,
}

/// Results of tools are parts of a user's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
}

/// A function that the client runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    /// A JSON schema of an object; absent for a function without arguments.
    pub parameters: Option<Value>,
    /// Whether arguments must keep to the schema.
    pub strict: Option<bool>,
    pub cache: Option<CacheLifetime>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    None,
    /// Some tool must be called.
    Any,
    /// This tool must be called.
    Named(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum OutputFormat {
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    JsonSchema {
        name: Option<String>,
        description: Option<String>,
        schema: Value,
        strict: Option<bool>,
    },
}

/// Numbers stay as the client wrote them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub top_k: Option<Number>,
    pub seed: Option<Number>,
    pub presence_penalty: Option<Number>,
    pub frequency_penalty: Option<Number>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Log probabilities of each token, and of so many alternatives.
    pub logprobs: Option<u64>,
    /// By token id of the target's own tokenizer, as the client wrote it.
    pub logit_bias: Option<Value>,
}

/// How much to think, in either of the field's two ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasoningWish {
    pub effort: Option<Effort>,
    /// Most tokens to think with. `Some(0)`: do not think.
    pub budget_tokens: Option<u64>,
    /// Whether the client wants to read the reasoning, or its summary.
    pub shown: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    /// OpenAI's `xhigh`, Anthropic's `max`.
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    Low,
    Medium,
    High,
}

impl Conversation {
    /// The name of the tool that was called under `call_id`, for formats whose results name the tool.
    pub fn name_of_call(&self, call_id: &str) -> Option<&str> {
        let parts = self.turns.iter().flat_map(|turn| &turn.parts);
        parts.filter_map(|part| part.called_as(call_id)).next()
    }

    /// The system and developer prompts, joined by blank lines, for formats that have one place for them.
    pub fn instructions(&self) -> impl Iterator<Item = &Part> {
        self.turns.iter().filter(|turn| turn.role.instructs()).flat_map(|turn| &turn.parts)
    }

    /// The turns that are not instructions, neighbours of one role taken together, for formats in which
    /// user and assistant must take turns.
    pub fn alternating(&self) -> Vec<(Role, Vec<&Part>)> {
        let mut alternating: Vec<(Role, Vec<&Part>)> = Vec::new();
        for turn in self.turns.iter().filter(|turn| !turn.role.instructs()) {
            match alternating.last_mut() {
                Some((role, parts)) if *role == turn.role => parts.extend(&turn.parts),
                _ => alternating.push((turn.role, turn.parts.iter().collect())),
            }
        }
        alternating
    }
}

impl Role {
    pub fn instructs(self) -> bool {
        matches!(self, Role::System | Role::Developer)
    }
}

impl Part {
    fn called_as(&self, call_id: &str) -> Option<&str> {
        match &self.content {
            Content::ToolCall { id, name, .. } if id == call_id => Some(name),
            _ => None,
        }
    }
}
