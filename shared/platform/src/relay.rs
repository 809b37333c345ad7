//! A stream on its way from where it is produced to whom it is for: looked at, perhaps changed, settled at its end.
//!
//! A host that can pump bytes natively does so where they pass unchanged, and shows copies from time to time; the others
//! let each chunk through here ([`Relayed::into_stream`]).

use crate::body::{Chunks, StreamError};
use crate::{Background, Timer};
use bytes::Bytes;
use core::pin::pin;
use core::time::Duration;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::{self, LocalBoxStream};
use futures_util::{Stream, StreamExt};

/// How often a relay is asked what to do while nothing comes.
pub const IDLE: Duration = Duration::from_secs(5);
/// How long the end of a source is waited for, after all that matters has come.
pub const END_WAIT: Duration = Duration::from_secs(1);

/// What is done for a stream. Dropped before its end, which is when the one that it is for has left, it settles what it
/// has seen.
pub trait Relay {
    /// Whether the bytes pass as they are, so that nobody waits for a look.
    fn passes(&self) -> bool;
    /// What has come since the last look. What goes out for it is added to `out`, unless the bytes pass as they are.
    fn look(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Flow;
    /// Nothing has come for [`IDLE`].
    fn idle(&mut self) -> Flow;
    /// Settles; returns what still goes out, after which the stream ends.
    fn end(self: Box<Self>, how: End) -> LocalBoxFuture<'static, Bytes>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    GoOn,
    /// Where bytes pass as they are: look again as soon as something has come.
    LookSoon,
    /// All has come; what follows is nothing but the source's end.
    Whole,
    /// Cancel the source.
    Cut,
}

/// How a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The source ended, or its relay said so: [`Flow::Whole`] or [`Flow::Cut`].
    Here,
    /// The source broke off.
    Broken(StreamError),
    /// The one that it is for has left. Nothing goes out any more.
    Left,
}

/// A source and its relay, for the host that brings them together.
pub struct Relayed {
    pub source: Box<dyn Chunks>,
    pub relay: Box<dyn Relay>,
}

type Output = LocalBoxStream<'static, Result<Bytes, StreamError>>;

impl Relayed {
    /// Dropped before its end, it drops its relay and cancels its source.
    pub fn into_stream<P>(self, platform: &P) -> Output
    where
        P: Timer + Background + Clone + 'static,
    {
        let Self { source, relay } = self;
        let pumped = Pumped { tick: tick(platform), platform: platform.clone(), source, relay };
        stream::unfold(Some(pumped), |pumped| async move { pumped?.next().await }).boxed_local()
    }
}

/// A source whose chunks all go through its relay, each before the next.
struct Pumped<P> {
    platform: P,
    source: Box<dyn Chunks>,
    relay: Box<dyn Relay>,
    /// Ends when the relay is to be asked the next time, whether something comes or not.
    tick: LocalBoxFuture<'static, ()>,
}

impl<P: Timer + Background + Clone + 'static> Pumped<P> {
    async fn next(mut self) -> Option<(Result<Bytes, StreamError>, Option<Self>)> {
        loop {
            let mut out = Vec::new();
            let flow = match select(self.source.next(), &mut self.tick).await {
                Either::Left((Some(Ok(chunk)), _)) if self.relay.passes() => {
                    let flow = self.relay.look(chunk.clone(), &mut out);
                    out = vec![chunk];
                    flow
                }
                Either::Left((Some(Ok(chunk)), _)) => self.relay.look(chunk, &mut out),
                Either::Left((Some(Err(error)), _)) => return self.end(out, End::Broken(error)).await,
                Either::Left((None, _)) => return self.end(out, End::Here).await,
                Either::Right(_) => {
                    self.tick = tick(&self.platform);
                    self.relay.idle()
                }
            };
            match flow {
                Flow::GoOn | Flow::LookSoon if out.is_empty() => {}
                Flow::GoOn | Flow::LookSoon => return Some((Ok(joined(out)), Some(self))),
                Flow::Whole => {
                    let (platform, source) =
                        (self.platform.clone(), core::mem::replace(&mut self.source, nothing()));
                    self.platform.finish_later(Box::pin(read_to_end(platform, source)));
                    return self.end(out, End::Here).await;
                }
                Flow::Cut => return self.end(out, End::Here).await,
            }
        }
    }

    /// Nobody who has seen the end finds the stream unsettled.
    async fn end(self, mut out: Vec<Bytes>, how: End) -> Option<(Result<Bytes, StreamError>, Option<Self>)> {
        // Cancelled before anything is waited for: a source costs money while it produces.
        drop(self.source);
        out.push(self.relay.end(how).await);
        let out = joined(out);
        (!out.is_empty()).then_some((Ok(out), None))
    }
}

fn tick(platform: &(impl Timer + Clone + 'static)) -> LocalBoxFuture<'static, ()> {
    let platform = platform.clone();
    Box::pin(async move { platform.sleep(IDLE).await })
}

fn nothing() -> Box<dyn Chunks> {
    Box::new(stream::empty())
}

/// A connection that was read to its end can be used again.
async fn read_to_end(platform: impl Timer, mut source: impl Stream + Unpin) {
    select(source.next(), pin!(platform.sleep(END_WAIT))).await;
}

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        1 => pieces.remove(0),
        _ => pieces.concat().into(),
    }
}
