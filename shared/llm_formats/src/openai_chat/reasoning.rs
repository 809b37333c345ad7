//! A model's thoughts in chat completions: `reasoning_content` (or `reasoning`) is their text;
//! `reasoning_details`, as OpenRouter has them, carry the seals that go back with them.

use crate::RequestError;
use crate::conversation::{Content, Part};
use crate::fields::{Fields, typed};
use crate::members::Members;
use serde_json::Value;

const TEXT: &str = "reasoning.text";
const SUMMARY: &str = "reasoning.summary";
const SEALED: &str = "reasoning.encrypted";

/// Of an assistant's message in a request. Details say more than the text, so they win.
pub(super) fn read_of_request(message: &mut Members) -> Result<Vec<Part>, RequestError> {
    let texts = [message.text("reasoning_content")?, message.text("reasoning")?];
    let details = message.list("reasoning_details")?;
    if details.is_empty() {
        return Ok(of_text(texts.into_iter().flatten().next()).into_iter().collect());
    }
    let known = |detail: crate::members::Member| {
        of_detail(&detail.value).map(Part::from).ok_or_else(|| RequestError::untranslatable(detail.path))
    };
    details.into_iter().map(known).collect()
}

/// Of an answer's message.
pub(super) fn read(message: &Value) -> Vec<Part> {
    match details(message) {
        [] => of_text(plain(message).map(str::to_owned)).into_iter().collect(),
        details => details.iter().filter_map(of_detail).map(Part::from).collect(),
    }
}

/// The text of a message or delta, under either of its names.
pub(super) fn plain(message: &Value) -> Option<&str> {
    let text = |name: &str| message[name].as_str().filter(|text| !text.is_empty());
    text("reasoning_content").or_else(|| text("reasoning"))
}

pub(super) fn details(message: &Value) -> &[Value] {
    message["reasoning_details"].as_array().map_or(&[], Vec::as_slice)
}

/// Reasoning or a seal; none for kinds of details that we do not know.
pub(super) fn of_detail(detail: &Value) -> Option<Content> {
    let text = |name: &str| detail[name].as_str().map(str::to_owned);
    match detail["type"].as_str()? {
        TEXT => Some(Content::Reasoning {
            text: text("text").unwrap_or_default(),
            signature: text("signature").filter(|seal| !seal.is_empty()),
        }),
        SUMMARY => Some(Content::Reasoning { text: text("summary")?, signature: None }),
        SEALED => text("data").map(Content::SealedReasoning),
        _ => None,
    }
}

/// All thoughts as `reasoning_content`, and details if any of them is sealed.
pub(super) fn write(parts: &[Part], message: &mut Fields) {
    message.set_some("reasoning_content", text_of(parts));
    if parts.iter().any(is_sealed) {
        message.set_list("reasoning_details", details_of(parts));
    }
}

/// The texts of all thoughts, if there are any.
pub(super) fn text_of(parts: &[Part]) -> Option<String> {
    let texts = parts.iter().filter_map(|part| match &part.content {
        Content::Reasoning { text, .. } => Some(text.as_str()),
        _ => None,
    });
    Some(texts.collect::<String>()).filter(|text| !text.is_empty())
}

pub(super) fn details_of(parts: &[Part]) -> Vec<Value> {
    parts.iter().filter_map(|part| detail(&part.content)).collect()
}

pub(super) fn text_detail(text: &str, signature: Option<&str>) -> Value {
    let mut detail = typed(TEXT);
    detail.set("text", text).set_some("signature", signature);
    detail.into()
}

pub(super) fn sealed_detail(data: &str) -> Value {
    let mut detail = typed(SEALED);
    detail.set("data", data);
    detail.into()
}

fn detail(content: &Content) -> Option<Value> {
    match content {
        Content::Reasoning { text, signature } => Some(text_detail(text, signature.as_deref())),
        Content::SealedReasoning(data) => Some(sealed_detail(data)),
        _ => None,
    }
}

fn is_sealed(part: &Part) -> bool {
    matches!(part.content, Content::Reasoning { signature: Some(_), .. } | Content::SealedReasoning(_))
}

fn of_text(text: Option<String>) -> Option<Part> {
    let text = text.filter(|text| !text.is_empty())?;
    Some(Content::Reasoning { text, signature: None }.into())
}
