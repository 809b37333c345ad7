//! Outgoing requests by the runtime's `fetch`.

use crate::front_door::{read_headers, write_headers};
use crate::host::{self, Answer};
use bytes::Bytes;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_util::Stream;
use http::{Request, Response, StatusCode};
use js_sys::{Array, Uint8Array};
use platform::{Body, Chunks, PlatformError, StreamError};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

/// Of the answer's headers only those that `js/host.mjs` names come along.
pub(crate) async fn send(request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
    let (parts, body) = request.into_parts();
    let headers = write_headers(&parts.headers);
    let promise = host::send(parts.method.as_str(), &parts.uri.to_string(), &headers, &body);
    let answer = JsFuture::from(promise)
        .await
        .map_err(|error| PlatformError::unavailable(host::text_of(&error)))?
        .unchecked_into::<Array>();
    let body = match answer.get(2).dyn_into::<Uint8Array>() {
        Ok(whole) => Body::Full(whole.to_vec().into()),
        Err(_) => Body::Stream(Box::new(FetchBody::new(answer.get(3).unchecked_into()))),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer
        .get(0)
        .as_f64()
        .and_then(|status| StatusCode::from_u16(status as u16).ok())
        .ok_or_else(|| PlatformError::malformed("no status"))?;
    *response.headers_mut() = read_headers(&answer.get(1).as_string().unwrap_or_default());
    Ok(response)
}

/// An answer's body. Dropped before its end, it cancels the request.
pub(crate) struct FetchBody {
    answer: Answer,
    reading: Option<JsFuture>,
    ended: bool,
}

impl FetchBody {
    fn new(answer: Answer) -> Self {
        Self { answer, reading: None, ended: false }
    }

    /// Known again.
    pub(crate) fn of(chunks: Box<dyn Chunks>) -> Result<Self, Box<dyn Chunks>> {
        if !(*chunks).as_any().is::<Self>() {
            return Err(chunks);
        }
        Ok(*chunks.into_any().downcast().expect("it was looked at"))
    }

    /// For the JavaScript side, which then reads it, or cancels it.
    pub(crate) fn into_answer(mut self) -> Answer {
        self.ended = true;
        self.answer.clone()
    }
}

impl Drop for FetchBody {
    fn drop(&mut self) {
        if !self.ended {
            host::cancel(&self.answer);
        }
    }
}

impl Stream for FetchBody {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let mut reading = self.reading.take().unwrap_or_else(|| host::read(&self.answer).into());
        let Poll::Ready(chunk) = Pin::new(&mut reading).poll(context) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        self.ended = !matches!(&chunk, Ok(chunk) if !chunk.is_undefined());
        Poll::Ready(match chunk {
            Ok(end) if end.is_undefined() => None,
            Ok(chunk) => Some(Ok(chunk.unchecked_into::<Uint8Array>().to_vec().into())),
            Err(error) => Some(Err(StreamError::Broken(host::text_of(&error)))),
        })
    }
}
