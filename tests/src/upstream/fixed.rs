//! The provider of the benchmark: always the same answer, as cheaply as possible, so that what is measured is
//! what stands in front of it.

use core::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Chunks with text in a streamed answer; each is written to the socket on its own.
pub const STREAM_CHUNKS: usize = 50;

/// Between two chunks of whoever asks [`PACED`].
pub const PACE: Duration = Duration::from_millis(20);
/// Questions, by which the answer's pace is chosen: they come through whatever stands in front.
pub const PACED: &str = "What is the capital of France, and since when? Take your time.";
pub const AT_ONCE: &str = "What is the capital of France, and since when?";

/// Requests beyond this are a mistake in the benchmark.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Listens on a free port, on a thread of its own; gives back the base URL, ending in `/v1`.
pub fn start() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    socket.set_nonblocking(true).expect("a non-blocking socket");
    let port = socket.local_addr().expect("a bound socket").port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(accept(socket));
    });
    format!("http://127.0.0.1:{port}/v1")
}

async fn accept(socket: std::net::TcpListener) {
    let answers: &'static Answers = Box::leak(Box::new(Answers::new()));
    let listener = TcpListener::from_std(socket).expect("a listening socket");
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(connection(stream, answers));
    }
}

async fn connection(mut stream: TcpStream, answers: &Answers) {
    let mut received = Vec::with_capacity(4096);
    while let Some(length) = request(&mut stream, &mut received).await {
        let asks = |field: &[u8]| received[..length].windows(field.len()).any(|window| window == field);
        let written = if asks(b"\"stream\":true") {
            let pace = asks(PACED.as_bytes()).then_some(PACE);
            write_each(&mut stream, answers, asks(b"\"include_usage\":true"), pace).await
        } else {
            stream.write_all(&answers.whole).await
        };
        if written.is_err() {
            return;
        }
        received.drain(..length);
    }
}

async fn write_each(
    stream: &mut TcpStream,
    answers: &Answers,
    include_usage: bool,
    pace: Option<Duration>,
) -> std::io::Result<()> {
    for piece in &answers.pieces {
        stream.write_all(piece).await?;
        match pace {
            Some(pace) => tokio::time::sleep(pace).await,
            // Streams side by side take turns, as from a real provider.
            None => tokio::task::yield_now().await,
        }
    }
    if include_usage {
        stream.write_all(&answers.usage).await?;
    }
    stream.write_all(&answers.end).await
}

/// Reads until one request is complete; its length, or `None` when the other side is gone.
async fn request(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(length) = complete(received) {
            return Some(length);
        }
        if received.len() > REQUEST_BYTES_MAX || stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}

fn complete(received: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut headers);
    let body = head.parse(received).ok().filter(httparse::Status::is_complete)?.unwrap();
    let header = |name: &str| head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    if let Some(length) = header("content-length") {
        let length: usize = std::str::from_utf8(length.value).ok()?.parse().ok()?;
        return (received.len() >= body + length).then_some(body + length);
    }
    if header("transfer-encoding").is_none() {
        return Some(body);
    }
    received[body..].ends_with(b"0\r\n\r\n").then_some(received.len())
}

struct Answers {
    whole: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    usage: Vec<u8>,
    end: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        let body = concat!(
            r#"{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini","#,
            r#""choices":[{"index":0,"message":{"role":"assistant","content":"Hello from the benchmark."},"finish_reason":"stop"}],"#,
            r#""usage":{"prompt_tokens":9,"completion_tokens":50,"total_tokens":59}}"#
        );
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
        let mut pieces: Vec<Vec<u8>> =
            (0..STREAM_CHUNKS).map(|_| piece(r#"{"content":" word"}"#, "null")).collect();
        let stream_head =
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        pieces[0].splice(0..0, stream_head.iter().copied());
        pieces.push(piece("{}", "\"stop\""));
        let usage = concat!(
            r#"data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","#,
            r#""choices":[],"usage":{"prompt_tokens":9,"completion_tokens":50,"total_tokens":59}}"#,
            "\n\n"
        );
        Self {
            whole: format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes(),
            pieces,
            usage: framed(usage),
            end: [framed("data: [DONE]\n\n"), b"0\r\n\r\n".to_vec()].concat(),
        }
    }
}

fn piece(delta: &str, finish_reason: &str) -> Vec<u8> {
    framed(&format!(
        "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
         \"model\":\"gpt-4o-mini\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish_reason}}}]}}\n\n"
    ))
}

fn framed(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}
