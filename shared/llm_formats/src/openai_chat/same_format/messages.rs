//! The parts of a chat request that the model reads: messages and tools.

use crate::input::InputCount;
use crate::json::{Cursor, JsonError, Kind, Text};
use crate::request_error::{RequestError, Stop};
use std::ops::Range;

/// What is kept of the messages.
#[derive(Clone, Debug, Default)]
pub(super) struct MessageFacts {
    /// Bytes of all contents' text.
    pub content_bytes: u64,
    /// Where the content of the last user message stands.
    pub last_user_content: Option<Range<usize>>,
}

/// Content parts whose cost is bounded by their text.
const TEXT_PARTS: [&str; 2] = ["text", "refusal"];

/// Part and member of an image, counted whatever the part's `type` says: some servers go by the member.
const IMAGE: &str = "image_url";

/// Members that carry what nobody can bound, likewise.
const MEDIA_MEMBERS: [&str; 4] = ["input_audio", "audio_url", "video_url", "file"];

const OFFERED: &str = "only text and images are offered";

pub(super) fn read(cursor: &mut Cursor, input: &mut InputCount) -> Result<MessageFacts, Stop> {
    if cursor.kind()? != Kind::Array {
        return Err(RequestError::wrong_type("messages", "an array of messages").into());
    }
    let mut facts = MessageFacts::default();
    let before = input.messages();
    cursor.open_array()?;
    while cursor.next_element()? {
        let index = input.messages() - before;
        read_message(cursor, index, input, &mut facts)?;
        input.message();
    }
    if input.messages() == before {
        return Err(RequestError::wrong_value("messages", "an array with at least one message").into());
    }
    Ok(facts)
}

fn read_message(
    cursor: &mut Cursor,
    index: u64,
    input: &mut InputCount,
    facts: &mut MessageFacts,
) -> Result<(), Stop> {
    if cursor.kind()? != Kind::Object {
        return Err(RequestError::wrong_type(format!("messages[{index}]"), "an object").into());
    }
    let mut role: Option<Text> = None;
    let mut content = None;
    cursor.open_object()?;
    while let Some(key) = cursor.next_key()? {
        if key.is("content") {
            content = Some(read_content(cursor, index, input, facts)?);
        } else if key.is("role") {
            if cursor.kind()? != Kind::String {
                return Err(RequestError::wrong_type(format!("messages[{index}].role"), "a string").into());
            }
            let text = cursor.string()?;
            input.text(&text);
            role = Some(text);
        } else if key.is("audio") && cursor.kind()? != Kind::Null {
            let param = format!("messages[{index}].audio");
            return Err(RequestError::unpriced(param, "audio is not offered, send the text").into());
        } else {
            let value = cursor.range()?;
            input.json(cursor.written(value));
        }
    }
    match role {
        None => {
            let param = format!("messages[{index}].role");
            Err(RequestError::missing(param, "say who speaks, such as `user`").into())
        }
        Some(role) => {
            if role.is("user") {
                facts.last_user_content = content;
            }
            Ok(())
        }
    }
}

/// Reads a message's content; its byte range.
fn read_content(
    cursor: &mut Cursor,
    message: u64,
    input: &mut InputCount,
    facts: &mut MessageFacts,
) -> Result<Range<usize>, Stop> {
    let kind = cursor.kind()?;
    let start = cursor.at();
    match kind {
        Kind::Null => cursor.null()?,
        Kind::String => {
            let text = cursor.string()?;
            input.text(&text);
            facts.content_bytes += text.decoded_bytes_max as u64;
        }
        Kind::Array => {
            cursor.open_array()?;
            let mut part = 0;
            let mut images: Vec<Range<usize>> = Vec::new();
            while cursor.next_element()? {
                read_part(cursor, &|| format!("messages[{message}].content[{part}]"), facts, &mut images)?;
                part += 1;
            }
            // All but the images' own bytes.
            let mut text_start = start;
            for image in images {
                input.image();
                input.json(cursor.written(text_start..image.start));
                text_start = image.end;
            }
            input.json(cursor.written(text_start..cursor.at()));
        }
        _ => {
            let param = format!("messages[{message}].content");
            return Err(RequestError::wrong_type(param, "a string or an array of content parts").into());
        }
    }
    Ok(start..cursor.at())
}

