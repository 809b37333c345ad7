//! A safe upper bound of a request's input tokens, without a tokenizer.
//!
//! A byte-level BPE token (GPT, Llama, Qwen, Claude) and a SentencePiece token with byte fallback and
//! identity normalisation (Mistral, Gemma, Gemini) each stand for at least one byte of UTF-8, so text
//! has at most as many tokens as bytes. JSON as written is never shorter than the text that it stands
//! for: every escape is longer than its character. To this come the tokens that a chat template adds.
//!
//! Text that is not content (tool definitions, schemas, fields unknown to us) counts with all bytes of
//! its JSON, names and punctuation included, since templates print it in forms of their own.

use crate::json::Text;

/// Added once: the template's own system text and the priming of the answer. OpenAI's is 3 ("How to
/// count tokens with tiktoken", OpenAI cookbook); the longest default text that we know, gpt-oss'
/// harmony format, takes about 80.
pub const REQUEST_TOKENS: u64 = 128;

/// Added for each message: OpenAI 3, and 1 with a name (same source); Llama 3 has 5 special tokens,
/// harmony up to 7.
pub const MESSAGE_TOKENS: u64 = 8;

/// Added for each tool: the declaration around it (`type … = (_: {…}) => any;`), about 10 at OpenAI.
pub const TOOL_TOKENS: u64 = 16;

/// Added for each image, however it comes. No provider that we know counts more: OpenAI's dearest rule is
/// gpt-4o-mini's, 2,833 tokens and 5,667 for each of at most eight tiles, 48,169 in all ("Images and
/// vision", OpenAI platform docs); Anthropic counts at most 4,784, Gemini about 258 for each tile.
pub const IMAGE_TOKENS_MAX: u64 = 1 << 16;

/// What is counted while a request is read, in any format.
#[derive(Clone, Debug, Default)]
pub struct InputCount {
    bytes: u64,
    messages: u64,
    tools: u64,
    images: u64,
}

impl InputCount {
    /// Text that the model reads.
    pub(crate) fn text(&mut self, text: &Text) {
        self.bytes += text.decoded_bytes_max as u64;
    }

    /// JSON that a template may print as it likes.
    pub(crate) fn json(&mut self, json: &[u8]) {
        self.bytes += json.len() as u64;
    }

    pub(crate) fn message(&mut self) {
        self.messages += 1;
    }

    pub(crate) fn tool(&mut self) {
        self.tools += 1;
    }

    pub(crate) fn image(&mut self) {
        self.images += 1;
    }

    pub fn messages(&self) -> u64 {
        self.messages
    }

    pub fn tokens_max(&self) -> u64 {
        self.bytes
            + REQUEST_TOKENS
            + self.messages * MESSAGE_TOKENS
            + self.tools * TOOL_TOKENS
            + self.images * IMAGE_TOKENS_MAX
    }
}
