//! The listener: requests to the functions, and those of developers and tests.

use crate::front_door::{self, Outgoing, whole};
use crate::native_platform::NativePlatform;
use anyhow::{Result, anyhow};
use bytes::Bytes;
use core::panic::AssertUnwindSafe;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use local_host::protocol::{self, Host};
use local_host::readiness::Readiness;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::rc::Rc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

/// The only schedule there is (`infra/workers/cron-reset/wrangler.jsonc`).
const SCHEDULE: &str = "* * * * *";

pub struct Server {
    pub platform: NativePlatform,
    /// The directory's database, if there are routes for developers.
    pub dev_routes: Option<PathBuf>,
    pub test_hooks: bool,
    pub readiness: Readiness,
}

impl Server {
    pub async fn listen(self: Rc<Self>, listener: TcpListener) {
        loop {
            // A connection that could not be accepted is its caller's to repeat.
            let Ok((stream, _)) = listener.accept().await else { continue };
            spawn_local(self.clone().serve(stream));
        }
    }

    async fn serve(self: Rc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let service = hyper::service::service_fn(|request| {
            let server = self.clone();
            async move { Ok::<_, core::convert::Infallible>(server.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        // A client that leaves ends it with an error, which is its own business.
        let _ = connection.await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Outgoing> {
        if self.test_hooks
            && let Some(answer) = self.answer_test(request.uri())
        {
            return json(StatusCode::OK, &answer);
        }
        if let Some(refusal) = self.readiness.refusal(request.uri().path()) {
            return json(StatusCode::SERVICE_UNAVAILABLE, &refusal);
        }
        match self.answer_developer(&request).await {
            Some(Ok(answer)) => json(StatusCode::OK, &answer),
            Some(Err(error)) => {
                json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": format!("{error:#}") }))
            }
            None => front_door::answer(&self.platform, request).await,
        }
    }

    async fn answer_developer(&self, request: &Request<Incoming>) -> Option<Result<Value>> {
        let (method, path) = (request.method().as_str(), request.uri().path());
        protocol::answer_developer(self, self.dev_routes.as_ref()?, method, path).await
    }

    /// Answers requests under `/__test/`.
    fn answer_test(&self, uri: &Uri) -> Option<Value> {
        let query = uri.query().unwrap_or_default();
        let parameter =
            |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        match uri.path().strip_prefix("/__test/")? {
            "clock" => {
                let offset = parameter("offset_ms").and_then(|value| value.parse().ok()).unwrap_or(0);
                self.platform.hooks().set_clock_offset(offset);
                self.platform.alarms().ring_all();
            }
            "fault" => {
                self.platform.hooks().set_fault(parameter("account").unwrap_or_default(), parameter("fault"));
            }
            "rows" => {}
            _ => return None,
        }
        Some(json!({ "rows_written": self.platform.room().rows_written() }))
    }
}

impl Host for Server {
    fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    async fn trigger_cron(&self) -> Result<()> {
        let run = AssertUnwindSafe(cron_reset::scheduled(&self.platform, SCHEDULE)).catch_unwind();
        run.await.map(|_| ()).map_err(|_| anyhow!("the scheduled run panicked; see the log"))
    }
}

fn json(status: StatusCode, value: &Value) -> Response<Outgoing> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    *response.status_mut() = status;
    whole(response)
}
