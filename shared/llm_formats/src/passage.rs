//! A stream on its way from a target to a client: metered as it goes by, in the client's format when it
//! comes out, and ended in order whatever happens to its source.

mod events;
mod meter;

pub use events::EventPassage;
pub use meter::EventMeter;

use crate::UpstreamError;
use bytes::Bytes;
use domain::price::Usage;

/// What is to be done with a stream after a look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    GoOn,
    /// The target said that its answer is whole; nothing follows.
    Done,
    /// The target ignores its ceiling: cancel it. Nothing follows.
    CeilingReached,
}

/// How a stream ends for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    Complete,
    AtCeiling,
    BrokenOff,
}

/// What a stream has brought so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The target's own count, once it has come. A report of nothing, beside an answer, is no report.
    pub usage: Option<Usage>,
    /// Output tokens: as reported, or estimated from what was delivered.
    pub output_so_far: u64,
    /// Output tokens that were certainly produced, whatever the target reports.
    pub counted_output: u64,
    /// Whether any text of the model was delivered.
    pub has_output: bool,
    /// Whether the answer is whole: the target said so, or each choice has said why it ended.
    pub is_complete: bool,
}

/// Use: [`push`](Self::push) each chunk, [`end`](Self::end) when no more will come, [`close`](Self::close) once.
pub trait Passage {
    /// Whether bytes go to the client as they come, so that nobody waits for a look. Then `out` is not sent.
    fn passes(&self) -> bool;

    /// Reads the next bytes; adds what goes to the client for them.
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Progress;

    /// The source has ended.
    fn end(&mut self, out: &mut Vec<Bytes>) -> Progress;

    fn facts(&self) -> Facts;

    /// Where bytes pass as they come: whether a stream that is cut here is cut between two events.
    fn is_between_events(&self) -> bool;

    /// The target's failure in mid-stream, told once.
    fn take_error(&mut self) -> Option<UpstreamError>;

    /// What the client still has to get. `usage` is what is charged.
    fn close(&mut self, closing: Closing, usage: &Usage) -> Vec<u8>;
}

/// What a client is told whose answer broke off, so that it takes no half for a whole one.
pub const BROKEN_OFF: &str =
    "The model's provider broke its answer off. What was produced is charged; retry.";

/// The same for programs.
pub const BROKEN_OFF_CODE: &str = "upstream_truncated";
