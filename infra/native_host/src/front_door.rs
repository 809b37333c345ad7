//! From hyper's request to ours, and from our response to hyper's.

use crate::native_platform::NativePlatform;
use crate::router::{function_of, uri_in_function};
use bytes::{Bytes, BytesMut};
use core::panic::AssertUnwindSafe;
use futures_util::stream::LocalBoxStream;
use futures_util::{FutureExt, StreamExt};
use http::{Request, Response};
use http_api::{BODY_BYTES_MAX, Problem, ProblemShape};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use platform::{Background, Body, Clock, Randomness, StreamError, Timer};
use tokio::task::spawn_local;

/// Of a body that is too long, so much is read and forgotten: who still sends might not read the answer otherwise.
const FORGOTTEN_BYTES_MAX: usize = 64 << 20;

pub type Outgoing =
    Either<Full<Bytes>, StreamBody<LocalBoxStream<'static, Result<Frame<Bytes>, StreamError>>>>;

/// A caller who leaves does not stop the work: what the provider bills has to be settled.
pub async fn answer(platform: &NativePlatform, request: Request<Incoming>) -> Response<Outgoing> {
    let (mut parts, body) = request.into_parts();
    let Some(body) = read(body).await else { return outgoing(unreadable(), platform) };
    let function = function_of(parts.uri.path());
    parts.uri = uri_in_function(parts.uri);
    let request = Request::from_parts(parts, body);
    let host = platform.clone();
    let handled = spawn_local(async move { unless_it_panics(&host, function.handle(&host, request)).await });
    // Panics are answered already; what is left is a host that ends.
    outgoing(handled.await.unwrap_or_else(|_| failed(platform)), platform)
}

/// A panic ends one request, and its caller hears of it in the usual format.
async fn unless_it_panics(
    platform: &(impl Clock + Randomness),
    handled: impl Future<Output = Response<Body>>,
) -> Response<Body> {
    // The panic itself is on stderr already.
    AssertUnwindSafe(handled).catch_unwind().await.unwrap_or_else(|_| failed(platform))
}

fn failed(platform: &(impl Clock + Randomness)) -> Response<Body> {
    let id = http_api::new_request_id(platform);
    http_api::finish(id, ProblemShape::OpenAi, Err::<Response<Body>, _>(Problem::internal()))
}

/// The whole body; of one that is too long a byte more than the limit, so that it is seen to be.
async fn read(mut body: Incoming) -> Option<Bytes> {
    let (mut kept, mut forgotten) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.ok()?.into_data() else { continue };
        let room = BODY_BYTES_MAX + 1 - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        forgotten += chunk.len().saturating_sub(room);
        if forgotten > FORGOTTEN_BYTES_MAX {
            break;
        }
    }
    Some(kept.freeze())
}

fn unreadable() -> Response<Body> {
    let message = "The request's body cannot be read to its end. Send it again.";
    Problem::bad_request("unreadable_body", message).render(ProblemShape::OpenAi)
}

pub fn whole(response: Response<Bytes>) -> Response<Outgoing> {
    response.map(|bytes| Either::Left(Full::new(bytes)))
}

/// A stream goes out as it comes. When its caller leaves, hyper drops it, which cancels its source.
pub fn outgoing(
    response: Response<Body>,
    platform: &(impl Timer + Background + Clone + 'static),
) -> Response<Outgoing> {
    response.map(|body| match body {
        Body::Full(bytes) => Either::Left(Full::new(bytes)),
        stream => {
            let unbroken = AssertUnwindSafe(stream.into_stream(platform)).catch_unwind();
            let frames = unbroken.map(|chunk| match chunk {
                Ok(chunk) => chunk.map(Frame::data),
                Err(_) => Err(StreamError::Broken("a panic".into())),
            });
            Either::Right(StreamBody::new(frames.boxed_local()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform_memory::MemoryPlatform;
    use std::pin::pin;

    #[tokio::test]
    async fn a_panic_is_answered_in_the_usual_format() {
        let platform = MemoryPlatform::new();
        let answer = unless_it_panics(&platform, async { panic!("by a test") }).await;
        assert_eq!(answer.status(), 500);
        assert!(answer.headers().contains_key("x-request-id"));
        let body: serde_json::Value =
            serde_json::from_slice(&answer.into_body().collect(10_000).await.unwrap()).unwrap();
        assert_eq!(body["error"]["code"], "internal_error");
    }

    #[tokio::test]
    async fn a_panic_in_the_middle_of_a_stream_breaks_it_off() {
        let chunks = futures_util::stream::iter(0..).map(|chunk| match chunk {
            0 => Ok(Bytes::from_static(b"first")),
            _ => panic!("by a test"),
        });
        let platform = MemoryPlatform::new();
        let mut body = pin!(outgoing(Response::new(Body::stream(chunks)), &platform).into_body());
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "first");
        assert!(body.frame().await.unwrap().is_err());
    }
}
