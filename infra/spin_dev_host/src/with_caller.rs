//! Newer sources of Spin end an instance when the host is done with its answer's body: sent, or its caller gone. Tests
//! may ask for a host like that.

use core::pin::Pin;
use core::task::{Context, Poll};
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// A body that ends the instance which writes it when it is dropped.
pub struct WithCaller {
    body: HyperOutgoingBody,
    instance: AbortHandle,
}

impl WithCaller {
    pub fn new(body: HyperOutgoingBody, instance: AbortHandle) -> Self {
        Self { body, instance }
    }
}

impl Drop for WithCaller {
    fn drop(&mut self) {
        self.instance.abort();
    }
}

impl Body for WithCaller {
    type Data = <HyperOutgoingBody as Body>::Data;
    type Error = <HyperOutgoingBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
