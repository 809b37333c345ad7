//! A stream on its way to the caller: metered as it passes, settled when it ends.

use crate::call::{Ending, OpenCall};
use crate::directory::Route;
use bytes::Bytes;
use core::time::Duration;
use domain::price::Usage;
use domain::time::Timestamp;
use futures_util::future::LocalBoxFuture;
use llm_formats::openai_chat::{Piece, StreamMeter, StreamOptions, closing};
use llm_formats::sse::OpenEvent;
use platform::relay::{End, Flow, Relay, Relayed};
use platform::{Body, Chunks, Platform};
use std::rc::Rc;

/// A stream tells the ledger how far it is after so long, then in pauses that double: should the host end without a
/// word, or end us with the caller, what is lost took no longer than what is known.
const FIRST_CHECKPOINT: Duration = Duration::from_secs(5);
const CHECKPOINT_PAUSE_MAX: Duration = Duration::from_secs(60);
/// A stream that is silent for longer has broken off, though its connection stands.
const SILENCE_MAX: Duration = Duration::from_secs(5 * 60);
/// Looks for the end of an event at which a stream can be cut that passes as it is. A provider that sends halves of
/// events only is cut within one.
const LOOKS_FOR_AN_END: u32 = 40;

/// What the caller gets of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    pub format: StreamOptions,
    /// The cost inside the chunk with the usage.
    pub cost_in_usage: bool,
}

/// The body for the caller. Dropping it, because the caller left, settles what was delivered to us and
/// cancels the provider.
///
/// The bytes pass as they are if the caller wants the usage and nothing in it, and if the target is known to report it;
/// a target that does not gets its report from us.
pub fn body<P: Platform>(
    source: Box<dyn Chunks>,
    call: OpenCall<P>,
    route: Rc<Route>,
    wishes: Wishes,
) -> Body {
    let heard_at = call.platform().now();
    let relay = ChatRelay {
        passes: wishes.format.client_wants_usage && !wishes.cost_in_usage && route.reports_usage.get(),
        call,
        route,
        wishes,
        meter: StreamMeter::new(wishes.format),
        open: OpenEvent::default(),
        heard_at,
        checkpoint_at: heard_at.plus(FIRST_CHECKPOINT),
        checkpoint_pause: FIRST_CHECKPOINT,
        state: State::Running,
        error_passed: false,
    };
    Body::Relayed(Relayed { source, relay: Box::new(relay) })
}

struct ChatRelay<P: Platform> {
    call: OpenCall<P>,
    route: Rc<Route>,
    wishes: Wishes,
    meter: StreamMeter,
    passes: bool,
    /// What has gone out of an event whose end has not come, where bytes pass as they are.
    open: OpenEvent,
    heard_at: Timestamp,
    checkpoint_at: Timestamp,
    /// Between the last checkpoint, or the start, and the next.
    checkpoint_pause: Duration,
    state: State,
    error_passed: bool,
}

enum State {
    Running,
    /// The provider said that it has ended, with this event.
    Done(Bytes),
    /// The provider ignores its ceiling. Looks since then.
    CeilingReached(u32),
    Silent,
}

impl<P: Platform> Relay for ChatRelay<P> {
    fn passes(&self) -> bool {
        self.passes
    }

    fn look(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Flow {
        if self.passes {
            self.open.push(&chunk);
        }
        if let State::Running = self.state {
            self.meter.push(chunk);
            self.take_pieces(out);
            self.remember();
        }
        self.flow()
    }

    fn idle(&mut self) -> Flow {
        let now = self.call.platform().now();
        if now.since(self.heard_at) >= SILENCE_MAX && matches!(self.state, State::Running) {
            log::warn!("{}: a stream fell silent", self.call.request_id());
            self.state = State::Silent;
        }
        self.checkpoint_if_due(now);
        self.flow()
    }

    fn end(mut self: Box<Self>, how: End) -> LocalBoxFuture<'static, Bytes> {
        Box::pin(async move {
            let mut out = Vec::new();
            if let (State::Running, End::Here) = (&self.state, &how) {
                self.meter.end_of_upstream();
                self.take_pieces(&mut out);
                self.remember();
            }
            match (&self.state, &how) {
                (State::Done(_), _) => {}
                // Dropped, it settles what has come.
                (_, End::Left) => return Bytes::new(),
                (_, End::Broken(error)) => {
                    log::warn!("{}: a stream broke off: {error}", self.call.request_id());
                }
                (_, End::Here) => {}
            }
            if self.passes {
                out = vec![closing(self.open.bytes()).into()];
            }
            self.finish(out).await
        })
    }
}

