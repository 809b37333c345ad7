//! What an answer's pieces add up to, counted without a tokenizer.

/// Text of this many bytes is estimated as one token: about the average of English in OpenAI's
/// tokenizers ("What are tokens", OpenAI help centre); most other languages take more tokens per byte.
pub const BYTES_PER_TOKEN_USUAL: u64 = 4;

/// No real text needs fewer tokens than one for this many bytes, over a whole answer.
pub const BYTES_PER_TOKEN_MOST: u64 = 16;

/// What choices have produced: texts, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Produced {
    /// Deltas (or messages) that hold any text.
    pub texts: u64,
    pub bytes: u64,
    /// A bit for each choice that has said why it ended.
    pub finished: u128,
}

impl Produced {
    /// For charging what was delivered when no usage came: a token per delta, as servers send one
    /// token or more in each, or a token per four bytes where that is more.
    pub fn tokens_estimate(&self) -> u64 {
        self.texts.max(self.bytes.div_ceil(BYTES_PER_TOKEN_USUAL))
    }

    /// For stopping a stream: a provider that keeps to its ceiling is never above it by this count.
    pub fn tokens_at_least(&self) -> u64 {
        self.texts.max(self.bytes / BYTES_PER_TOKEN_MOST)
    }

    pub fn add(&mut self, more: Produced) {
        self.texts += more.texts;
        self.bytes += more.bytes;
        self.finished |= more.finished;
    }
}
