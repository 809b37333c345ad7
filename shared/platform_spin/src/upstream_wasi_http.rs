//! Outgoing requests by `wasi:http`.

use crate::executor::ready;
use crate::outgoing_body::Writer;
use bytes::Bytes;
use core::pin::pin;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::{self, LocalBoxStream};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use platform::{Body, PlatformError, StreamError};
use spin_sdk::http::{ErrorCode, Fields, IncomingResponse, Method, OutgoingRequest, Scheme};
// What the crate calls `send` takes whole bodies only; these are the functions below it.
use spin_sdk::wit::wasi::http0_2_0::outgoing_handler;
use spin_sdk::wit::wasi::http0_2_0::types::{FutureIncomingResponse, IncomingBody};
use wasi::io::streams::{InputStream, StreamError as WasiStreamError};

/// Bytes asked for in one read.
const READ_MAX: u64 = 64 * 1024;
/// The host sets these itself and refuses to be told.
const SET_BY_HOST: [&str; 6] =
    ["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

pub(crate) async fn send(request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
    let (parts, bytes) = request.into_parts();
    let outgoing = outgoing(&parts, bytes.len())?;
    let body = outgoing.body().map_err(|()| PlatformError::unavailable("the request has no body"))?;
    let answer = outgoing_handler::handle(outgoing, None).map_err(|code| failed(&parts, &code))?;
    let answered = pin!(answered(&answer));
    let written = pin!(async {
        let writer = Writer::new(body);
        // Who answers before it has read everything does not want the rest.
        if writer.write(&bytes).await.is_ok() {
            writer.finish();
        }
    });
    let response = match select(answered, written).await {
        Either::Left((response, _)) => response,
        Either::Right(((), answered)) => answered.await,
    };
    let response = response.map_err(|code| failed(&parts, &code))?;
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() =
        StatusCode::from_u16(response.status()).map_err(|_| PlatformError::malformed("no status"))?;
    *answer.headers_mut() = read_headers(response.headers().entries());
    *answer.body_mut() = Body::stream(chunks(response)?);
    Ok(answer)
}

fn outgoing(parts: &http::request::Parts, length: usize) -> Result<OutgoingRequest, PlatformError> {
    let mut headers = write_headers(&parts.headers);
    headers.retain(|(name, _)| !SET_BY_HOST.contains(&name.as_str()) && name != "content-length");
    headers.push(("content-length".into(), length.to_string().into()));
    // Not the whole address: a webhook's path may be a secret.
    let refused = |what: &str| PlatformError::malformed(format!("{what} of {}", host_of(parts)));
    let fields = Fields::from_list(&headers).map_err(|_| refused("the headers"))?;
    let request = OutgoingRequest::new(fields);
    let scheme = match parts.uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(refused("the scheme")),
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    request.set_scheme(Some(&scheme)).map_err(|()| refused("the scheme"))?;
    request.set_method(&method(&parts.method)).map_err(|()| refused("the method"))?;
    request
        .set_authority(parts.uri.authority().map(http::uri::Authority::as_str))
        .map_err(|()| refused("the host"))?;
    request.set_path_with_query(Some(path)).map_err(|()| refused("the path"))?;
    Ok(request)
}

fn host_of(parts: &http::request::Parts) -> &str {
    parts.uri.authority().map_or("", http::uri::Authority::as_str)
}

fn method(method: &http::Method) -> Method {
    match method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "HEAD" => Method::Head,
        other => Method::Other(other.to_owned()),
    }
}

/// Dropped, the request is cancelled.
async fn answered(answer: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    loop {
        if let Some(response) = answer.get() {
            return response.unwrap_or(Err(ErrorCode::InternalError(None)));
        }
        ready(answer.subscribe()).await;
    }
}

fn failed(parts: &http::request::Parts, code: &ErrorCode) -> PlatformError {
    let host = host_of(parts);
    match code {
        ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            PlatformError::timed_out(host)
        }
        code => PlatformError::unavailable(format!("{host}: {code:?}")),
    }
}

/// An answer that is being read. Dropped before its end, the request is cancelled.
struct Incoming {
    // Dropped in this order, as the host demands.
    stream: InputStream,
    _body: IncomingBody,
    _response: IncomingResponse,
}

fn chunks(
    response: IncomingResponse,
) -> Result<LocalBoxStream<'static, Result<Bytes, StreamError>>, PlatformError> {
    let body = response.consume().map_err(|()| PlatformError::malformed("no body"))?;
    let stream = body.stream().map_err(|()| PlatformError::malformed("no body"))?;
    let incoming = Incoming { stream, _body: body, _response: response };
    let next = |incoming: Option<Incoming>| async move {
        let incoming = incoming?;
        match read(&incoming.stream).await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(incoming))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    };
    Ok(stream::unfold(Some(incoming), next).boxed_local())
}

/// What has come; none at the end.
pub(crate) async fn read(stream: &InputStream) -> Result<Option<Bytes>, StreamError> {
    loop {
        match stream.read(READ_MAX) {
            Ok(bytes) if bytes.is_empty() => ready(stream.subscribe()).await,
            Ok(bytes) => return Ok(Some(bytes.into())),
            Err(WasiStreamError::Closed) => return Ok(None),
            Err(WasiStreamError::LastOperationFailed(error)) => {
                return Err(StreamError::Broken(error.to_debug_string()));
            }
        }
    }
}

pub(crate) fn read_headers(entries: Vec<(String, Vec<u8>)>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(entries.len());
    for (name, value) in entries {
        // No other names are ever asked for.
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            headers.append(name, platform::header_value(&value));
        }
    }
    headers
}

pub(crate) fn write_headers(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
