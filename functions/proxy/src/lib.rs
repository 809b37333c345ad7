//! Model traffic: every call is paid from a hard budget before it leaves.
//!
//! | route | does |
//! |---|---|
//! | `POST /v1/chat/completions` | a chat call, streamed or not |
//! | `POST /v1/messages` | the same in Anthropic's format |
//! | `POST /v1/messages/count_tokens` | an estimate of a request's tokens |
//! | `GET /v1/models` | the models that the caller's tenant has |
//! | `GET /v1/models/{id}` | one of them |
//! | `GET /v1/budget` | the caller's live budget |
//! | `GET /v1/usage/{request-id}` | what one call used and cost |
//! | `GET /health` | whether the function runs |

mod admission;
mod answering;
mod call;
mod caller;
mod directory;
mod ledger;
mod relay;
mod routes;
mod upstream;

#[cfg(target_os = "wasi")]
mod on_spin;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod on_workers;

use bytes::Bytes;
use core::cell::Cell;
use domain::identity::RequestId;
use http::{Method, Request, Response};
use http_api::{Problem, ProblemShape};
use platform::{Body, Platform};

pub async fn handle(platform: &impl Platform, request: Request<Bytes>) -> Response<Body> {
    // A call may be booked under another id than its first.
    let request_id = Cell::new(http_api::new_request_id(platform));
    let answer = route(platform, &request, &request_id).await;
    http_api::finish(request_id.get(), shape_of(request.uri().path()), answer)
}

/// Who speaks Anthropic's format reads errors in it.
fn shape_of(path: &str) -> ProblemShape {
    match path.strip_prefix("/v1/messages") {
        Some("" | "/count_tokens") => ProblemShape::Anthropic,
        _ => ProblemShape::OpenAi,
    }
}

async fn route(
    platform: &impl Platform,
    request: &Request<Bytes>,
    request_id: &Cell<RequestId>,
) -> Result<Response<Body>, Problem> {
    let path = request.uri().path();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method(), segments.as_slice()) {
        (&Method::POST, ["v1", "chat", "completions"]) => {
            routes::chat::completions::create(platform, request, request_id).await
        }
        (&Method::POST, ["v1", "messages"]) => {
            routes::messages::create::create(platform, request, request_id).await
        }
        (&Method::POST, ["v1", "messages", "count_tokens"]) => {
            routes::messages::count_tokens::count(platform, request).await
        }
        (&Method::GET, ["v1", "models"]) => routes::models::list::list(platform, request).await,
        // A model's name may contain slashes, plain or escaped.
        (&Method::GET, ["v1", "models", ..]) => {
            routes::models::get::get(platform, request, &path["/v1/models/".len()..]).await
        }
        (&Method::GET, ["v1", "budget"]) => routes::budget::get::get(platform, request).await,
        (&Method::GET, ["v1", "usage", id]) => routes::usage::get::get(platform, request, id).await,
        (&Method::GET, ["health"]) => Ok(http_api::healthy("proxy")),
        (method, _) => Err(Problem::no_such_route(method, path)),
    }
}
