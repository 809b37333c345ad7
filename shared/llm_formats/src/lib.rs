//! The wire formats of model providers: what a request asks for, what an answer cost, and streams as
//! they pass. Pure: no clock, no network, no platform.
//!
//! - [`conversation`]: the middle through which any client's format reaches any target's.
//! - [`exchange`]: what a format has to bring for that.
//! - [`anthropic_messages`]: `POST /v1/messages`, of clients.
//! - [`openai_chat`]: `POST /v1/chat/completions`, requests, answers, streams, error bodies.
//! - [`demo_echo`]: the built-in model that answers without any provider.
//! - [`sse`]: where a server-sent event ends and what data it carries.

pub mod anthropic_messages;
mod asked;
mod cache_control;
pub mod conversation;
pub mod demo_echo;
pub mod exchange;
mod fields;
pub mod input;
mod json;
mod members;
pub mod openai_chat;
pub mod passage;
mod produced;
mod request_error;
mod scanning;
mod splices;
pub mod sse;
mod upstream_error;

pub use asked::Asked;
pub use json::JsonError;
pub use request_error::RequestError;
pub use scanning::{CHOICES_MAX, MODEL_BYTES_MAX, OUTPUT_TOKENS_MAX};
pub use upstream_error::UpstreamError;
