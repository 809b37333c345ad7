//! How much a request's input may cost, before anybody has counted its tokens.

mod count;
mod media;

pub use count::{InputCount, MESSAGE_TOKENS, REQUEST_TOKENS, TOOL_TOKENS};
pub use media::Media;
