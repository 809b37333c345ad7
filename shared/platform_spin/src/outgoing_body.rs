//! Bytes on their way out: an answer to a caller, or a question to a provider.

use crate::executor::ready;
use spin_sdk::http::OutgoingBody;
use wasi::io::streams::OutputStream;

/// The other side is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left;

/// Dropped before [`Self::finish`], the other side sees that the body broke off.
pub(crate) struct Writer {
    // Dropped in this order, as the host demands.
    stream: OutputStream,
    body: OutgoingBody,
}

impl Writer {
    pub(crate) fn new(body: OutgoingBody) -> Self {
        let stream = body.write().expect("nobody else writes this body");
        Self { stream, body }
    }

    /// Returns when the host has taken everything.
    pub(crate) async fn write(&self, mut bytes: &[u8]) -> Result<(), Left> {
        while !bytes.is_empty() {
            match self.stream.check_write().map_err(|_| Left)? {
                0 => ready(self.stream.subscribe()).await,
                room => {
                    let (now, later) =
                        bytes.split_at(bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
                    self.stream.write(now).map_err(|_| Left)?;
                    bytes = later;
                }
            }
        }
        self.stream.flush().map_err(|_| Left)
    }

    /// Whether the other side is known to be gone. The host tells nobody of it: one has to ask.
    pub(crate) fn has_left(&self) -> bool {
        self.stream.check_write().is_err()
    }

    pub(crate) fn finish(self) {
        drop(self.stream);
        // The other side may be gone, which is as good.
        let _ = OutgoingBody::finish(self.body, None);
    }
}
