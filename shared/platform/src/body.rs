//! A body: bytes at hand, or bytes to come.

use crate::relay::Relayed;
use crate::{Background, Timer};
use bytes::Bytes;
use core::any::Any;
use futures_util::stream::{self, LocalBoxStream};
use futures_util::{Stream, StreamExt};

/// Dropping a stream before its end cancels whatever produces it.
pub enum Body {
    Full(Bytes),
    Stream(Box<dyn Chunks>),
    /// A stream that is looked at on its way, and settled at its end. A host that has no better way takes it for the
    /// stream that [`Body::into_stream`] makes of it.
    Relayed(Relayed),
}

/// Bytes to come. A host knows its own kind again when it gets one back.
pub trait Chunks: Stream<Item = Result<Bytes, StreamError>> + Unpin + 'static {
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<S: Stream<Item = Result<Bytes, StreamError>> + Unpin + 'static> Chunks for S {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error("the connection ended early: {0}")]
    Broken(String),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
}

impl Body {
    pub const fn empty() -> Self {
        Self::Full(Bytes::new())
    }

    pub fn stream(chunks: impl Stream<Item = Result<Bytes, StreamError>> + 'static) -> Self {
        Self::Stream(Box::new(chunks.boxed_local()))
    }

    /// As a host takes it that has no better way for any kind.
    pub fn into_stream<P>(self, platform: &P) -> LocalBoxStream<'static, Result<Bytes, StreamError>>
    where
        P: Timer + Background + Clone + 'static,
    {
        match self {
            Self::Full(bytes) => stream::iter([Ok(bytes)]).boxed_local(),
            Self::Stream(chunks) => chunks.boxed_local(),
            Self::Relayed(relayed) => relayed.into_stream(platform),
        }
    }

    /// Everything, unless it is more than `max` bytes.
    pub async fn collect(self, max: usize) -> Result<Bytes, StreamError> {
        let mut stream = match self {
            Self::Full(bytes) if bytes.len() > max => return Err(StreamError::TooLarge(max)),
            Self::Full(bytes) => return Ok(bytes),
            Self::Stream(chunks) => chunks,
            Self::Relayed(_) => return Err(StreamError::Broken("it goes to its caller by its host".into())),
        };
        let mut all = Vec::new();
        while let Some(chunk) = stream.next().await {
            all.extend_from_slice(&chunk?);
            if all.len() > max {
                return Err(StreamError::TooLarge(max));
            }
        }
        Ok(all.into())
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Full(bytes.into())
    }
}
