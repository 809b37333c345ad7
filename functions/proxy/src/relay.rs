//! A stream on its way to the caller: metered as it passes, settled when it ends.

use crate::call::{Ending, OpenCall};
use crate::directory::Route;
use bytes::Bytes;
use core::time::Duration;
use domain::price::Usage;
use domain::time::Timestamp;
use futures_util::future::LocalBoxFuture;
use llm_formats::passage::{Closing, Passage, Progress};
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

/// The body for the caller. Dropping it, because the caller left, settles what was delivered to us and
/// cancels the provider.
pub fn body<P: Platform>(
    source: Box<dyn Chunks>,
    call: OpenCall<P>,
    route: Rc<Route>,
    passage: Box<dyn Passage>,
) -> Body {
    let heard_at = call.platform().now();
    let relay = StreamRelay {
        call,
        route,
        passage,
        heard_at,
        checkpoint_at: heard_at.plus(FIRST_CHECKPOINT),
        checkpoint_pause: FIRST_CHECKPOINT,
        state: State::Running,
    };
    Body::Relayed(Relayed { source, relay: Box::new(relay) })
}

struct StreamRelay<P: Platform> {
    call: OpenCall<P>,
    route: Rc<Route>,
    passage: Box<dyn Passage>,
    heard_at: Timestamp,
    checkpoint_at: Timestamp,
    /// Between the last checkpoint, or the start, and the next.
    checkpoint_pause: Duration,
    state: State,
}

enum State {
    Running,
    /// The provider said that it has ended.
    Done,
    /// The provider ignores its ceiling. Looks since then.
    CeilingReached(u32),
    Silent,
}

impl<P: Platform> Relay for StreamRelay<P> {
    fn passes(&self) -> bool {
        self.passage.passes()
    }

    fn look(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Flow {
        let progress = self.passage.push(chunk, out);
        if let State::Running = self.state {
            self.take(progress);
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
                let progress = self.passage.end(&mut out);
                self.take(progress);
            }
            match (&self.state, &how) {
                (State::Done, _) => {}
                // Dropped, it settles what has come.
                (_, End::Left) => return Bytes::new(),
                (_, End::Broken(error)) => {
                    log::warn!("{}: a stream broke off: {error}", self.call.request_id());
                }
                (_, End::Here) => {}
            }
            if self.passage.passes() {
                out.clear();
            }
            self.finish(out).await
        })
    }
}

impl<P: Platform> StreamRelay<P> {
    /// After a look; what a drop from here on would settle is remembered, and long streams tell the ledger.
    fn take(&mut self, progress: Progress) {
        match progress {
            Progress::GoOn => {}
            Progress::Done => self.state = State::Done,
            Progress::CeilingReached => self.state = State::CeilingReached(0),
        }
        if let Some(error) = self.passage.take_error() {
            let code = error.code;
            log::warn!("{}: the provider failed in mid-stream: {code:?}", self.call.request_id());
        }
        let facts = self.passage.facts();
        if facts.has_output || facts.usage.is_some() {
            self.call.has_used(self.used());
        }
        self.heard_at = self.call.platform().now();
        self.checkpoint_if_due(self.heard_at);
    }

    /// Where bytes pass as they are, a stream is cut at the end of an event, so that what follows can be read.
    fn flow(&mut self) -> Flow {
        let is_between_events = self.passage.is_between_events();
        match &mut self.state {
            State::Running => Flow::GoOn,
            State::Done => Flow::Whole,
            State::CeilingReached(looks) if !is_between_events && *looks < LOOKS_FOR_AN_END => {
                *looks += 1;
                Flow::LookSoon
            }
            State::CeilingReached(_) | State::Silent => Flow::Cut,
        }
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
        let facts = self.passage.facts();
        match facts.usage {
            Some(reported) => reported.at_least(&self.call.estimate(facts.counted_output)),
            None => self.call.estimate(facts.output_so_far),
        }
    }

    /// Settles, then lets the caller see the end: who has seen it finds it booked.
    async fn finish(mut self, mut out: Vec<Bytes>) -> Bytes {
        let facts = self.passage.facts();
        let (closing, outcome) = match self.state {
            State::Done => (Closing::Complete, "completed"),
            State::Running if facts.is_complete => (Closing::Complete, "completed"),
            State::CeilingReached(_) => (Closing::AtCeiling, "stopped_at_hold"),
            State::Running | State::Silent => (Closing::BrokenOff, "truncated"),
        };
        let reported = facts.usage.is_some();
        // At an orderly end the provider's report counts.
        let at_the_end = facts.usage.filter(|_| closing == Closing::Complete);
        let usage = at_the_end.unwrap_or_else(|| self.used());
        if closing == Closing::Complete {
            self.route.reports_usage.set(reported);
        }
        out.push(self.passage.close(closing, &usage).into());
        if closing == Closing::BrokenOff && !facts.has_output && !reported {
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
