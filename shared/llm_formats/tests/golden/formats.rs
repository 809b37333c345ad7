//! One line for each format.

mod anthropic_messages;
mod openai_chat;

use domain::price::Usage;
use llm_formats::RequestError;
use llm_formats::conversation::{Answer, Conversation, Feature, Unsupported};
use llm_formats::exchange::{EventReader, EventWriter, Head, Wish};

/// A format as the table sees it.
pub struct Format {
    pub name: &'static str,
    pub client: Option<Client>,
    pub target: Option<Target>,
}

pub struct Client {
    pub read_request: fn(&[u8]) -> Result<Conversation, RequestError>,
    pub write_answer: fn(&Head, &Answer, &Usage) -> String,
    pub writer: fn(Head) -> Box<dyn EventWriter>,
    /// What a conversation looks like once this format has said it, as `developer` becomes `system` where there is
    /// only one of them.
    pub as_said: fn(Conversation) -> Conversation,
    /// Cases of requests, answers and streams that cannot be said.
    pub unsayable: &'static [&'static str],
}

pub struct Target {
    pub write_request: fn(&Conversation, &Wish) -> Result<String, Unsupported>,
    pub read_answer: fn(&[u8]) -> Option<Answer>,
    pub reader: fn() -> Box<dyn EventReader>,
    /// What an answer looks like once this format has said it.
    pub as_said: fn(Answer) -> Answer,
    /// Cases of requests, with what is refused.
    pub refused: &'static [(&'static str, Feature)],
    /// Cases of answers and streams that cannot come from such a target.
    pub unsayable: &'static [&'static str],
    /// Of stream fixtures: `sse`, or `hex` for binary ones.
    pub stream_suffix: &'static str,
}

pub const FORMATS: &[Format] = &[anthropic_messages::FORMAT, openai_chat::FORMAT];
