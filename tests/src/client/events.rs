//! Server-sent events, as they arrive.

use super::{ClientError, Connection};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

/// A streamed answer. Dropping it closes the connection: the client leaves.
#[derive(Debug)]
pub struct EventStream {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    received: Vec<u8>,
    cost: Option<String>,
    _connection: Connection,
}

impl EventStream {
    pub(super) fn new(response: http::Response<Incoming>, connection: Connection) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
            received: Vec::new(),
            cost: None,
            _connection: connection,
        }
    }

    pub fn header(&self, name: &str) -> &str {
        super::header(&self.headers, name).unwrap_or_else(|| panic!("no {name} header: {}", self.status))
    }

    /// The next event's `data`, or `None` at the end of the body.
    pub async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.received.drain(..end + 2).collect();
                let event = String::from_utf8_lossy(&event);
                match event.strip_prefix(": cost_eur=") {
                    Some(cost) => self.cost = Some(cost.trim_end().to_owned()),
                    None => return Ok(Some(data_of(&event))),
                }
                continue;
            }
            match crate::within("the next event", self.body.frame()).await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.received.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(ClientError::Broken(error)),
                None => return Ok(None),
            }
        }
    }

    /// The next event as JSON; panics at the end, at `[DONE]` and at anything else.
    pub async fn next_json(&mut self) -> Value {
        let data = self.next().await.expect("an unbroken stream").expect("another event");
        serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"))
    }

    /// The text of the next chunk that has any.
    pub async fn next_text(&mut self) -> String {
        loop {
            let chunk = self.next_json().await;
            match chunk["choices"][0]["delta"]["content"].as_str() {
                Some(text) if !text.is_empty() => return text.to_owned(),
                _ => {}
            }
        }
    }

    /// Everything to the end of the body.
    pub async fn rest(mut self) -> Result<Events, ClientError> {
        let mut data = Vec::new();
        while let Some(event) = self.next().await? {
            data.push(event);
        }
        let unfinished = String::from_utf8_lossy(&self.received).into_owned();
        Ok(Events { data, cost: self.cost, unfinished })
    }
}

/// The events of a stream that has ended.
#[derive(Debug)]
pub struct Events {
    pub data: Vec<String>,
    /// As the comment at the end tells it.
    pub cost: Option<String>,
    /// Bytes after the last complete event; the whole body when it was no event stream at all.
    pub unfinished: String,
}

impl Events {
    pub fn is_done(&self) -> bool {
        self.data.last().is_some_and(|data| data == "[DONE]")
    }

    /// All events but `[DONE]`, as JSON.
    pub fn chunks(&self) -> Vec<Value> {
        let json =
            |data: &String| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
        self.data.iter().filter(|data| *data != "[DONE]").map(json).collect()
    }

    pub fn text(&self) -> String {
        self.chunks().iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
    }

    /// The usage object, if any chunk carries one.
    pub fn usage(&self) -> Option<Value> {
        self.chunks().into_iter().rev().map(|mut chunk| chunk["usage"].take()).find(|usage| !usage.is_null())
    }

    pub fn finish_reason(&self) -> Option<String> {
        let reason = |chunk: &Value| chunk["choices"][0]["finish_reason"].as_str().map(str::to_owned);
        self.chunks().iter().rev().find_map(reason)
    }
}

fn data_of(event: &str) -> String {
    let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}