fn read_part(
    cursor: &mut Cursor,
    path: &dyn Fn() -> String,
    facts: &mut MessageFacts,
    images: &mut Vec<Range<usize>>,
) -> Result<(), Stop> {
    match cursor.kind()? {
        Kind::Object => cursor.open_object()?,
        _ => return Err(RequestError::wrong_type(path(), "an object with a `type`").into()),
    }
    let mut typed = false;
    while let Some(key) = cursor.next_key()? {
        let name = key.name();
        if name == "type" {
            if cursor.kind()? != Kind::String {
                return Err(RequestError::wrong_type(path() + ".type", "a string").into());
            }
            typed = true;
            let part_type = cursor.string()?;
            if !part_type.is(IMAGE) && !TEXT_PARTS.iter().any(|text| part_type.is(text)) {
                return Err(RequestError::unpriced(path(), OFFERED).into());
            }
        } else if name == IMAGE && cursor.kind()? != Kind::Null {
            images.push(cursor.range()?);
        } else if MEDIA_MEMBERS.contains(&name.as_ref()) && cursor.kind()? != Kind::Null {
            return Err(RequestError::unpriced(path(), OFFERED).into());
        } else if TEXT_PARTS.contains(&name.as_ref()) && cursor.kind()? == Kind::String {
            facts.content_bytes += cursor.string()?.decoded_bytes_max as u64;
        } else {
            cursor.skip()?;
        }
    }
    if !typed {
        return Err(RequestError::missing(path() + ".type", "send `text`").into());
    }
    Ok(())
}

/// Reads `tools`: functions and custom tools are text; any other type runs at the provider and is billed there.
pub(super) fn read_tools(cursor: &mut Cursor, input: &mut InputCount) -> Result<(), Stop> {
    if cursor.kind()? != Kind::Array {
        return Err(RequestError::wrong_type("tools", "an array of tools").into());
    }
    let start = cursor.at();
    let mut index = 0u64;
    cursor.open_array()?;
    while cursor.next_element()? {
        read_tool(cursor, index)?;
        input.tool();
        index += 1;
    }
    input.json(cursor.written(start..cursor.at()));
    Ok(())
}

fn read_tool(cursor: &mut Cursor, index: u64) -> Result<(), Stop> {
    if cursor.kind()? != Kind::Object {
        return Err(RequestError::wrong_type(format!("tools[{index}]"), "an object").into());
    }
    let mut typed = false;
    cursor.open_object()?;
    while let Some(key) = cursor.next_key()? {
        if !key.is("type") {
            cursor.skip()?;
            continue;
        }
        if cursor.kind()? != Kind::String {
            return Err(RequestError::wrong_type(format!("tools[{index}].type"), "a string").into());
        }
        typed = true;
        let tool_type = cursor.string()?;
        if !tool_type.is("function") && !tool_type.is("custom") {
            let remedy = "only tools of type `function` and `custom` are offered";
            return Err(RequestError::unpriced(format!("tools[{index}]"), remedy).into());
        }
    }
    if !typed {
        return Err(RequestError::missing(format!("tools[{index}].type"), "send `function`").into());
    }
    Ok(())
}

/// The text of a content that has been read before.
pub(super) fn content_text(content: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new(content);
    match cursor.kind().ok()? {
        Kind::String => cursor.string().ok()?.decode().map(|text| text.into_owned()),
        Kind::Array => parts_text(&mut cursor).ok(),
        _ => None,
    }
}

fn parts_text(cursor: &mut Cursor) -> Result<String, JsonError> {
    let mut text = String::new();
    cursor.open_array()?;
    while cursor.next_element()? {
        cursor.open_object()?;
        while let Some(key) = cursor.next_key()? {
            if key.is("text") && cursor.kind()? == Kind::String {
                text.push_str(&cursor.string()?.name());
            } else {
                cursor.skip()?;
            }
        }
    }
    Ok(text)
}
