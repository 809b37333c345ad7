//! What a provider says when it refuses.

use crate::json::{Cursor, JsonError, Kind, Text};

/// Longest message that is kept, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 500;

/// Longest type or code that is kept, in bytes.
pub const CODE_BYTES_MAX: usize = 64;

/// A provider's error, cut to bounded lengths. For logs and for choosing what to do next; a provider's
/// message may name its own account, so think before showing it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    pub message: String,
    /// OpenAI's `type`, such as `insufficient_quota`.
    pub kind: Option<String>,
    /// OpenAI's `code`, such as `model_not_found`; a number is kept as its digits.
    pub code: Option<String>,
}

impl UpstreamError {
    /// Reads an error body: `{"error": {message, type, code}}`, `{"error": "message"}`, or the object
    /// without its envelope (`message` or `detail`), as some servers send. `None` for anything else.
    pub fn read(body: &[u8]) -> Option<UpstreamError> {
        let mut cursor = Cursor::new(body);
        let outer = read_object(&mut cursor).ok()?;
        outer.enveloped.or((!outer.bare.message.is_empty()).then_some(outer.bare))
    }
}

struct Outer {
    enveloped: Option<UpstreamError>,
    bare: UpstreamError,
}

fn read_object(cursor: &mut Cursor) -> Result<Outer, JsonError> {
    let mut enveloped = None;
    let mut bare = UpstreamError::default();
    cursor.open_object()?;
    while let Some(key) = cursor.next_key()? {
        if key.is("error") {
            enveloped = read_value(cursor)?;
        } else {
            read_member(&key, cursor, &mut bare)?;
        }
    }
    Ok(Outer { enveloped, bare })
}

/// Reads the value of an `error` member; `None` for null and what says nothing.
pub(crate) fn read_value(cursor: &mut Cursor) -> Result<Option<UpstreamError>, JsonError> {
    let mut error = UpstreamError::default();
    match cursor.kind()? {
        Kind::String => error.message = cut(&cursor.string()?, MESSAGE_BYTES_MAX),
        Kind::Object => {
            cursor.open_object()?;
            while let Some(key) = cursor.next_key()? {
                read_member(&key, cursor, &mut error)?;
            }
        }
        _ => {
            cursor.skip()?;
            return Ok(None);
        }
    }
    Ok(Some(error))
}

fn read_member(key: &Text, cursor: &mut Cursor, error: &mut UpstreamError) -> Result<(), JsonError> {
    let kind = cursor.kind()?;
    match (key.name().as_ref(), kind) {
        ("message" | "detail", Kind::String) => error.message = cut(&cursor.string()?, MESSAGE_BYTES_MAX),
        ("type", Kind::String) => error.kind = Some(cut(&cursor.string()?, CODE_BYTES_MAX)),
        ("code", Kind::String) => error.code = Some(cut(&cursor.string()?, CODE_BYTES_MAX)),
        ("code", Kind::Number) => {
            let digits = cursor.number()?;
            error.code =
                Some(String::from_utf8_lossy(&digits[..digits.len().min(CODE_BYTES_MAX)]).into_owned());
        }
        _ => cursor.skip()?,
    }
    Ok(())
}

fn cut(text: &Text, bytes_max: usize) -> String {
    let text = text.name();
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}
