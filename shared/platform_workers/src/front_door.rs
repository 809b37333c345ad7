//! From the host's request to ours, and from our response to the host's.

use crate::host::{self, Answer, Context, Env, Writer};
use crate::stream_relay::StreamRelay;
use crate::upstream_fetch::FetchBody;
use crate::workers_platform::WorkersPlatform;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderName, Method, Request, Response, Uri};
use platform::relay::Relayed;
use platform::{Body, Chunks};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};

/// A request as the JavaScript side hands it over.
pub struct Incoming {
    pub call: u32,
    pub method: String,
    pub url: String,
    /// A header's name and its value, each on a line.
    pub headers: String,
    pub body: Vec<u8>,
}

/// Runs `handle` on the request and renders what it answers.
pub async fn answer(
    incoming: Incoming,
    env: Env,
    context: Context,
    handle: impl AsyncFnOnce(WorkersPlatform, Request<Bytes>) -> Response<Body>,
) -> JsValue {
    let platform = WorkersPlatform::new(env, context.clone());
    let call = incoming.call;
    let response = match request(incoming) {
        Some(request) => handle(platform, request).await,
        None => bad_request(),
    };
    render(call, response, &context)
}

fn request(incoming: Incoming) -> Option<Request<Bytes>> {
    let mut request = Request::new(Bytes::from(incoming.body));
    *request.method_mut() = Method::from_bytes(incoming.method.as_bytes()).ok()?;
    *request.uri_mut() = incoming.url.parse::<Uri>().ok()?;
    *request.headers_mut() = read_headers(&incoming.headers);
    Some(request)
}

fn bad_request() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    response
}

/// The runtime has decoded the values as UTF-8, each byte that is none to a replacement character.
pub(crate) fn read_headers(lines: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut lines = lines.split('\n');
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        // No other names are ever asked for.
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            headers.append(name, platform::header_value(value.as_bytes()));
        }
    }
    headers
}

pub(crate) fn write_headers(headers: &HeaderMap) -> String {
    let mut lines = String::with_capacity(headers.len() * 48);
    for (name, value) in headers {
        if let Ok(value) = value.to_str() {
            lines.push_str(name.as_str());
            lines.push('\n');
            lines.push_str(value);
            lines.push('\n');
        }
    }
    lines
}

fn render(call: u32, response: Response<Body>, context: &Context) -> JsValue {
    let (parts, body) = response.into_parts();
    let headers = write_headers(&parts.headers);
    let status = parts.status.as_u16();
    match body {
        Body::Full(bytes) => host::response(status, &headers, &bytes),
        Body::Relayed(Relayed { source, relay }) => {
            let answer = match FetchBody::of(source) {
                Ok(body) => body.into_answer(),
                Err(other) => own_answer(call, other, context),
            };
            host::relayed(call, status, &headers, answer, StreamRelay::new(relay), context)
        }
        Body::Stream(chunks) => {
            let pair = host::streamed(call, status, &headers);
            pump_later(call, chunks, pair.get(1).unchecked_into(), context);
            pair.get(0)
        }
    }
}

/// What no provider sent, as if one had.
fn own_answer(call: u32, chunks: Box<dyn Chunks>, context: &Context) -> Answer {
    let pair = host::own_answer();
    pump_later(call, chunks, pair.get(1).unchecked_into(), context);
    pair.get(0).unchecked_into()
}

fn pump_later(call: u32, chunks: Box<dyn Chunks>, writer: Writer, context: &Context) {
    let pumped = crate::in_call(call, async move {
        pump(chunks, writer).await;
        Ok(JsValue::UNDEFINED)
    });
    host::wait_until(context, &future_to_promise(pumped));
}

/// Writes the stream out. When the caller has left, also while nothing comes, the stream is dropped,
/// which cancels its source.
async fn pump(mut stream: Box<dyn Chunks>, writer: Writer) {
    let mut left = JsFuture::from(host::left(&writer));
    while let Either::Left((Some(chunk), _)) = select(stream.next(), &mut left).await {
        match chunk {
            Ok(chunk) => {
                if let Some(room) = host::write(&writer, &chunk) {
                    let _ = select(JsFuture::from(room), &mut left).await;
                }
            }
            Err(_) => return host::abort(&writer),
        }
    }
    // The source is cancelled before anything else; a caller who left has no use for the end.
    drop(stream);
    let _ = JsFuture::from(host::close(&writer)).await;
}

/// Exports what `js/entry.mjs` calls: `front_door!(crate::handle)`.
#[macro_export]
macro_rules! front_door {
    ($handle:path) => {
        #[::wasm_bindgen::prelude::wasm_bindgen(start)]
        pub fn start() {
            $crate::install_panic_hook();
        }

        #[::wasm_bindgen::prelude::wasm_bindgen]
        pub fn body_bytes_max() -> usize {
            ::http_api::BODY_BYTES_MAX
        }

        #[::wasm_bindgen::prelude::wasm_bindgen]
        pub async fn fetch(
            call: u32,
            method: String,
            url: String,
            headers: String,
            body: Vec<u8>,
            env: $crate::host::Env,
            context: $crate::host::Context,
        ) -> ::wasm_bindgen::JsValue {
            let incoming = $crate::Incoming { call, method, url, headers, body };
            let answer = $crate::answer(incoming, env, context, async |platform, request| {
                $handle(&platform, request).await
            });
            $crate::in_call(call, answer).await
        }
    };
}
