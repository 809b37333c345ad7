//! OpenAI's chat completions, as <https://platform.openai.com/docs/api-reference/chat> describes them
//! and compatible servers speak them.

pub mod completion;
pub mod input_bound;
mod priced_fields;
pub mod request;
pub mod request_error;
mod request_messages;
pub mod rewrite;
pub mod stream;
mod stream_chunk;
pub mod stream_close;
pub mod stream_end;
pub mod upstream_error;
pub mod usage;

pub use completion::{Completion, read_completion, usage_of_completion};
pub use request::{CHOICES_MAX, ChatRequest, OUTPUT_TOKENS_MAX};
pub use request_error::RequestError;
pub use rewrite::{Ceiling, CeilingField, Edits};
pub use stream::{Piece, StreamMeter, StreamOptions, UsageEvent};
pub use stream_close::closing;
pub use upstream_error::UpstreamError;
