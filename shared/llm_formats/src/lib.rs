//! The wire formats of model providers: what a request asks for, what an answer cost, and streams as
//! they pass. Pure: no clock, no network, no platform.
//!
//! - [`openai_chat`]: `POST /v1/chat/completions`, requests, answers, streams, error bodies.
//! - [`demo_echo`]: the built-in model that answers without any provider.
//! - [`sse`]: where a server-sent event ends and what data it carries.

pub mod demo_echo;
mod json;
pub mod openai_chat;
pub mod sse;

pub use json::JsonError;
