//! `message` objects.

use super::usage;
use crate::conversation::{Answer, Content, StopReason};
use crate::exchange::Head;
use crate::fields::{Fields, typed};
use domain::price::Usage;
use serde_json::Value;

/// For a client, who gets one choice: the format knows no more.
pub fn write(head: &Head, answer: &Answer, usage: &Usage) -> String {
    let choice = answer.choices.first();
    let parts = choice.map(|choice| choice.parts.as_slice()).unwrap_or_default();
    let content: Vec<Value> = parts.iter().filter_map(|part| block(&part.content)).collect();
    let mut message = begun(head);
    message.set("content", content);
    set_stop(&mut message, choice.and_then(|choice| choice.stop.as_ref()));
    message.set("usage", usage::write(usage));
    message.text()
}

/// What a message says of itself.
pub(super) fn begun(head: &Head) -> Fields {
    let mut message = Fields::new();
    message.set("id", format!("msg_{}", head.id)).set("type", "message").set("role", "assistant");
    message.set("model", head.model.as_str());
    message
}

pub(super) fn set_stop(fields: &mut Fields, stop: Option<&StopReason>) {
    let sequence = match stop {
        Some(StopReason::StopSequence(sequence)) => sequence.as_deref(),
        _ => None,
    };
    fields.set("stop_reason", stop.map(word_of)).set("stop_sequence", sequence);
}

fn word_of(stop: &StopReason) -> &'static str {
    match stop {
        StopReason::EndOfTurn => "end_turn",
        StopReason::StopSequence(_) => "stop_sequence",
        StopReason::Length => "max_tokens",
        StopReason::ToolCalls => "tool_use",
        StopReason::ContentFilter | StopReason::Refusal => "refusal",
    }
}

fn block(content: &Content) -> Option<Value> {
    let block = match content {
        Content::Text(said) | Content::Refusal(said) => text(said),
        Content::Reasoning { text, signature } => thinking(text, signature.as_deref()),
        Content::SealedReasoning(data) => redacted(data),
        Content::ToolCall { id, name, arguments, .. } => tool_use(id, name, input(arguments)),
        _ => return None,
    };
    Some(block.into())
}

pub(super) fn text(said: &str) -> Fields {
    let mut block = typed("text");
    block.set("text", said);
    block
}

/// Clients want the signature to be there; that of a model that seals nothing is empty.
pub(super) fn thinking(text: &str, signature: Option<&str>) -> Fields {
    let mut block = typed("thinking");
    block.set("thinking", text).set("signature", signature.unwrap_or_default());
    block
}

pub(super) fn redacted(data: &str) -> Fields {
    let mut block = typed("redacted_thinking");
    block.set("data", data);
    block
}

pub(super) fn tool_use(id: &str, name: &str, input: Value) -> Fields {
    let mut block = typed("tool_use");
    block.set("id", id).set("name", name).set("input", input);
    block
}

/// An input is always an object. Arguments that are none, because the model broke them, stand in it as
/// they came, so that the tool can say what is wrong with them.
fn input(arguments: &str) -> Value {
    match serde_json::from_str(arguments) {
        Ok(Value::Object(input)) => Value::Object(input),
        _ => {
            let mut input = Fields::new();
            input.set("arguments", arguments);
            input.into()
        }
    }
}
