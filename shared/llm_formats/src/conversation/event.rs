//! What a target answers, piece by piece.

use super::{StopReason, TokenLogprob};
use crate::UpstreamError;
use domain::price::Usage;

/// A step of a streamed answer. `choice` counts from 0. Of one choice, the pieces of one part come
/// without pieces of another part between them, except for tool calls, which `call` keeps apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The target has begun to answer. At most once, first.
    Started,
    Text {
        choice: u64,
        text: String,
    },
    Refusal {
        choice: u64,
        text: String,
    },
    Reasoning {
        choice: u64,
        text: String,
    },
    /// The seal of the reasoning before it.
    ReasoningSignature {
        choice: u64,
        signature: String,
    },
    SealedReasoning {
        choice: u64,
        data: String,
    },
    /// `call` counts a choice's tool calls from 0.
    ToolStarted {
        choice: u64,
        call: u64,
        id: String,
        name: String,
        signature: Option<String>,
    },
    /// The next fragment of the call's JSON.
    ToolArguments {
        choice: u64,
        call: u64,
        fragment: String,
    },
    Logprobs {
        choice: u64,
        tokens: Vec<TokenLogprob>,
    },
    Finished {
        choice: u64,
        reason: StopReason,
    },
    /// Cumulative; of several the last counts.
    Usage(Usage),
    /// The provider failed in mid-stream. Nothing follows.
    Error(UpstreamError),
    /// Bytes of an event that nobody can read, or that says nothing known; counted as produced text.
    Unreadable {
        bytes: u64,
    },
    /// The target said that its answer is whole. Nothing follows.
    Ended,
}
