//! How much a request's input may cost, before anybody has counted its tokens.

mod count;
pub(crate) mod of_conversation;

pub use count::{IMAGE_TOKENS_MAX, InputCount, MESSAGE_TOKENS, REQUEST_TOKENS, TOOL_TOKENS};
