//! OpenAI's chat completions, as <https://platform.openai.com/docs/api-reference/chat> describes them
//! and compatible servers speak them.

pub mod answer;
mod logprobs;
mod reasoning;
pub mod request;
pub mod same_format;
mod stop_reason;
pub mod stream;
mod tool_call;
pub mod usage;

pub use same_format::{
    Ceiling, ChatRequest, Completion, Edits, Piece, StreamMeter, StreamOptions, UsageEvent, closing,
    read_completion, usage_of_completion,
};
