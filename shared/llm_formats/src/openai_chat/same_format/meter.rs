//! Reads a chat stream as it passes: what was produced, what it cost, how it ended.
//!
//! Whole events go on as slices of the bytes that came in. Only the beginning of an event whose end has
//! not arrived is held back, at most [`EVENT_BYTES_MAX`]: a client can do nothing with half an event,
//! and it may turn out to be the one with the usage.

use super::chunk::{self, Chunk};
use crate::produced::Produced;
use crate::sse::{self, EventEnd};
use crate::upstream_error::UpstreamError;
use bytes::{Buf, Bytes, BytesMut};
use domain::price::Usage;
use std::borrow::Cow;

/// A larger event passes unread, and all its bytes count as produced text.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    /// The client asked for the usage chunk; otherwise it is taken out of the stream.
    pub client_wants_usage: bool,
    /// The request's `n`.
    pub choices: u64,
    /// The most output tokens that were reserved, all choices together. The stream is stopped before
    /// the event that must exceed it. `None`: never stopped.
    pub output_tokens_max: Option<u64>,
}

/// The next thing to do for the stream to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Whole events: pass them on.
    Pass(Bytes),
    /// The event with the usage, for a client that asked: pass on [`UsageEvent::with_members`].
    Usage(UsageEvent),
    /// The provider failed in mid-stream. `event` is its own report.
    Error { event: Bytes, error: UpstreamError },
    /// `data: [DONE]`: pass it on, after whatever else is to stand in the stream. Nothing follows.
    Done(Bytes),
    /// The provider ignores its ceiling: cancel it and send [`StreamMeter::clean_end`]. Nothing follows.
    CeilingReached,
}

/// Use: [`push`](Self::push) each chunk as it comes, then take [`next_piece`](Self::next_piece) until
/// it is `None`; at the end of the upstream [`end_of_upstream`](Self::end_of_upstream) and the same.
#[derive(Debug)]
pub struct StreamMeter {
    pub(super) options: StreamOptions,
    /// What has come and was not looked at yet.
    input: Bytes,
    /// The beginning of an event.
    held: BytesMut,
    event_end: EventEnd,
    /// Inside an event larger than [`EVENT_BYTES_MAX`].
    pub(super) oversized: bool,
    /// Found behind bytes that pass.
    waiting: Option<Piece>,
    upstream_ended: bool,
    closed: bool,
    done: bool,
    usage: Option<Usage>,
    pub(super) produced: Produced,
    unreadable_events: u64,
    /// The first chunk, from which the stream's id and model are known.
    pub(super) first_event: Bytes,
}

/// What becomes of one event.
enum Verdict {
    Pass,
    Drop,
    Hand(Piece),
}

impl StreamMeter {
    pub fn new(options: StreamOptions) -> Self {
        StreamMeter {
            options,
            input: Bytes::new(),
            held: BytesMut::new(),
            event_end: EventEnd::default(),
            oversized: false,
            waiting: None,
            upstream_ended: false,
            closed: false,
            done: false,
            usage: None,
            produced: Produced::default(),
            unreadable_events: 0,
            first_event: Bytes::new(),
        }
    }

    /// Hands in the next bytes; the pieces of the ones before have been taken.
    pub fn push(&mut self, chunk: Bytes) {
        if self.input.is_empty() {
            self.input = chunk;
        } else {
            // Only a caller that did not take all pieces comes here; nothing is lost.
            let mut joined = BytesMut::from(std::mem::take(&mut self.input));
            joined.extend_from_slice(&chunk);
            self.input = joined.freeze();
        }
    }

    /// No more bytes will come. A last event without its blank line is still read; half an event is dropped.
    pub fn end_of_upstream(&mut self) {
        self.upstream_ended = true;
    }

