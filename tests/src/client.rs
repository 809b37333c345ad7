//! A small HTTP client: one connection per request, so that dropping an answer is a client that leaves.

pub mod events;
pub mod raw;

pub use events::EventStream;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Speaks to one host and port.
#[derive(Clone, Debug)]
pub struct Client {
    authority: String,
}

#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens.
    Connect(std::io::Error),
    /// The connection broke before the answer was complete.
    Broken(hyper::Error),
}

impl Client {
    /// `base_url` like `http://127.0.0.1:8787`; a path on it is ignored.
    pub fn new(base_url: &str) -> Self {
        let rest = base_url.strip_prefix("http://").expect("a plain http URL");
        Self { authority: rest.split('/').next().unwrap_or(rest).to_owned() }
    }

    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Request {
        self.request(Method::POST, path).body("application/json", body.to_string())
    }

    pub fn request(&self, method: Method, path: &str) -> Request {
        let builder = http::Request::builder().method(method).uri(path).header("host", &self.authority);
        Request { authority: self.authority.clone(), builder, body: Bytes::new(), leaves_abruptly: false }
    }
}

/// A request in the making. `send` and `stream` panic when there is no answer at all.
#[must_use]
pub struct Request {
    authority: String,
    builder: http::request::Builder,
    body: Bytes,
    leaves_abruptly: bool,
}

impl Request {
    /// Dropped, the connection is reset. The FIN of an ordinary end could also mean a client that has only
    /// stopped sending, so a host notices it no sooner than it writes again.
    pub fn leaving_abruptly(mut self) -> Self {
        self.leaves_abruptly = true;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Bytes that need not be text.
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    pub fn with_method(mut self, method: &str) -> Self {
        self.builder = self.builder.method(method);
        self
    }

    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// The whole answer.
    pub async fn send(self) -> Answer {
        self.try_send().await.expect("an answer")
    }

    pub async fn try_send(self) -> Result<Answer, ClientError> {
        let (response, _connection) = self.open().await?;
        let (head, body) = response.into_parts();
        let body =
            crate::within("the rest of the answer", body.collect()).await.map_err(ClientError::Broken)?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    /// The answer's head, and its events as they come.
    pub async fn stream(self) -> EventStream {
        self.try_stream().await.expect("an answer")
    }

    pub async fn try_stream(self) -> Result<EventStream, ClientError> {
        let (response, connection) = self.open().await?;
        Ok(EventStream::new(response, connection))
    }

    async fn open(self) -> Result<(http::Response<Incoming>, Connection), ClientError> {
        let stream = TcpStream::connect(&self.authority).await.map_err(ClientError::Connect)?;
        let _ = stream.set_nodelay(true);
        if self.leaves_abruptly {
            let _ = stream.set_zero_linger();
        }
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, driver) = handshake.await.map_err(ClientError::Broken)?;
        let connection = Connection(tokio::spawn(async move {
            // How it ended is reported to whoever reads the answer.
            let _ = driver.await;
        }));
        let request = self.builder.body(Full::new(self.body)).expect("a well-formed request");
        let answer = crate::within("the head of the answer", sender.send_request(request)).await;
        Ok((answer.map_err(ClientError::Broken)?, connection))
    }
}

/// Closes the socket when dropped, whatever is still under way on it.
#[derive(Debug)]
pub struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; panics, showing the body, when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The header's text; panics, naming it, when it is absent.
    pub fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
            .unwrap_or_else(|| panic!("no {name} header: {} {}", self.status, self.text()))
    }

    /// Panics, showing the body, unless the status is as claimed.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
