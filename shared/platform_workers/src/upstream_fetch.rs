//! Outgoing requests by the runtime's `fetch`.

use crate::front_door::{read_headers, write_headers};
use crate::host::{self, Reader};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use js_sys::{Array, Uint8Array};
use platform::{Body, PlatformError, StreamError};
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
        Err(_) => Body::Stream(Box::pin(chunks(answer.get(3).unchecked_into()))),
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

/// Cancels the request when it is dropped before its end.
struct OpenReader {
    reader: Reader,
    ended: bool,
}

impl Drop for OpenReader {
    fn drop(&mut self) {
        if !self.ended {
            host::cancel(&self.reader);
        }
    }
}

fn chunks(reader: Reader) -> impl stream::Stream<Item = Result<Bytes, StreamError>> {
    stream::unfold(OpenReader { reader, ended: false }, next_chunk)
}

async fn next_chunk(mut open: OpenReader) -> Option<(Result<Bytes, StreamError>, OpenReader)> {
    if open.ended {
        return None;
    }
    let chunk = JsFuture::from(host::read(&open.reader)).await;
    open.ended = !matches!(&chunk, Ok(chunk) if !chunk.is_undefined());
    match chunk {
        Ok(end) if end.is_undefined() => None,
        Ok(chunk) => Some((Ok(chunk.unchecked_into::<Uint8Array>().to_vec().into()), open)),
        Err(error) => Some((Err(StreamError::Broken(host::text_of(&error))), open)),
    }
}
