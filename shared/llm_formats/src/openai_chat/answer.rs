//! `chat.completion` objects.

use super::stop_reason::{self, Brought};
use super::{logprobs, reasoning, tool_call, usage};
use crate::conversation::{Answer, Choice, Content, Part};
use crate::exchange::Head;
use crate::fields::Fields;
use domain::price::Usage;
use serde_json::Value;

/// Of a target; `None`: broken.
pub fn read(body: &[u8]) -> Option<Answer> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let choices = body["choices"].as_array()?;
    Some(Answer { choices: choices.iter().map(read_choice).collect(), usage: usage::of(&body["usage"]) })
}

fn read_choice(choice: &Value) -> Choice {
    let message = &choice["message"];
    let mut parts = reasoning::read(message);
    parts.extend(read_content(&message["content"]));
    let refusal = message["refusal"].as_str().filter(|text| !text.is_empty());
    parts.extend(refusal.map(|text| Content::Refusal(text.to_owned()).into()));
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    let calls: Vec<Part> = calls.filter_map(tool_call::read).collect();
    let brought = Brought { refusal: refusal.is_some(), calls: !calls.is_empty() };
    parts.extend(calls);
    Choice {
        parts,
        stop: stop_reason::read(&choice["finish_reason"], brought),
        logprobs: logprobs::read(&choice["logprobs"]),
    }
}

/// A string, or Mistral's list, in which thoughts stand beside text.
pub(super) fn read_content(content: &Value) -> Vec<Part> {
    match content {
        Value::String(text) if !text.is_empty() => vec![Part::text(text.as_str())],
        Value::Array(pieces) => pieces.iter().filter_map(read_piece).collect(),
        _ => Vec::new(),
    }
}

fn read_piece(piece: &Value) -> Option<Part> {
    match piece["type"].as_str()? {
        "text" => Some(Part::text(piece["text"].as_str()?)),
        "thinking" => {
            let pieces = piece["thinking"].as_array()?;
            let text = pieces.iter().filter_map(|piece| piece["text"].as_str()).collect();
            Some(Content::Reasoning { text, signature: None }.into())
        }
        _ => None,
    }
}

/// For a client.
pub fn write(head: &Head, answer: &Answer, usage: &Usage) -> String {
    let choices: Vec<Value> = (0u64..).zip(&answer.choices).map(write_choice).collect();
    let mut body = Fields::new();
    body.set("id", format!("chatcmpl-{}", head.id)).set("object", "chat.completion");
    body.set("created", head.created).set("model", head.model.as_str());
    body.set("choices", choices).set("usage", usage::value(usage));
    body.text()
}

fn write_choice((index, choice): (u64, &Choice)) -> Value {
    let (mut message, mut text, mut refusal, mut calls) =
        (Fields::new(), None::<String>, None::<String>, Vec::new());
    for part in &choice.parts {
        match &part.content {
            Content::Text(more) => text.get_or_insert_default().push_str(more),
            Content::Refusal(more) => refusal.get_or_insert_default().push_str(more),
            Content::ToolCall { id, name, arguments, signature } => {
                calls.push(tool_call::write(id, name, arguments, signature.as_deref()).into());
            }
            _ => {}
        }
    }
    let has_refusal = refusal.is_some();
    message.set("role", "assistant").set("content", text).set("refusal", refusal);
    reasoning::write(&choice.parts, &mut message);
    message.set_list("tool_calls", calls);
    let stop = choice.stop.as_ref().map(|reason| stop_reason::write(reason, has_refusal));
    let mut fields = Fields::new();
    fields.set("index", index).set("message", message);
    fields.set("logprobs", logprobs::write(&choice.logprobs)).set("finish_reason", stop);
    fields.into()
}