impl<P: Platform> ChatRelay<P> {
    fn take_pieces(&mut self, out: &mut Vec<Bytes>) {
        while let Some(piece) = self.meter.next_piece() {
            match piece {
                Piece::Pass(bytes) => out.push(bytes),
                Piece::Usage(event) => out.push(event.with_members(&self.members(&event.usage))),
                Piece::Error { event, error } => {
                    let code = error.code;
                    log::warn!("{}: the provider failed in mid-stream: {code:?}", self.call.request_id());
                    self.error_passed = true;
                    out.push(event);
                }
                Piece::Done(bytes) => self.state = State::Done(bytes),
                Piece::CeilingReached => self.state = State::CeilingReached(0),
            }
        }
    }

    /// Where bytes pass as they are, a stream is cut at the end of an event, so that what follows can be read.
    fn flow(&mut self) -> Flow {
        match &mut self.state {
            State::Running => Flow::GoOn,
            State::Done(_) => Flow::Whole,
            State::CeilingReached(looks) if !self.open.bytes().is_empty() && *looks < LOOKS_FOR_AN_END => {
                *looks += 1;
                Flow::LookSoon
            }
            State::CeilingReached(_) | State::Silent => Flow::Cut,
        }
    }

    /// What a drop from here on would settle; long streams also tell the ledger.
    fn remember(&mut self) {
        if self.meter.has_output() || self.meter.usage().is_some() {
            self.call.has_used(self.used());
        }
        self.heard_at = self.call.platform().now();
        self.checkpoint_if_due(self.heard_at);
    }

    fn checkpoint_if_due(&mut self, now: Timestamp) {
        if now < self.checkpoint_at {
            return;
        }
        self.checkpoint_pause = (self.checkpoint_pause * 2).min(CHECKPOINT_PAUSE_MAX);
        self.checkpoint_at = now.plus(self.checkpoint_pause);
        self.call.checkpoint_later();
    }

    /// As the provider reported it, or as we counted it. A report before the end may be of the start
    /// only, so less than we counted is not believed.
    fn used(&self) -> Usage {
        match self.meter.usage() {
            Some(reported) => reported.at_least(&self.call.estimate(self.meter.counted_output())),
            None => self.call.estimate(self.meter.output_so_far()),
        }
    }

    /// At an orderly end the provider's report counts.
    fn used_at_the_end(&self) -> Usage {
        self.meter.usage().copied().unwrap_or_else(|| self.used())
    }

    /// What stands in the chunk with the usage beside the usage.
    fn members(&self, usage: &Usage) -> String {
        match self.wishes.cost_in_usage {
            true => format!("\"cost_eur\":\"{}\"", self.call.cost_of(usage)),
            false => String::new(),
        }
    }

    /// Settles, then lets the caller see the end: who has seen it finds it booked.
    async fn finish(self, mut out: Vec<Bytes>) -> Bytes {
        let done = match &self.state {
            State::Done(event) => Some(event.clone()),
            State::Running if self.meter.is_complete() => Some(Bytes::new()),
            _ => None,
        };
        let usage = if done.is_some() { self.used_at_the_end() } else { self.used() };
        let reported = self.meter.usage().is_some();
        let wants_usage = self.wishes.format.client_wants_usage;
        let outcome = if let Some(done) = done {
            self.route.reports_usage.set(reported);
            if !self.passes {
                if wants_usage && !reported {
                    out.push(self.meter.usage_event(&usage, &self.members(&usage)));
                }
                out.push(done);
            }
            "completed"
        } else if let State::CeilingReached(_) = self.state {
            let members = self.members(&usage);
            out.push(self.meter.clean_end(wants_usage.then_some((&usage, members.as_str()))));
            "stopped_at_hold"
        } else {
            // The provider's own error event says it already.
            if !self.error_passed {
                out.push(Bytes::from_static(TRUNCATED.as_bytes()));
            }
            "truncated"
        };
        if outcome == "truncated" && !self.meter.has_output() && !reported {
            // No byte of an answer reached the caller.
            self.call.release_later();
        } else {
            let bill = self.call.settle(Ending { usage, estimated: !reported, outcome }).await;
            // A comment, which no client takes for an event.
            out.push(format!(": cost_eur={}\n\n", bill.cost).into());
        }
        out.concat().into()
    }
}

/// Sent when the provider breaks off, so that no client takes half an answer for a whole one.
const TRUNCATED: &str = "data: {\"error\":{\"message\":\"The model's provider broke its answer off. \
What was produced is charged; retry.\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_truncated\"}}\n\n";
