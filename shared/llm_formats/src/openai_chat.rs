//! OpenAI's chat completions, as <https://platform.openai.com/docs/api-reference/chat> describes them
//! and compatible servers speak them.

pub mod same_format;
pub mod usage;

pub use same_format::{
    Ceiling, CeilingField, ChatRequest, Completion, Edits, Piece, StreamMeter, StreamOptions, UsageEvent,
    closing, read_completion, usage_of_completion,
};
