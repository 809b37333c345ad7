//! OpenAI's `usage` object to and from [`Usage`].
//!
//! Providers differ and some are wrong, so the reading never comes out below what was reported: a
//! `total_tokens` above the sum of its parts counts as output (Gemini and Grok leave reasoning out of
//! `completion_tokens`), a discount larger than what it is part of is ignored, and a usage without a
//! readable input or output is no usage: the caller then charges its own estimate.

use crate::json::{Cursor, JsonError, Kind};
use domain::price::Usage;
use serde_json::Value;
use std::fmt::Write;

/// The counts as reported; `None` where missing or not a plain number from 0 up.
#[derive(Default)]
struct Reported {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cached: u64,
    cache_write: u64,
    audio_input: u64,
    reasoning: u64,
    audio_output: u64,
}

/// Reads the value at the cursor. `Ok(None)`: it is not an object, or it does not say enough.
pub(crate) fn read(cursor: &mut Cursor) -> Result<Option<Usage>, JsonError> {
    if cursor.kind()? != Kind::Object {
        cursor.skip()?;
        return Ok(None);
    }
    let mut reported = Reported::default();
    cursor.open_object()?;
    while let Some(key) = cursor.next_key()? {
        match key.name().as_ref() {
            "prompt_tokens" => reported.prompt = read_count(cursor)?,
            "completion_tokens" => reported.completion = read_count(cursor)?,
            "total_tokens" => reported.total = read_count(cursor)?,
            "prompt_tokens_details" => read_details(cursor, |name, count| match name {
                "cached_tokens" => reported.cached = count,
                "cache_write_tokens" | "cache_creation_tokens" => reported.cache_write = count,
                "audio_tokens" => reported.audio_input = count,
                _ => {}
            })?,
            "completion_tokens_details" => read_details(cursor, |name, count| match name {
                "reasoning_tokens" => reported.reasoning = count,
                "audio_tokens" => reported.audio_output = count,
                _ => {}
            })?,
            _ => cursor.skip()?,
        }
    }
    Ok(reported.into_usage())
}

/// Of an answer that is in memory already.
pub(super) fn of(value: &Value) -> Option<Usage> {
    if !value.is_object() {
        return None;
    }
    read(&mut Cursor::new(value.to_string().as_bytes())).ok().flatten()
}

pub(super) fn value(usage: &Usage) -> Value {
    serde_json::from_str(&write_usage(usage, "")).unwrap_or_default()
}

impl Reported {
    fn into_usage(self) -> Option<Usage> {
        let (input_total, output_total) = match (self.prompt, self.completion, self.total) {
            (Some(prompt), Some(completion), total) => {
                let unexplained = total.unwrap_or(0).saturating_sub(prompt + completion);
                (prompt, completion + unexplained)
            }
            (Some(prompt), None, Some(total)) => (prompt, total.saturating_sub(prompt)),
            (None, Some(completion), Some(total)) => (total.saturating_sub(completion), completion),
            _ => return None,
        };
        // Dearer kinds first: what is left over is plain.
        let audio_input = self.audio_input.min(input_total);
        let input = input_total - audio_input;
        let cache_write = self.cache_write.min(input);
        let input = input - cache_write;
        let cached_input = if self.cached <= input { self.cached } else { 0 };
        let audio_output = self.audio_output.min(output_total);
        let output = output_total - audio_output;
        let reasoning = self.reasoning.min(output);
        Some(Usage {
            input: input - cached_input,
            cached_input,
            cache_write,
            output: output - reasoning,
            reasoning,
            audio_input,
            audio_output,
        })
    }
}

fn read_details(cursor: &mut Cursor, mut set: impl FnMut(&str, u64)) -> Result<(), JsonError> {
    if cursor.kind()? != Kind::Object {
        cursor.skip()?;
        return Ok(());
    }
    cursor.open_object()?;
    while let Some(key) = cursor.next_key()? {
        if let Some(count) = read_count(cursor)? {
            set(&key.name(), count);
        }
    }
    Ok(())
}

/// A count from 0 to `Usage::UNITS_MAX`, a fraction rounded up; `None` for anything else. (Not through
/// `f64`: its parser and tables are some 20 KB of wasm.)
fn read_count(cursor: &mut Cursor) -> Result<Option<u64>, JsonError> {
    if cursor.kind()? != Kind::Number {
        cursor.skip()?;
        return Ok(None);
    }
    let number = cursor.number()?;
    if number.iter().any(|byte| matches!(byte, b'-' | b'e' | b'E')) {
        return Ok(None);
    }
    let mut parts = number.split(|byte| *byte == b'.');
    let whole = parts.next().unwrap_or_default().iter().fold(0u64, |count, digit| {
        // Cut at each digit, so that no number is too long.
        (count * 10 + u64::from(digit - b'0')).min(Usage::UNITS_MAX)
    });
    let fraction = parts.next().is_some_and(|digits| digits.iter().any(|digit| *digit != b'0'));
    Ok(Some((whole + u64::from(fraction)).min(Usage::UNITS_MAX)))
}

/// `usage` as OpenAI writes it. `members` are added inside, as JSON members without a comma at either
/// end (`"cost_eur":"0.000123"`), or nothing.
pub fn write_usage(usage: &Usage, members: &str) -> String {
    let mut json = String::with_capacity(256 + members.len());
    let comma = if members.is_empty() { "" } else { "," };
    // Writing to a string cannot fail.
    let _ = write!(
        json,
        "{{\"prompt_tokens\":{},\"completion_tokens\":{},\"total_tokens\":{},\
         \"prompt_tokens_details\":{{\"cached_tokens\":{},\"audio_tokens\":{}}},\
         \"completion_tokens_details\":{{\"reasoning_tokens\":{},\"audio_tokens\":{}}}{comma}{members}}}",
        usage.total_input(),
        usage.total_output(),
        usage.total(),
        usage.cached_input,
        usage.audio_input,
        usage.reasoning,
        usage.audio_output,
    );
    json
}
