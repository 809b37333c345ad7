//! A stream on its way to the caller: metered as it passes, settled when it ends.

use crate::call::{Ending, OpenCall};
use bytes::Bytes;
use core::pin::pin;
use core::time::Duration;
use domain::price::Usage;
use domain::time::Timestamp;
use futures_util::StreamExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::{self, LocalBoxStream};
use llm_formats::openai_chat::{Piece, StreamMeter, StreamOptions};
use platform::{Body, Platform, StreamError};

/// How long the end of a stream is waited for, after its last event.
const END_WAIT: Duration = Duration::from_secs(1);
/// A stream tells the ledger how far it is after so long, then in pauses that double: should the host end without a
/// word, or end us with the caller, what is lost took no longer than what is known.
const FIRST_CHECKPOINT: Duration = Duration::from_secs(5);
const CHECKPOINT_PAUSE_MAX: Duration = Duration::from_secs(60);
/// A stream that is silent for longer has broken off, though its connection stands.
const SILENCE_MAX: Duration = Duration::from_secs(5 * 60);

/// The body for the caller. Dropping it, because the caller left, settles what was delivered to us and
/// cancels the provider.
pub fn body<P: Platform>(source: Body, call: OpenCall<P>, options: StreamOptions) -> Body {
    let source = match source {
        Body::Full(bytes) => stream::iter([Ok(bytes)]).boxed_local(),
        Body::Stream(stream) => stream,
    };
    let heard_at = call.platform().now();
    let checkpoint_at = heard_at.plus(FIRST_CHECKPOINT);
    let tick = tick(call.platform().clone(), FIRST_CHECKPOINT);
    let relay = Relay {
        source,
        call,
        options,
        meter: StreamMeter::new(options),
        heard_at,
        checkpoint_at,
        checkpoint_pause: FIRST_CHECKPOINT,
        tick,
        error_passed: false,
    };
    Body::Stream(Box::pin(stream::unfold(Some(relay), |relay| async move { relay?.next().await })))
}

struct Relay<P: Platform> {
    source: LocalBoxStream<'static, Result<Bytes, StreamError>>,
    call: OpenCall<P>,
    options: StreamOptions,
    meter: StreamMeter,
    heard_at: Timestamp,
    checkpoint_at: Timestamp,
    /// Between the last checkpoint, or the start, and the next.
    checkpoint_pause: Duration,
    /// Ends when the next checkpoint may be due, to look after a stream that is silent.
    tick: LocalBoxFuture<'static, ()>,
    error_passed: bool,
}

type Step<P> = Option<(Result<Bytes, StreamError>, Option<Relay<P>>)>;

/// How a stream came to its end, with what the caller still gets.
enum End {
    Done(Bytes),
    CeilingReached,
    Truncated,
}

impl<P: Platform> Relay<P> {
    async fn next(mut self) -> Step<P> {
        loop {
            // `None`: nothing came for so long that a checkpoint is due.
            let heard = match select(self.source.next(), &mut self.tick).await {
                Either::Left((heard, _)) => Some(heard),
                Either::Right(_) => None,
            };
            let chunk = match heard {
                Some(Some(Ok(chunk))) => chunk,
                Some(None) => return self.upstream_ended().await,
                Some(Some(Err(error))) => {
                    log::warn!("{}: a stream broke off: {error}", self.call.request_id());
                    return self.finish(Vec::new(), End::Truncated).await;
                }
                None if self.is_silent() => {
                    log::warn!("{}: a stream fell silent", self.call.request_id());
                    return self.finish(Vec::new(), End::Truncated).await;
                }
                None => {
                    let now = self.call.platform().now();
                    self.checkpoint_if_due(now);
                    self.tick = tick(self.call.platform().clone(), self.checkpoint_at.since(now));
                    continue;
                }
            };
            self.meter.push(chunk);
            let (out, end) = self.take_pieces();
            self.remember();
            if let Some(end) = end {
                return self.finish(out, end).await;
            }
            if !out.is_empty() {
                return Some((Ok(joined(out)), Some(self)));
            }
        }
    }

    async fn upstream_ended(mut self) -> Step<P> {
        self.meter.end_of_upstream();
        let (out, end) = self.take_pieces();
        self.remember();
        let end =
            end.unwrap_or(if self.meter.is_complete() { End::Done(Bytes::new()) } else { End::Truncated });
        self.finish(out, end).await
    }

