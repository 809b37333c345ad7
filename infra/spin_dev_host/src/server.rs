//! The listener: every request to the component of its route.

use crate::instance::Ready;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use local_host::protocol::{self, Host};
use local_host::readiness::Readiness;
use local_host::routes::longest;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// Where a scheduler asks for a run.
const CRON_PATH: &str = "/cron/run";

pub struct Server {
    pub components: BTreeMap<String, Ready>,
    pub routes: Vec<(String, String)>,
    /// The directory's database, if there are routes for developers.
    pub dev_routes: Option<PathBuf>,
    pub cron_secret: String,
    pub readiness: Readiness,
}

impl Server {
    pub async fn listen(self: Arc<Self>, listener: TcpListener) {
        loop {
            // A connection that could not be accepted is its caller's to repeat.
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(self.clone().serve(stream));
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let service = hyper::service::service_fn(|request| {
            let server = self.clone();
            async move { Ok::<_, std::convert::Infallible>(server.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        // A client that leaves ends it with an error, which is its own business.
        let _ = connection.await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<HyperOutgoingBody> {
        if let Some(answer) = self.answer_developer(&request).await {
            return answer;
        }
        let path = request.uri().path().to_owned();
        if let Some(refusal) = self.readiness.refusal(&path) {
            return plain(StatusCode::SERVICE_UNAVAILABLE, &refusal.to_string());
        }
        let Some(component) = self.component_of(&path) else {
            return plain(StatusCode::NOT_FOUND, "no component has this route");
        };
        match component.answer(request).await {
            Ok(answer) => answer,
            Err(error) => {
                eprintln!("{path}: {error:#}");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the component failed")
            }
        }
    }

    fn component_of(&self, path: &str) -> Option<&Ready> {
        let routes = self.routes.iter().map(|(route, component)| (route.as_str(), component));
        self.components.get(longest(routes, path)?)
    }

    async fn answer_developer(&self, request: &Request<Incoming>) -> Option<Response<HyperOutgoingBody>> {
        let (method, path) = (request.method().as_str(), request.uri().path());
        let answer = protocol::answer_developer(self, self.dev_routes.as_ref()?, method, path).await?;
        Some(match answer {
            Ok(answer) => plain(StatusCode::OK, &answer.to_string()),
            Err(error) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                &serde_json::json!({ "error": format!("{error:#}") }).to_string(),
            ),
        })
    }
}

impl Host for Server {
    fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Asks for a scheduled run, as a scheduler would.
    async fn trigger_cron(&self) -> Result<()> {
        let component =
            self.component_of(CRON_PATH).context("no component has the route of the scheduler")?;
        let request = Request::post(format!("http://localhost{CRON_PATH}"))
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", self.cron_secret))
            .body(Full::new(Bytes::new()).map_err(|never| -> wasmtime_wasi_http::Error { match never {} }))?;
        let answer = component.answer(request).await?;
        let status = answer.status();
        let body =
            answer.into_body().collect().await.map_err(|error| anyhow::anyhow!("{error:?}"))?.to_bytes();
        if !status.is_success() {
            bail!("the scheduled run answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }
}

fn plain(status: StatusCode, text: &str) -> Response<HyperOutgoingBody> {
    let body =
        Full::new(Bytes::copy_from_slice(text.as_bytes())).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
