//! Bytes on a socket, for requests that no HTTP client would send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends `bytes` and reads until the other side closes; `None` when it closes without a word.
/// The request should carry `connection: close`.
pub async fn exchange(authority: &str, bytes: &[u8]) -> Option<RawAnswer> {
    let mut stream = TcpStream::connect(authority).await.expect("a listening host");
    // The host may refuse and close before it has read everything; what it answered still counts.
    let _ = stream.write_all(bytes).await;
    let mut received = Vec::new();
    let _ = crate::within("the host to close the connection", stream.read_to_end(&mut received)).await;
    let text = String::from_utf8_lossy(&received).into_owned();
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some(RawAnswer { status, text })
}

#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    /// Head and body as received.
    pub text: String,
}
