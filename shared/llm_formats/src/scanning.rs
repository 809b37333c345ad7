//! Reading single members of a request whose bytes pass, for the scans of all formats.

use crate::json::{Cursor, JsonError, Kind, whole};
use crate::request_error::{RequestError, Stop};
use std::ops::Range;

/// Highest accepted ceiling, per choice. With [`CHOICES_MAX`] choices it stays below `Usage::UNITS_MAX`.
pub const OUTPUT_TOKENS_MAX: u64 = 1_000_000_000;

/// Most answers to one request; OpenAI's own limit for `n`.
pub const CHOICES_MAX: u64 = 128;

/// Longest model name, in bytes.
pub const MODEL_BYTES_MAX: usize = 256;

/// Byte offsets of a member of the top object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    /// Of the key's opening quote.
    pub key_start: usize,
    pub value: Range<usize>,
}

/// Passes white space; the offset at which the value starts.
pub(crate) fn start_of_value(cursor: &mut Cursor) -> Result<usize, JsonError> {
    cursor.kind()?;
    Ok(cursor.at())
}

/// Reads a null, which counts as absent; leaves anything else.
pub(crate) fn read_null(cursor: &mut Cursor) -> Result<bool, JsonError> {
    let null = cursor.kind()? == Kind::Null;
    if null {
        cursor.null()?;
    }
    Ok(null)
}

pub(crate) fn read_model(cursor: &mut Cursor) -> Result<String, Stop> {
    if cursor.kind()? != Kind::String {
        return Err(RequestError::wrong_type("model", "a string").into());
    }
    match cursor.string()?.decode() {
        Some(model) if (1..=MODEL_BYTES_MAX).contains(&model.len()) => Ok(model.into_owned()),
        _ => Err(RequestError::wrong_value("model", "the name of a model, 1 to 256 bytes").into()),
    }
}

pub(crate) fn read_bool(cursor: &mut Cursor, param: &str) -> Result<bool, Stop> {
    if cursor.kind()? != Kind::Bool {
        return Err(RequestError::wrong_type(param, "true or false").into());
    }
    Ok(cursor.bool()?)
}

/// A whole number from 1 to `max`, however it is written.
pub(crate) fn read_count(cursor: &mut Cursor, param: &str, max: u64) -> Result<u64, Stop> {
    let wanted = || format!("a whole number from 1 to {max}");
    if cursor.kind()? != Kind::Number {
        return Err(RequestError::wrong_type(param, &wanted()).into());
    }
    let Some(number) = whole(cursor.number()?) else {
        return Err(RequestError::wrong_type(param, &wanted()).into());
    };
    match u64::try_from(number) {
        Ok(count) if (1..=max).contains(&count) => Ok(count),
        _ => Err(RequestError::wrong_value(param, &wanted()).into()),
    }
}
