//! The HTTP side of the scripted provider.

use super::calls::Answering;
use super::{Completion, Reply, Shared};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

pub(super) struct Running {
    pub(super) port: u16,
    /// Set to false to close the port, to true to open it again.
    pub(super) open: watch::Sender<bool>,
    pub(super) listening: watch::Receiver<bool>,
}

pub(super) fn start(shared: Arc<Shared>) -> Running {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    socket.set_nonblocking(true).expect("a non-blocking socket");
    let port = socket.local_addr().expect("a bound socket").port();
    let (open, wanted) = watch::channel(true);
    let (state, listening) = watch::channel(true);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(socket).expect("a listening socket");
            serve(listener, port, shared, wanted, state).await;
        });
    });
    Running { port, open, listening }
}

/// Opens and closes the port as `wanted` says, and reports it in `state`.
async fn serve(
    mut listener: TcpListener,
    port: u16,
    shared: Arc<Shared>,
    mut wanted: watch::Receiver<bool>,
    state: watch::Sender<bool>,
) {
    loop {
        accept_until_closed(&listener, &shared, &mut wanted).await;
        drop(listener);
        state.send_replace(false);
        if wanted.wait_for(|&open| open).await.is_err() {
            return;
        }
        listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the same port again");
        state.send_replace(true);
    }
}

async fn accept_until_closed(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    wanted: &mut watch::Receiver<bool>,
) {
    let closing = wanted.clone();
    loop {
        tokio::select! {
            _ = wanted.wait_for(|&open| !open) => return,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(connection(stream, shared.clone(), closing.clone()));
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, mut wanted: watch::Receiver<bool>) {
    // A piece must not wait for the one after it.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request| answer(request, shared.clone()));
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error here is the caller leaving, or a scripted break: both are recorded where they happen.
        _ = serving => {}
        _ = wanted.wait_for(|&open| !open) => {}
    }
}

type Answer = Response<Either<Full<Bytes>, Pieces>>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Answer, std::io::Error> {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let (answering, model, body) = shared.calls.record(head.uri.path().to_owned(), head.headers, bytes);
    match shared.reply_for(&model) {
        Reply::Completion(completion) if body["stream"] == true => {
            streamed(completion, model, &body, answering).await
        }
        Reply::Completion(completion) => unstreamed(completion, &model, answering).await,
        Reply::Exactly { status, headers, body } => {
            answering.complete();
            let is_typed = headers.iter().any(|(name, _)| *name == "content-type");
            let json = (!is_typed).then(|| ("content-type", "application/json".to_owned()));
            let with_headers = json
                .into_iter()
                .chain(headers)
                .fold(Response::builder().status(status), |response, (name, value)| {
                    response.header(name, value)
                });
            Ok(with_headers.body(Either::Left(Full::from(body))).expect("a valid scripted answer"))
        }
        Reply::Silence => {
            std::future::pending::<()>().await;
            drop(answering);
            Err(std::io::Error::other("never reached"))
        }
        Reply::HangUp => {
            answering.complete();
            Err(std::io::Error::other("scripted hang-up"))
        }
    }
}

async fn unstreamed(
    completion: Completion,
    model: &str,
    answering: Answering,
) -> Result<Answer, std::io::Error> {
    if let Some(gate) = &completion.before_head {
        gate.pass().await;
    }
    let body = completion.unstreamed(model).to_string();
    answering.complete();
    let response = Response::builder().header("content-type", "application/json");
    if completion.ending == super::Ending::Cut {
        let (sender, pieces) = mpsc::channel(2);
        let half = Bytes::from(body[..body.len() / 2].to_owned());
        let _ = sender.send(Ok(half)).await;
        let _ = sender.send(Err(std::io::Error::other("scripted break"))).await;
        return Ok(response.body(Either::Right(Pieces(pieces))).expect("a valid answer"));
    }
    Ok(response.body(Either::Left(Full::from(body))).expect("a valid answer"))
}

async fn streamed(
    completion: Completion,
    model: String,
    body: &Value,
    answering: Answering,
) -> Result<Answer, std::io::Error> {
    if let Some(gate) = &completion.before_head {
        gate.pass().await;
    }
    let include_usage = body["stream_options"]["include_usage"] == true;
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(send_pieces(completion, model, include_usage, sender, answering));
    let response = Response::builder().header("content-type", "text/event-stream");
    Ok(response.body(Either::Right(Pieces(pieces))).expect("a valid answer"))
}

type PieceSender = mpsc::Sender<Result<Bytes, std::io::Error>>;

/// Returning before `complete`, as when the caller has gone, records the call as cancelled.
async fn send_pieces(
    completion: Completion,
    model: String,
    include_usage: bool,
    sender: PieceSender,
    answering: Answering,
) {
    for index in 0..completion.pieces.len() {
        let event = completion.piece_event(&model, index, include_usage);
        if !turn(&completion, &sender).await || sender.send(Ok(event.into())).await.is_err() {
            return;
        }
        answering.piece_sent();
    }
    if !turn(&completion, &sender).await {
        return;
    }
    let last = match completion.end_events(&model, include_usage) {
        Some(events) if events.is_empty() => return answering.complete(),
        Some(events) => Ok(events.into()),
        None => {
            // The connection writes out what it has when it finds nothing more to take: let it look first.
            tokio::task::yield_now().await;
            Err(std::io::Error::other("scripted break"))
        }
    };
    if sender.send(last).await.is_ok() {
        answering.complete();
    }
}

/// Waits for the gate, if there is one; false when the caller has left meanwhile.
async fn turn(completion: &Completion, sender: &PieceSender) -> bool {
    let Some(gate) = &completion.before_pieces else { return !sender.is_closed() };
    tokio::select! {
        biased;
        () = sender.closed() => false,
        () = gate.pass() => true,
    }
}

/// A chunked body fed piece by piece; an error breaks the connection.
struct Pieces(mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
