//! From the host's request to ours, and from our response to the host's.

use crate::executor::{self, Tasks, sleep};
use crate::outgoing_body::Writer;
use crate::spin_platform::{SpinPlatform, fill_randomly, wall_clock_now};
use crate::upstream_wasi_http::{read, read_headers, write_headers};
use crate::{delivery, state_rows, test_hooks};
use bytes::{Bytes, BytesMut};
use core::cell::RefCell;
use core::pin::pin;
use core::time::Duration;
use domain::identity::RequestId;
use futures_util::future::{Either, select};
use futures_util::stream::{self, LocalBoxStream};
use futures_util::{FutureExt, StreamExt};
use http::{HeaderMap, Request, Response, Uri};
use http_api::{Problem, ProblemShape};
use platform::{Body, StreamError};
use spin_sdk::http::{Fields, IncomingRequest, Method, OutgoingResponse, ResponseOutparam};

/// How often a silent stream is asked whether its caller is still there: the host tells nobody.
const LOOK_EVERY: Duration = Duration::from_millis(500);

std::thread_local! {
    /// Whom to answer, until somebody has.
    static UNANSWERED: RefCell<Option<ResponseOutparam>> = const { RefCell::new(None) };
}

type Chunks = LocalBoxStream<'static, Result<Bytes, StreamError>>;

/// Runs `handle` on the request, sends what it answers, and finishes what is left to do: tasks, then deliveries. Of a
/// body a byte more than `body_bytes_max` is read, so that it is seen to be too long.
pub fn serve(
    request: IncomingRequest,
    answer_to: ResponseOutparam,
    body_bytes_max: usize,
    handle: impl AsyncFnOnce(&SpinPlatform, Request<Bytes>) -> Response<Body>,
) {
    init_log();
    UNANSWERED.set(Some(answer_to));
    std::panic::set_hook(Box::new(answer_for_the_dead));
    let tasks = Tasks::default();
    executor::run(async {
        let platform = SpinPlatform::new(tasks.clone()).await;
        let answered = async {
            let response = match incoming(request, body_bytes_max).await {
                Some(request) => match test_hooks::answer(&platform, request.uri()).await {
                    Some(answer) => answer,
                    None => handle(&platform, request).await,
                },
                None => unreadable(),
            };
            respond(response, |body| body.into_stream(&platform)).await;
        };
        tasks.run_beside(answered).await;
        tasks.run_beside(delivery::deliver_waiting(&platform)).await;
    });
}

async fn incoming(request: IncomingRequest, body_bytes_max: usize) -> Option<Request<Bytes>> {
    let mut ours = Request::new(Bytes::new());
    *ours.method_mut() = match request.method() {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
        Method::Head => http::Method::HEAD,
        Method::Options => http::Method::OPTIONS,
        Method::Connect => http::Method::CONNECT,
        Method::Trace => http::Method::TRACE,
        Method::Other(name) => http::Method::from_bytes(name.as_bytes()).ok()?,
    };
    *ours.uri_mut() = uri(&request.path_with_query().unwrap_or_default())?;
    *ours.headers_mut() = read_headers(request.headers().entries());
    *ours.body_mut() = body(&request, body_bytes_max).await?;
    Some(ours)
}

/// On the shared listener every function's health has its own path, such as `/billing/health`.
fn uri(path_with_query: &str) -> Option<Uri> {
    let path = path_with_query.split('?').next().unwrap_or_default();
    match path.strip_suffix("/health") {
        Some("/billing" | "/admin" | "/webhooks" | "/cron") => Some(Uri::from_static("/health")),
        _ => path_with_query.parse().ok(),
    }
}

async fn body(request: &IncomingRequest, max: usize) -> Option<Bytes> {
    let body = request.consume().ok()?;
    let stream = body.stream().ok()?;
    let mut all = BytesMut::new();
    while let Some(chunk) = read(&stream).await.ok()? {
        all.extend_from_slice(&chunk);
        if all.len() > max {
            all.truncate(max + 1);
            break;
        }
    }
    Some(all.freeze())
}

fn unreadable() -> Response<Body> {
    let message = "The request's body cannot be read to its end. Send it again.";
    Problem::bad_request("unreadable_body", message).render(ProblemShape::OpenAi)
}

/// A panic ends the instance: the host rolls back what was not committed, and would tell the caller nothing but that the
/// component failed.
fn answer_for_the_dead(panic: &std::panic::PanicHookInfo<'_>) {
    eprintln!("ERROR {panic}");
    let problem = if state_rows::is_deciding() { Problem::ledger_unavailable() } else { Problem::internal() };
    let mut random = [0; 10];
    fill_randomly(&mut random);
    let id = RequestId::new(wall_clock_now(), &random);
    let response = http_api::finish(id, ProblemShape::OpenAi, Err::<Response<Body>, Problem>(problem));
    // Nothing of it waits: the body is smaller than what the host takes at once.
    let _ = respond(response, |_| stream::empty().boxed_local()).now_or_never();
}

async fn respond(response: Response<Body>, streamed: impl FnOnce(Body) -> Chunks) {
    let Some(answer_to) = UNANSWERED.take() else { return };
    let (parts, body) = response.into_parts();
    let outgoing = OutgoingResponse::new(fields(&parts.headers, &body));
    // From 100 to 599, as the type guarantees nearly.
    let _ = outgoing.set_status_code(parts.status.as_u16());
    let writer = Writer::new(outgoing.body().expect("nobody else takes the body"));
    answer_to.set(outgoing);
    match body {
        Body::Full(bytes) => {
            // Who left has no use for the rest.
            if writer.write(&bytes).await.is_ok() {
                writer.finish();
            }
        }
        body => pump(streamed(body), writer).await,
    }
}

fn fields(headers: &HeaderMap, body: &Body) -> Fields {
    let mut headers = write_headers(headers);
    if let Body::Full(bytes) = body
        && !headers.iter().any(|(name, _)| name == "content-length")
    {
        headers.push(("content-length".into(), bytes.len().to_string().into()));
    }
    Fields::from_list(&headers).unwrap_or_else(|error| {
        log::error!("the answer's headers are refused: {error}");
        Fields::new()
    })
}

/// Writes the stream out. When the caller has left, the stream is dropped, which cancels its source.
async fn pump(mut stream: Chunks, writer: Writer) {
    loop {
        let next = match select(stream.next(), pin!(left(&writer))).await {
            Either::Left((next, _)) => next,
            Either::Right(_) => return,
        };
        match next {
            Some(Ok(chunk)) if writer.write(&chunk).await.is_err() => return,
            Some(Ok(_)) => {}
            // Not finished: the caller sees that it broke off.
            Some(Err(_)) => return,
            None => break,
        }
    }
    // The source is let go of before anything else.
    drop(stream);
    writer.finish();
}

/// Ends when the caller is seen to be gone.
async fn left(writer: &Writer) {
    loop {
        sleep(LOOK_EVERY).await;
        if writer.has_left() {
            return;
        }
    }
}

/// The host keeps what is written to standard error.
struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!("{} {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

fn init_log() {
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

/// Exports what the host calls: `front_door!(crate::handle)`.
#[macro_export]
macro_rules! front_door {
    ($handle:path) => {
        #[::spin_sdk::http_component]
        fn door(request: ::spin_sdk::http::IncomingRequest, answer_to: ::spin_sdk::http::ResponseOutparam) {
            $crate::serve(request, answer_to, ::http_api::BODY_BYTES_MAX, async |platform, request| {
                $handle(platform, request).await
            });
        }
    };
}
