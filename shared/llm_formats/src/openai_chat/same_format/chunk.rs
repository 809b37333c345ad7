//! One `chat.completion.chunk`, read without building it.

use crate::json::{Cursor, JsonError, Kind};
use crate::openai_chat::usage;
use crate::produced::Produced;
use crate::upstream_error::{self, UpstreamError};
use domain::price::Usage;
use std::ops::Range;

/// The facts of one chunk.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub produced: Produced,
    /// `None` also if `usage` is null or not readable.
    pub usage: Option<Usage>,
    /// Where `usage` stands, if it is an object.
    pub usage_object: Option<Range<usize>>,
    /// It has a `choices` array with something in it.
    pub has_choices: bool,
    pub error: Option<UpstreamError>,
}

pub(super) fn read_chunk(data: &[u8]) -> Result<Chunk, JsonError> {
    let mut chunk = Chunk::default();
    let mut cursor = Cursor::new(data);
    cursor.open_object()?;
    while let Some(key) = cursor.next_key()? {
        if key.is("choices") {
            chunk.has_choices =
                read_choices(&mut cursor, &mut chunk.produced)?.is_some_and(|count| count > 0);
        } else if key.is("usage") {
            let kind = cursor.kind()?;
            let start = cursor.at();
            chunk.usage = usage::read(&mut cursor)?;
            chunk.usage_object = (kind == Kind::Object).then(|| start..cursor.at());
        } else if key.is("error") {
            chunk.error = upstream_error::read_value(&mut cursor)?;
        } else {
            cursor.skip()?;
        }
    }
    cursor.end()?;
    Ok(chunk)
}

/// Reads the `choices` of a chunk or of a whole completion; how many there are, `None` if it is no array.
pub(super) fn read_choices(cursor: &mut Cursor, produced: &mut Produced) -> Result<Option<u64>, JsonError> {
    if cursor.kind()? != Kind::Array {
        cursor.skip()?;
        return Ok(None);
    }
    let mut count = 0;
    cursor.open_array()?;
    while cursor.next_element()? {
        count += 1;
        if cursor.kind()? == Kind::Object {
            read_choice(cursor, produced)?;
        } else {
            cursor.skip()?;
        }
    }
    Ok(Some(count))
}

fn read_choice(cursor: &mut Cursor, produced: &mut Produced) -> Result<(), JsonError> {
    let mut bytes = 0;
    let mut index = 0;
    let mut finished = false;
    cursor.open_object()?;
    while let Some(key) = cursor.next_key()? {
        if key.is("delta") || key.is("message") || key.is("text") {
            bytes += text_bytes(cursor)?;
        } else if key.is("finish_reason") {
            finished = cursor.kind()? == Kind::String;
            cursor.skip()?;
        } else if key.is("index") && cursor.kind()? == Kind::Number {
            index = std::str::from_utf8(cursor.number()?)
                .ok()
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(0);
        } else {
            cursor.skip()?;
        }
    }
    if finished {
        produced.finished |= 1u128.checked_shl(index).unwrap_or(0);
    }
    produced.texts += u64::from(bytes > 0);
    produced.bytes += bytes;
    Ok(())
}

/// Members of a delta that the model did not write.
const NOT_WRITTEN: [&str; 3] = ["role", "type", "id"];

/// Bytes of all texts in a delta: content, refusal, reasoning, names and arguments of tool calls.
fn text_bytes(cursor: &mut Cursor) -> Result<u64, JsonError> {
    let mut bytes = 0;
    match cursor.kind()? {
        Kind::String => bytes = cursor.string()?.decoded_bytes_max as u64,
        Kind::Object => {
            cursor.open_object()?;
            while let Some(key) = cursor.next_key()? {
                if NOT_WRITTEN.iter().any(|name| key.is(name)) {
                    cursor.skip()?;
                } else {
                    bytes += text_bytes(cursor)?;
                }
            }
        }
        Kind::Array => {
            cursor.open_array()?;
            while cursor.next_element()? {
                bytes += text_bytes(cursor)?;
            }
        }
        _ => cursor.skip()?,
    }
    Ok(bytes)
}
