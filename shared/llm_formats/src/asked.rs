//! What a request asks for, in any format, as far as its price depends on it.

use crate::input::InputCount;

/// The facts of one scan. Everything that we cannot price has been refused.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub model: String,
    pub stream: bool,
    /// The client wants the usage at the end of a chat stream; other formats always carry it.
    pub include_usage: bool,
    /// The client's ceiling for each choice, in tokens.
    pub output_tokens_max: Option<u64>,
    /// At least 1: multiplies the ceiling.
    pub choices: u64,
    /// All that the model will read.
    pub input: InputCount,
    /// Bytes of the messages' content alone.
    pub content_bytes: u64,
}