    /// The next piece of what has been pushed; `None` until more is, or for good at the end.
    pub fn next_piece(&mut self) -> Option<Piece> {
        if let Some(piece) = self.waiting.take() {
            return Some(piece);
        }
        let mut passed = 0;
        while !self.closed {
            let Some(length) = self.event_end.find(&self.input[passed..]) else {
                return self.hold_the_rest(passed);
            };
            if self.oversized {
                // It is the input's first event.
                self.oversized = false;
                self.produced.bytes += length as u64;
                passed = length;
                continue;
            }
            if !self.held.is_empty() {
                // `held` is only ever followed by the start of the input.
                self.held.extend_from_slice(&self.input[..length]);
                self.input.advance(length);
                let event = self.held.split().freeze();
                match self.judge(&event) {
                    Verdict::Pass => return Some(Piece::Pass(event)),
                    Verdict::Drop => continue,
                    Verdict::Hand(piece) => return Some(piece),
                }
            }
            let event = self.input.slice(passed..passed + length);
            let verdict = self.judge(&event);
            if let Verdict::Pass = verdict {
                passed += length;
                continue;
            }
            let before = self.input.split_to(passed);
            self.input.advance(length);
            passed = 0;
            if let Verdict::Hand(piece) = verdict {
                self.waiting = Some(piece);
            }
            if let Some(piece) = pass(before).or_else(|| self.waiting.take()) {
                return Some(piece);
            }
        }
        None
    }

