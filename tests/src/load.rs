//! A cheap load generator: keep-alive connections, one request at a time on each, answers measured and
//! thrown away.

// It measures real time; nothing of the product depends on what it reads.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What one run sends.
#[derive(Clone, Debug)]
pub struct Load {
    pub authority: String,
    /// Complete requests, head and body; connection `n` sends the `n`th, modulo their number.
    pub requests: Vec<Vec<u8>>,
    pub connections: usize,
    pub until: Until,
}

#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// So long.
    Time(Duration),
    /// So many requests on each connection.
    Requests(usize),
}

impl Until {
    fn is_over(self, start: Instant, requests: usize) -> bool {
        match self {
            Self::Time(duration) => start.elapsed() >= duration,
            Self::Requests(number) => requests >= number,
        }
    }
}

/// What came back. Latencies are in microseconds, unsorted.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub elapsed: Duration,
    pub latencies_us: Vec<u32>,
    /// Until the first byte of the body.
    pub first_byte_us: Vec<u32>,
    /// Answers other than 200, and broken connections.
    pub failures: usize,
    /// The first failure's head, to show what went wrong.
    pub first_failure: Option<String>,
}

impl Measured {
    pub fn add(&mut self, other: Self) {
        self.elapsed += other.elapsed;
        self.add_samples(other);
    }

    fn add_samples(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.first_byte_us.extend(other.first_byte_us);
        self.failures += other.failures;
        if self.first_failure.is_none() {
            self.first_failure = other.first_failure;
        }
    }

    pub fn requests(&self) -> usize {
        self.latencies_us.len()
    }

    pub fn per_second(&self) -> f64 {
        self.requests() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// The `share` (0.5 is the median) of the samples, 0 when there are none.
pub fn percentile(samples: &mut [u32], share: f64) -> u32 {
    if samples.is_empty() {
        return 0;
    }
    samples.sort_unstable();
    let last = samples.len() - 1;
    samples[((last as f64) * share).round() as usize]
}

/// Writes a POST of `body` with these header lines.
pub fn post(authority: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n{extra}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Runs the load to its end; requests under way when the time is up are completed and counted.
pub async fn run(load: &Load) -> Measured {
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..load.connections {
        let request = load.requests[index % load.requests.len()].clone();
        tasks.spawn(one_connection(load.authority.clone(), request, start, load.until));
    }
    let mut measured = Measured::default();
    while let Some(part) = tasks.join_next().await {
        measured.add_samples(part.expect("a connection's task"));
    }
    measured.elapsed = start.elapsed();
    measured
}

async fn one_connection(authority: String, request: Vec<u8>, begun: Instant, until: Until) -> Measured {
    let mut measured = Measured::default();
    let mut received = Vec::with_capacity(32 * 1024);
    let is_over = |measured: &Measured| until.is_over(begun, measured.requests() + measured.failures);
    while !is_over(&measured) {
        let Ok(mut stream) = TcpStream::connect(&authority).await else {
            measured.failures += 1;
            return measured;
        };
        let _ = stream.set_nodelay(true);
        while !is_over(&measured) {
            let start = Instant::now();
            match exchange(&mut stream, &request, &mut received).await {
                Ok(first_byte) => {
                    measured.latencies_us.push(micros(start.elapsed()));
                    measured.first_byte_us.push(micros(first_byte - start));
                }
                Err(failure) => {
                    measured.failures += 1;
                    measured.first_failure.get_or_insert(failure);
                    break;
                }
            }
        }
    }
    measured
}

/// One request and its whole answer; when the first byte of the body came. An answer other than 200, or none,
/// is an error.
async fn exchange(stream: &mut TcpStream, request: &[u8], received: &mut Vec<u8>) -> Result<Instant, String> {
    stream.write_all(request).await.map_err(|error| error.to_string())?;
    received.clear();
    let mut head = None;
    let mut first_byte = None;
    loop {
        if stream.read_buf(received).await.map_err(|error| error.to_string())? == 0 {
            return Err(format!("closed after {}", String::from_utf8_lossy(received)));
        }
        if head.is_none() {
            head = parse_head(received)?;
        }
        let Some((body, length)) = head else { continue };
        if received.len() > body {
            first_byte.get_or_insert_with(Instant::now);
        }
        let complete = match length {
            Some(length) => received.len() >= body + length,
            None => received[body..].ends_with(b"0\r\n\r\n"),
        };
        if complete {
            return Ok(first_byte.unwrap_or_else(Instant::now));
        }
    }
}

type Head = (usize, Option<usize>);

/// Where the body starts and its length; no length means chunked.
fn parse_head(received: &[u8]) -> Result<Option<Head>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut head = httparse::Response::new(&mut headers);
    let status = head.parse(received).map_err(|error| error.to_string())?;
    let httparse::Status::Complete(body) = status else { return Ok(None) };
    if head.code != Some(200) {
        return Err(String::from_utf8_lossy(received).into_owned());
    }
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    Ok(Some((body, length)))
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
