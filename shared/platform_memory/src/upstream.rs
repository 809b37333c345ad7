//! An upstream that answers as scripted and remembers what it was asked.

use crate::MemoryPlatform;
use bytes::Bytes;
use core::cell::{Cell, RefCell};
use core::future::pending;
use futures_util::stream::{self, LocalBoxStream, StreamExt};
use http::{HeaderName, HeaderValue, Request, Response};
use platform::{Body, PlatformError, StreamError, Upstream};
use std::collections::VecDeque;
use std::rc::Rc;

/// What the upstream does with one request.
pub enum Answer {
    Respond(Response<Body>),
    /// A streamed body, chunk by chunk, and how it ends.
    Stream(Response<()>, Vec<Bytes>, Ending),
    /// No response: refused, reset, unknown host.
    Fail(PlatformError),
    /// Never a status line.
    Hang,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Clean,
    /// The connection breaks after the last chunk.
    Broken,
    /// Nothing more comes, not even an end.
    Hang,
}

type Script = dyn Fn(&Request<Bytes>) -> Answer;

#[derive(Default)]
pub(crate) struct Scripted {
    queue: RefCell<VecDeque<Answer>>,
    otherwise: RefCell<Option<Rc<Script>>>,
    requests: RefCell<Vec<Request<Bytes>>>,
    cancelled: Rc<Cell<usize>>,
}

impl Answer {
    /// # Panics
    /// If `status` is no HTTP status.
    pub fn text(status: u16, body: &str) -> Self {
        let body = Body::Full(Bytes::copy_from_slice(body.as_bytes()));
        Self::Respond(Response::builder().status(status).body(body).expect("a valid status"))
    }

    /// # Panics
    /// If `status` is no HTTP status.
    pub fn json(status: u16, body: &str) -> Self {
        Self::text(status, body).header("content-type", "application/json")
    }

    /// Server-sent events with status 200.
    pub fn sse<C: AsRef<[u8]>>(chunks: impl IntoIterator<Item = C>, ending: Ending) -> Self {
        let chunks = chunks.into_iter().map(|chunk| Bytes::copy_from_slice(chunk.as_ref())).collect();
        Self::Stream(Response::new(()), chunks, ending).header("content-type", "text/event-stream")
    }

    /// # Panics
    /// If the answer has no headers, or the name or value is no valid header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let headers = match &mut self {
            Self::Respond(response) => response.headers_mut(),
            Self::Stream(response, ..) => response.headers_mut(),
            Self::Fail(_) | Self::Hang => panic!("an answer without a response has no headers"),
        };
        headers
            .insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header's value"));
        self
    }
}

impl MemoryPlatform {
    /// Queues an answer; each is used once, before the closure of [`Self::answer_with`] is asked.
    pub fn answer_next(&self, answer: Answer) {
        self.0.upstream.queue.borrow_mut().push_back(answer);
    }

    /// Answers whatever no queued answer is left for. Without it, such a request fails.
    pub fn answer_with(&self, script: impl Fn(&Request<Bytes>) -> Answer + 'static) {
        *self.0.upstream.otherwise.borrow_mut() = Some(Rc::new(script));
    }

    /// Every request so far, whatever became of it.
    pub fn upstream_requests(&self) -> Vec<Request<Bytes>> {
        self.0.upstream.requests.borrow().clone()
    }

    pub fn upstream_calls(&self) -> usize {
        self.0.upstream.requests.borrow().len()
    }

    /// How many requests were given up by us before their answer had ended.
    pub fn upstream_cancelled(&self) -> usize {
        self.0.upstream.cancelled.get()
    }
}

impl Upstream for MemoryPlatform {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
        let question = self.ask().await?;
        let upstream = &self.0.upstream;
        let queued = upstream.queue.borrow_mut().pop_front();
        // Not borrowed while it runs: a script may change itself.
        let script = upstream.otherwise.borrow().clone();
        let answer = queued.or_else(|| script.map(|script| script(&request)));
        upstream.requests.borrow_mut().push(request);
        let open = OpenCall { cancelled: upstream.cancelled.clone(), ended: false };
        let response = answer_as_scripted(answer, open).await?;
        question.answer(response)
    }
}

async fn answer_as_scripted(answer: Option<Answer>, open: OpenCall) -> Result<Response<Body>, PlatformError> {
    match answer {
        Some(Answer::Respond(response)) => {
            open.end();
            Ok(response)
        }
        Some(Answer::Stream(head, chunks, ending)) => {
            Ok(head.map(|()| Body::stream(body(open, chunks, ending))))
        }
        Some(Answer::Fail(error)) => {
            open.end();
            Err(error)
        }
        Some(Answer::Hang) => {
            let _open = open;
            pending().await
        }
        None => {
            open.end();
            Err(PlatformError::unavailable("the test scripted no answer"))
        }
    }
}

/// Counts a call as cancelled if it is dropped before its end.
struct OpenCall {
    cancelled: Rc<Cell<usize>>,
    ended: bool,
}

impl OpenCall {
    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if !self.ended {
            self.cancelled.set(self.cancelled.get() + 1);
        }
    }
}

fn body(
    open: OpenCall,
    chunks: Vec<Bytes>,
    ending: Ending,
) -> LocalBoxStream<'static, Result<Bytes, StreamError>> {
    let state = (Some(open), VecDeque::from(chunks));
    stream::unfold(state, move |(open, mut chunks)| async move {
        // Without an open call, the end was already told.
        let call = open?;
        if let Some(chunk) = chunks.pop_front() {
            return Some((Ok(chunk), (Some(call), chunks)));
        }
        match ending {
            Ending::Clean => {
                call.end();
                None
            }
            Ending::Broken => {
                call.end();
                Some((Err(StreamError::Broken("reset by the script".into())), (None, chunks)))
            }
            Ending::Hang => {
                let _call = call;
                pending().await
            }
        }
    })
    .boxed_local()
}
