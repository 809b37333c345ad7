//! `finish_reason`.

use crate::conversation::StopReason;
use serde_json::Value;

/// What a choice has brought, on which the meaning of its `finish_reason` depends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brought {
    pub refusal: bool,
    pub calls: bool,
}

/// None while the choice goes on, and for words that we do not know: the answer may be cut.
pub(super) fn read(word: &Value, brought: Brought) -> Option<StopReason> {
    match word.as_str()? {
        "stop" if brought.refusal => Some(StopReason::Refusal),
        // Some servers say `stop` after calls, too.
        "stop" if brought.calls => Some(StopReason::ToolCalls),
        "stop" | "eos" => Some(StopReason::EndOfTurn),
        "length" | "model_length" => Some(StopReason::Length),
        "tool_calls" | "function_call" => Some(StopReason::ToolCalls),
        "content_filter" => Some(StopReason::ContentFilter),
        _ => None,
    }
}

/// A refusal in words is a normal end; one without is what the field calls filtered.
pub(super) fn write(reason: &StopReason, has_refusal: bool) -> &'static str {
    match reason {
        StopReason::EndOfTurn | StopReason::StopSequence(_) => "stop",
        StopReason::Refusal if has_refusal => "stop",
        StopReason::Length => "length",
        StopReason::ToolCalls => "tool_calls",
        StopReason::ContentFilter | StopReason::Refusal => "content_filter",
    }
}
