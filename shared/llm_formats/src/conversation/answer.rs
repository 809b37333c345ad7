//! What a target answers, whole.

use super::Part;
use domain::price::Usage;
use serde_json::Number;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub choices: Vec<Choice>,
    /// As the provider reports it, if it does so readably.
    pub usage: Option<Usage>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Text, refusals, tool calls and reasoning, in the target's order.
    pub parts: Vec<Part>,
    /// None: the provider did not say; the answer may be cut.
    pub stop: Option<StopReason>,
    /// Empty unless asked for.
    pub logprobs: Vec<TokenLogprob>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    EndOfTurn,
    /// A stop sequence was met; which one, where the provider says so.
    StopSequence(Option<String>),
    Length,
    ToolCalls,
    /// The provider's filter cut it.
    ContentFilter,
    /// The model would not answer.
    Refusal,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprob {
    pub token: String,
    pub logprob: Number,
    /// The token's bytes, where the provider gives them.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens at this place; they have none of their own.
    pub top: Vec<TokenLogprob>,
}
