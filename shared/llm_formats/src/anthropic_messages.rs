//! Anthropic's messages, as <https://docs.anthropic.com/en/api/messages> describes them.

pub mod answer;
pub mod request;
pub mod stream;
mod usage;