    fn take_pieces(&mut self) -> (Vec<Bytes>, Option<End>) {
        let mut out = Vec::new();
        while let Some(piece) = self.meter.next_piece() {
            match piece {
                Piece::Pass(bytes) => out.push(bytes),
                Piece::Usage(event) => out.push(event.with_members(&self.cost_member(&event.usage))),
                Piece::Error { event, error } => {
                    log::warn!(
                        "{}: the provider failed in mid-stream: {:?}",
                        self.call.request_id(),
                        error.code
                    );
                    self.error_passed = true;
                    out.push(event);
                }
                Piece::Done(bytes) => return (out, Some(End::Done(bytes))),
                Piece::CeilingReached => return (out, Some(End::CeilingReached)),
            }
        }
        (out, None)
    }

    /// What a drop from here on would settle; long streams also tell the ledger.
    fn remember(&mut self) {
        if self.meter.has_output() || self.meter.usage().is_some() {
            self.call.has_used(self.used());
        }
        let now = self.call.platform().now();
        self.heard_at = now;
        self.checkpoint_if_due(now);
    }

    fn checkpoint_if_due(&mut self, now: Timestamp) {
        if now < self.checkpoint_at {
            return;
        }
        self.checkpoint_pause = (self.checkpoint_pause * 2).min(CHECKPOINT_PAUSE_MAX);
        self.checkpoint_at = now.plus(self.checkpoint_pause);
        self.call.checkpoint_later();
    }

    fn is_silent(&self) -> bool {
        self.call.platform().now().since(self.heard_at) >= SILENCE_MAX
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

    fn cost_member(&self, usage: &Usage) -> String {
        format!("\"cost_eur\":\"{}\"", self.call.cost_of(usage))
    }

    /// Settles, then lets the caller see the end: who has seen it finds it booked.
    async fn finish(self, mut out: Vec<Bytes>, end: End) -> Step<P> {
        let orderly = matches!(end, End::Done(_));
        let usage = if orderly { self.used_at_the_end() } else { self.used() };
        let reported = self.meter.usage().is_some();
        let members = self.cost_member(&usage);
        let wants_usage = self.options.client_wants_usage;
        let outcome = match end {
            End::Done(done) => {
                if wants_usage && !reported {
                    out.push(self.meter.usage_event(&usage, &members));
                }
                out.push(done);
                "completed"
            }
            End::CeilingReached => {
                out.push(self.meter.clean_end(wants_usage.then_some((&usage, members.as_str()))));
                "stopped_at_hold"
            }
            End::Truncated => {
                // The provider's own error event says it already.
                if !self.error_passed {
                    out.push(Bytes::from_static(TRUNCATED.as_bytes()));
                }
                "truncated"
            }
        };
        if orderly {
            let (platform, source) = (self.call.platform().clone(), self.source);
            self.call.platform().finish_later(Box::pin(async move { read_to_end(platform, source).await }));
        } else {
            // Cancelled before the ledger is asked: a provider costs money while it produces.
            drop(self.source);
        }
        if outcome == "truncated" && !self.meter.has_output() && !reported {
            // No byte of an answer reached the caller.
            self.call.release_later();
            return Some((Ok(joined(out)), None));
        }
        self.call.settle(Ending { usage, estimated: !reported, outcome }).await;
        Some((Ok(joined(out)), None))
    }
}

fn tick<P: Platform>(platform: P, pause: Duration) -> LocalBoxFuture<'static, ()> {
    Box::pin(async move { platform.sleep(pause).await })
}

/// Nothing follows `[DONE]` but the end, and a connection that was read to its end can be used again.
async fn read_to_end<P: Platform>(
    platform: P,
    mut source: LocalBoxStream<'static, Result<Bytes, StreamError>>,
) {
    select(source.next(), pin!(platform.sleep(END_WAIT))).await;
}

/// Sent when the provider breaks off, so that no client takes half an answer for a whole one.
const TRUNCATED: &str = "data: {\"error\":{\"message\":\"The model's provider broke its answer off. \
What was produced is charged; retry.\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_truncated\"}}\n\n";

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        1 => pieces.remove(0),
        _ => pieces.concat().into(),
    }
}