    /// The provider's own count, once it has come. Of several the last, unless it is smaller. A report of
    /// nothing, beside an answer, is no report.
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref().filter(|usage| usage.total() > 0 || !self.has_output())
    }

    /// Output tokens so far: as reported, or estimated from what was delivered.
    pub fn output_so_far(&self) -> u64 {
        self.usage().map_or_else(|| self.produced.tokens_estimate(), Usage::total_output)
    }

    /// Output tokens that were certainly produced, whatever the provider reports.
    pub fn counted_output(&self) -> u64 {
        self.produced.tokens_at_least()
    }

    /// Whether any text of the model was delivered.
    pub fn has_output(&self) -> bool {
        self.produced.texts > 0
    }

    /// Whether the stream came to its end: `[DONE]`, or a finish reason for each choice.
    pub fn is_complete(&self) -> bool {
        self.done || u64::from(self.produced.finished.count_ones()) >= self.options.choices.max(1)
    }

    /// Events whose data was neither JSON nor `[DONE]`; they pass, and count as produced.
    pub fn unreadable_events(&self) -> u64 {
        self.unreadable_events
    }

    /// Takes what comes after the last whole event: passes what may pass, keeps the beginning of the next.
    fn hold_the_rest(&mut self, passed: usize) -> Option<Piece> {
        let mut input = std::mem::take(&mut self.input);
        let rest = input.len() - passed;
        if !self.oversized && self.held.len() + rest > EVENT_BYTES_MAX {
            self.oversized = true;
            self.produced.texts += 1;
            self.produced.bytes += self.held.len() as u64;
        }
        if self.oversized {
            self.produced.bytes += rest as u64;
            if self.exceeds_ceiling(&self.produced) {
                self.closed = true;
                self.held.clear();
                input.truncate(passed);
                self.waiting = Some(Piece::CeilingReached);
            } else if !self.held.is_empty() {
                self.waiting = pass(input);
                input = self.held.split().freeze();
            }
            return pass(input).or_else(|| self.waiting.take());
        }
        self.held.extend_from_slice(&input[passed..]);
        input.truncate(passed);
        if !input.is_empty() || !self.upstream_ended {
            return pass(input);
        }
        self.last_event()
    }

    /// The event that the upstream's end cut off, if all its data is there.
    fn last_event(&mut self) -> Option<Piece> {
        let mut event = self.held.split();
        if event.is_empty() || !sse::data_of(&event).is_some_and(|data| is_readable(&data)) {
            return None;
        }
        let line_end: &[u8] = if event.ends_with(b"\n") { b"\n" } else { b"\n\n" };
        event.extend_from_slice(line_end);
        let event = event.freeze();
        match self.judge(&event) {
            Verdict::Pass => Some(Piece::Pass(event)),
            Verdict::Drop => None,
            Verdict::Hand(piece) => Some(piece),
        }
    }

    fn judge(&mut self, event: &Bytes) -> Verdict {
        if event.len() > EVENT_BYTES_MAX {
            return self.judge_unread(event.len());
        }
        let Some(data) = sse::data_of(event) else { return Verdict::Pass };
        if is_done(&data) {
            self.done = true;
            self.closed = true;
            return Verdict::Hand(Piece::Done(event.clone()));
        }
        let Ok(chunk) = chunk::read_chunk(&data) else {
            self.unreadable_events += 1;
            return self.judge_unread(data.len());
        };
        if self.first_event.is_empty() {
            self.first_event = event.clone();
        }
        self.judge_chunk(event, data, chunk)
    }

    /// An event of which only the size is known: as if all of it were text.
    fn judge_unread(&mut self, bytes: usize) -> Verdict {
        self.count(Produced { texts: 1, bytes: bytes as u64, finished: 0 }).unwrap_or(Verdict::Pass)
    }

    fn judge_chunk(&mut self, event: &Bytes, data: Cow<[u8]>, chunk: Chunk) -> Verdict {
        if let Some(error) = chunk.error {
            return Verdict::Hand(Piece::Error { event: event.clone(), error });
        }
        if let Some(stop) = self.count(chunk.produced) {
            return stop;
        }
        let Some(object) = chunk.usage_object else { return Verdict::Pass };
        if let Some(usage) = chunk.usage {
            self.keep(usage);
        }
        match (self.options.client_wants_usage, chunk.usage) {
            (true, Some(usage)) => {
                let has_members = !data[object.start + 1..object.end - 1].trim_ascii().is_empty();
                Verdict::Hand(Piece::Usage(UsageEvent {
                    usage,
                    event: event.clone(),
                    data: data.into_owned().into(),
                    insert_at: object.end - 1,
                    has_members,
                }))
            }
            (false, _) if !chunk.has_choices => Verdict::Drop,
            _ => Verdict::Pass,
        }
    }

    /// Adds what an event produced, or closes the stream before that event. The provider has made it all the
    /// same, so it counts.
    fn count(&mut self, more: Produced) -> Option<Verdict> {
        self.produced.add(more);
        if more.texts > 0 && self.exceeds_ceiling(&self.produced) {
            self.closed = true;
            return Some(Verdict::Hand(Piece::CeilingReached));
        }
        None
    }

    fn exceeds_ceiling(&self, produced: &Produced) -> bool {
        self.options.output_tokens_max.is_some_and(|max| produced.tokens_at_least() > max)
    }

    fn keep(&mut self, usage: Usage) {
        if self.usage.is_none_or(|kept| usage.total() >= kept.total()) {
            self.usage = Some(usage);
        }
    }
}

/// The event whose `usage` object the client gets, with room for members of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEvent {
    pub usage: Usage,
    event: Bytes,
    data: Bytes,
    /// Offset in `data` of the usage object's closing brace.
    insert_at: usize,
    has_members: bool,
}

impl UsageEvent {
    /// The event with `members` added to its usage object: JSON members without a comma at either end
    /// (`"cost_eur":"0.000123"`), or nothing, which leaves the event as it came.
    pub fn with_members(&self, members: &str) -> Bytes {
        if members.is_empty() {
            return self.event.clone();
        }
        let mut event = BytesMut::with_capacity(self.data.len() + members.len() + 16);
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(&self.data[..self.insert_at]);
        event.extend_from_slice(if self.has_members { b"," } else { b"" });
        event.extend_from_slice(members.as_bytes());
        event.extend_from_slice(&self.data[self.insert_at..]);
        event.extend_from_slice(b"\n\n");
        event.freeze()
    }
}

fn pass(bytes: Bytes) -> Option<Piece> {
    (!bytes.is_empty()).then_some(Piece::Pass(bytes))
}

fn is_done(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

fn is_readable(data: &[u8]) -> bool {
    is_done(data) || chunk::read_chunk(data).is_ok()
}
