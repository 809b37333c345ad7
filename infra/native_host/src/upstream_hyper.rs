//! Outgoing requests, a connection each.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, LocalBoxStream};
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use platform::{Body, PlatformError, StreamError};
use std::sync::{Arc, LazyLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

static TLS: LazyLock<TlsConnector> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
});

/// Closes the connection when dropped, which cancels the request at the other side.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub async fn send(request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
    let uri = request.uri();
    let authority = uri.authority().ok_or_else(|| PlatformError::malformed(format!("{uri}: no host")))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let encrypted = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(PlatformError::malformed(format!("{uri}: the scheme"))),
    };
    let port = authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let failed = |error: &dyn core::fmt::Display| PlatformError::unavailable(format!("{host}: {error}"));
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| failed(&error))?;
    let _ = stream.set_nodelay(true);
    if !encrypted {
        return exchange(stream, request).await.map_err(|error| failed(&error));
    }
    let name = ServerName::try_from(host.clone()).map_err(|error| failed(&error))?;
    let stream = TLS.connect(name, stream).await.map_err(|error| failed(&error))?;
    exchange(stream, request).await.map_err(|error| failed(&error))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    request: Request<Bytes>,
) -> Result<Response<Body>, hyper::Error> {
    let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = Connection(spawn_local(async move {
        // How it ended is reported to whoever reads the answer.
        let _ = driver.await;
    }));
    let response = sender.send_request(in_origin_form(request).map(Full::new)).await?;
    Ok(response.map(|body| Body::stream(chunks(body, connection))))
}

/// A server is asked for a path; its name goes beside it.
fn in_origin_form(mut request: Request<Bytes>) -> Request<Bytes> {
    let host = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().entry(HOST).or_insert(host);
    }
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    request
}

fn chunks(body: Incoming, connection: Connection) -> LocalBoxStream<'static, Result<Bytes, StreamError>> {
    let next = |open: Option<(Incoming, Connection)>| async move {
        let (mut body, connection) = open?;
        loop {
            match body.frame().await? {
                Ok(frame) => {
                    // Trailers are nobody's concern.
                    if let Ok(chunk) = frame.into_data() {
                        return Some((Ok(chunk), Some((body, connection))));
                    }
                }
                Err(error) => return Some((Err(StreamError::Broken(error.to_string())), None)),
            }
        }
    };
    stream::unfold(Some((body, connection)), next).boxed_local()
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::PlatformErrorKind;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;

    /// Asks a server that says `answer` and hangs up.
    async fn asked(scheme: &str, answer: &'static str) -> Result<Result<Bytes, StreamError>, PlatformError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/v1", listener.local_addr().unwrap());
        let work = async move {
            spawn_local(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
            let response = send(Request::get(url).body(Bytes::new()).unwrap()).await?;
            Ok(response.into_body().collect(1_000).await)
        };
        LocalSet::new().run_until(work).await
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error_and_not_an_end() {
        let whole = asked("http", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
        assert_eq!(whole.unwrap().unwrap(), "hi");
        let broken = asked("http", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi").await;
        assert!(matches!(broken.unwrap(), Err(StreamError::Broken(_))));
    }

    #[tokio::test]
    async fn a_server_without_tls_is_not_spoken_to_in_clear() {
        let error = asked("https", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap_err();
        assert_eq!(error.kind, PlatformErrorKind::Unavailable);
    }
}
