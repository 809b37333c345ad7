//! How a client's format and a target's format meet: both stand around [`crate::conversation`]. Each is a
//! module with these names, so that who knows one knows all:
//!
//! | of a client's format | |
//! |---|---|
//! | `request::read(&[u8]) -> Result<Conversation, RequestError>` | refuses members that it cannot carry over |
//! | `request::name_of(Feature) -> &str` | what this format calls it |
//! | `answer::write(&Head, &Answer, &Usage) -> String` | the unstreamed body |
//! | `stream::Writer` | an [`EventWriter`] |
//! | `error::write(…) -> Value` | an error body in this format |
//!
//! | of a target's format | |
//! |---|---|
//! | `request::write(&Conversation, &Wish) -> Result<String, Unsupported>` | the body |
//! | `answer::read(&[u8]) -> Option<Answer>` | `None`: broken |
//! | `stream::Reader` | an [`EventReader`] |
//! | `error::read(&[u8]) -> Option<UpstreamError>` | |
//!
//! | of a format that may stand on both sides | |
//! |---|---|
//! | `same_format::…Request::scan(&Bytes) -> Result<Self, RequestError>` | [`crate::Asked`] and byte ranges |
//! | its `rewrite(…) -> Bytes` | model and ceiling replaced, all else as it came |
//! | `same_format::closing(&[u8]) -> Vec<u8>` | makes an event that was cut harmless for clients |

use crate::conversation::Event;
use domain::price::Usage;

/// What a target's request says beside the conversation.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The model's name at the target.
    pub model: &'a str,
    /// Of each choice: what was reserved.
    pub output_tokens_max: u64,
}

/// What an answer says of itself, in any format.
#[derive(Clone, Debug)]
pub struct Head {
    /// Of the answer, without a format's prefix (`chatcmpl-`, `msg_`, `resp_`).
    pub id: String,
    /// Unix seconds.
    pub created: u64,
    /// As the client named it.
    pub model: String,
    /// Whether a chat stream ends with its usage; other formats always say it.
    pub include_usage: bool,
    /// How many answers were asked for, at least 1.
    pub choices: u64,
    /// For formats that say at a stream's start what its prompt took, before anybody knows.
    pub input_estimate: u64,
}

/// Reads a target's stream, cut into chunks anywhere.
pub trait EventReader {
    /// Appends the events that `chunk` completes.
    fn push(&mut self, chunk: &[u8], events: &mut Vec<Event>);

    /// The connection has ended: a last event may lack its end.
    fn end(&mut self, events: &mut Vec<Event>);
}

/// Writes a client's stream. What it writes is whole events, so that a stream may end after any call.
pub trait EventWriter {
    /// [`Event::Usage`], [`Event::Error`], [`Event::Unreadable`] and [`Event::Ended`] need not be written: they come
    /// again as [`finish`](Self::finish) or [`fail`](Self::fail).
    fn write(&mut self, event: &Event, out: &mut String);

    /// The orderly end. Choices without a stop reason were cut at their ceiling: [`StopReason::Length`].
    ///
    /// [`StopReason::Length`]: crate::conversation::StopReason::Length
    fn finish(&mut self, usage: &Usage, out: &mut String);

    /// The answer broke off. `code` is a word for programs, such as `upstream_truncated`.
    fn fail(&mut self, message: &str, code: &str, out: &mut String);
}
