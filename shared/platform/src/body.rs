//! A body: bytes at hand, or bytes to come.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::LocalBoxStream;

/// Dropping a stream before its end cancels whatever produces it.
pub enum Body {
    Full(Bytes),
    Stream(LocalBoxStream<'static, Result<Bytes, StreamError>>),
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

    /// Everything, unless it is more than `max` bytes.
    pub async fn collect(self, max: usize) -> Result<Bytes, StreamError> {
        match self {
            Self::Full(bytes) if bytes.len() > max => Err(StreamError::TooLarge(max)),
            Self::Full(bytes) => Ok(bytes),
            Self::Stream(mut stream) => {
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
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Full(bytes.into())
    }
}
