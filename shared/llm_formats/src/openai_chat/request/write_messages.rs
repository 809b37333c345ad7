//! Turns as messages.

use super::messages::{AUDIO_FORMATS, DETAILS};
use super::vendor::{KeptReasoning, Vendor};
use super::write::{mark, require, sole_text};
use crate::conversation::{Content, Detail, Feature, Part, Role, Source, Turn, Unsupported};
use crate::fields::{Fields, typed};
use crate::openai_chat::{reasoning, tool_call};
use serde_json::Value;

type Written<T> = Result<T, Unsupported>;

/// Results of tools become messages of their own, before what else the user said in that turn.
pub(super) fn write(turns: &[Turn], vendor: &Vendor) -> Written<Vec<Value>> {
    let mut messages = Vec::new();
    for turn in turns {
        match turn.role {
            Role::Assistant => messages.push(answer(turn, vendor)?),
            _ => prompt(turn, vendor, &mut messages)?,
        }
    }
    Ok(messages)
}

fn prompt(turn: &Turn, vendor: &Vendor, messages: &mut Vec<Value>) -> Written<()> {
    let mut said = Vec::new();
    for part in &turn.parts {
        match &part.content {
            Content::ToolResult { call_id, parts, .. } => {
                messages.push(tool_result(call_id, parts, vendor)?);
            }
            _ => said.push(part),
        }
    }
    if said.is_empty() && !turn.parts.is_empty() {
        return Ok(());
    }
    let role = match turn.role {
        Role::Developer if vendor.developer => "developer",
        Role::System | Role::Developer => "system",
        _ => "user",
    };
    let mut message = begun(role, turn, vendor)?;
    message.set("content", content(&said, vendor)?);
    messages.push(message.into());
    Ok(())
}

fn begun(role: &str, turn: &Turn, vendor: &Vendor) -> Written<Fields> {
    require(vendor.speaker_names || turn.name.is_none(), Feature::SpeakerName)?;
    let mut message = Fields::new();
    message.set("role", role).set_some("name", turn.name.as_deref());
    Ok(message)
}

fn tool_result(call_id: &str, parts: &[Part], vendor: &Vendor) -> Written<Value> {
    let is_text = |part: &Part| matches!(part.content, Content::Text(_));
    require(parts.iter().all(is_text), Feature::ToolResultMedia)?;
    let mut message = Fields::new();
    message.set("role", "tool").set("tool_call_id", known_call_id(call_id, vendor));
    message.set("content", content(&parts.iter().collect::<Vec<_>>(), vendor)?);
    Ok(message.into())
}

fn answer(turn: &Turn, vendor: &Vendor) -> Written<Value> {
    let mut message = begun("assistant", turn, vendor)?;
    let (mut said, mut refusals, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for part in &turn.parts {
        match &part.content {
            Content::ToolCall { id, name, arguments, signature } => {
                let id = known_call_id(id, vendor);
                calls.push(tool_call::write(&id, name, arguments, signature.as_deref()).into());
            }
            Content::Refusal(text) if vendor.refusals => refusals.push(text.as_str()),
            Content::Reasoning { .. } | Content::SealedReasoning(_) => {}
            _ => said.push(part),
        }
    }
    let content = if said.is_empty() { Value::Null } else { content(&said, vendor)? };
    message.set("content", content);
    if !refusals.is_empty() {
        message.set("refusal", refusals.concat());
    }
    match vendor.reasoning {
        KeptReasoning::Dropped => {}
        KeptReasoning::Text => {
            message.set_some("reasoning_content", reasoning::text_of(&turn.parts));
        }
        KeptReasoning::Details => {
            message.set_list("reasoning_details", reasoning::details_of(&turn.parts));
        }
    }
    message.set_list("tool_calls", calls);
    Ok(message.into())
}

/// A string where that is enough: every server takes one.
fn content(parts: &[&Part], vendor: &Vendor) -> Written<Value> {
    if let Some(text) = sole_text(parts) {
        return Ok(text.into());
    }
    let parts = parts.iter().map(|part| {
        let mut written = piece(&part.content, vendor)?;
        mark(part.cache, vendor, &mut written)?;
        Ok(Value::from(written))
    });
    Ok(parts.collect::<Written<Vec<_>>>()?.into())
}

fn piece(content: &Content, vendor: &Vendor) -> Written<Fields> {
    match content {
        Content::Text(text) | Content::Refusal(text) => {
            let mut piece = typed("text");
            piece.set("text", text.as_str());
            Ok(piece)
        }
        Content::Image { source, detail } => Ok(image(source, *detail)),
        Content::File { source, name } => file(source, name.as_deref(), vendor),
        Content::Audio { media_type, data } => audio(media_type, data, vendor),
        // Elsewhere than in its own turn: no format says it.
        _ => Err(Feature::ToolResultMedia.unsupported()),
    }
}

fn image(source: &Source, detail: Detail) -> Fields {
    let mut image = Fields::new();
    image.set("url", source.to_url());
    let known = DETAILS.iter().find(|(_, known)| *known == detail && detail != Detail::Auto);
    image.set_some("detail", known.map(|(word, _)| *word));
    let mut piece = typed("image_url");
    piece.set("image_url", image);
    piece
}

fn file(source: &Source, name: Option<&str>, vendor: &Vendor) -> Written<Fields> {
    require(vendor.files, Feature::File)?;
    if matches!(source, Source::Url(_)) && !vendor.file_urls {
        return Err(Feature::FileUrl.unless("send it inline, as base64"));
    }
    let mut file = Fields::new();
    file.set("filename", name.unwrap_or("file")).set("file_data", source.to_url());
    let mut piece = typed("file");
    piece.set("file", file);
    Ok(piece)
}

fn audio(media_type: &str, data: &str, vendor: &Vendor) -> Written<Fields> {
    require(vendor.audio, Feature::Audio)?;
    let format = AUDIO_FORMATS.iter().find(|(_, known)| *known == media_type);
    let Some((format, _)) = format else { return Err(Feature::Audio.unless("send WAV or MP3")) };
    let mut audio = Fields::new();
    audio.set("data", data).set("format", *format);
    let mut piece = typed("input_audio");
    piece.set("input_audio", audio);
    Ok(piece)
}

/// The id as it is, or, where ids are short, nine letters and digits that are always the same for it.
fn known_call_id(id: &str, vendor: &Vendor) -> String {
    const LENGTH: usize = 9;
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let is_short = id.len() == LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !vendor.short_call_ids || is_short {
        return id.to_owned();
    }
    // FNV-1a: two ids of one conversation never meet in practice.
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut short = String::new();
    for _ in 0..LENGTH {
        short.push(char::from(DIGITS[(hash % 62) as usize]));
        hash /= 62;
    }
    short
}
