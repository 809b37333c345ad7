//! What all chat formats have in common: the middle through which any client reaches any target. A
//! client's format reads requests into a [`Conversation`] and writes [`Answer`]s and [`Event`]s; a
//! target's format writes conversations and reads answers and events: N + M translations for N × M pairs.
//!
//! The middle is the union of what the formats can say. What a target has no words for is refused by
//! name ([`Unsupported`]), never dropped, except for hints that change no answer (see [`CacheLifetime`]).

mod answer;
mod content;
mod event;
mod request;
mod unsupported;

pub use answer::{Answer, Choice, StopReason, TokenLogprob};
pub use content::{CacheLifetime, Content, Detail, Part, Source};
pub use event::Event;
pub use request::{
    Conversation, Effort, OutputFormat, ReasoningWish, Role, Sampling, Tool, ToolChoice, Turn, Verbosity,
};
pub use unsupported::{Feature, Unsupported};
