//! What an unstreamed answer cost, in one pass over its bytes.

use super::chunk;
use crate::json::{Cursor, JsonError};
use crate::openai_chat::usage;
use crate::produced::Produced;
use crate::upstream_error::{self, UpstreamError};
use domain::price::Usage;

/// The facts of a chat completion's body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// As the provider reports it, if it does so readably.
    pub usage: Option<Usage>,
    /// Output tokens by the length of the answer, for an answer without usage. Reasoning that is not
    /// shown is not in it.
    pub output_estimate: u64,
    /// How many choices there are.
    pub choices: u64,
    /// An error inside an answer whose status said success.
    pub error: Option<UpstreamError>,
}

/// Reads a whole body. Bytes that are not one JSON object are an error: the answer is broken.
pub fn read_completion(body: &[u8]) -> Result<Completion, JsonError> {
    let mut completion = Completion::default();
    let mut produced = Produced::default();
    let mut cursor = Cursor::new(body);
    cursor.open_object()?;
    while let Some(key) = cursor.next_key()? {
        match key.name().as_ref() {
            "usage" => completion.usage = usage::read(&mut cursor)?,
            "choices" => completion.choices = chunk::read_choices(&mut cursor, &mut produced)?.unwrap_or(0),
            "error" => completion.error = upstream_error::read_value(&mut cursor)?,
            _ => cursor.skip()?,
        }
    }
    cursor.end()?;
    completion.output_estimate = produced.tokens_estimate();
    Ok(completion)
}

/// The usage alone; `None` also for a body that is not JSON.
pub fn usage_of_completion(body: &[u8]) -> Option<Usage> {
    read_completion(body).ok()?.usage
}
