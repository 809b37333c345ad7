//! One component, ready to answer, and its instances: a fresh one for each request.

use crate::manifest::Granted;
use crate::with_caller::WithCaller;
use crate::{compiled, interfaces};
use anyhow::{Context, Result, anyhow};
use domain::destination::{Destination, Scheme as UriScheme};
use domain::outbound_hosts::OutboundHosts;
use http::uri::Authority;
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Instances at the same time; more requests wait.
const INSTANCES_MAX: u32 = 2_000;
/// The modules that one component consists of, at most.
const MODULES_MAX: u32 = 8;
const MEMORY_BYTES_MAX: usize = 256 << 20;

pub fn engine() -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * MODULES_MAX)
        .total_memories(INSTANCES_MAX)
        .total_tables(INSTANCES_MAX * MODULES_MAX)
        .total_stacks(INSTANCES_MAX)
        .max_memory_size(MEMORY_BYTES_MAX)
        .linear_memory_keep_resident(1 << 20);
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    // Addresses are free up to here; guards do the rest.
    config.memory_reservation(MEMORY_BYTES_MAX as u64);
    Ok(Engine::new(&config)?)
}

/// What a component may use.
pub struct App {
    pub granted: Granted,
    pub hosts: OutboundHosts,
    /// Where databases are.
    pub folder: PathBuf,
    /// Whether an instance ends as soon as its answer's body is sent or its caller gone.
    pub ends_with_caller: bool,
}

impl App {
    pub fn database_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.db"))
    }

    /// Whether the address is within the component's `allowed_outbound_hosts`; or why not.
    fn may_call(&self, uri: &Uri) -> Result<(), String> {
        let scheme = UriScheme::parse(uri.scheme_str().unwrap_or("https"));
        let authority = uri.authority().map_or("", Authority::as_str);
        let destination = scheme.and_then(|scheme| Destination::of_authority(scheme, authority));
        let destination = destination.ok_or_else(|| format!("`{authority}` leads nowhere"))?;
        self.hosts.allows(&destination).map_err(|outside| outside.to_string())
    }
}

#[derive(Clone)]
pub struct Ready {
    app: Arc<App>,
    pre: ProxyPre<Instance>,
    room: Arc<Semaphore>,
}

pub struct Instance {
    pub app: Arc<App>,
    pub table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
}

impl Ready {
    pub fn new(engine: &Engine, app: App, room: Arc<Semaphore>) -> Result<Self> {
        let wasm = &app.granted.wasm;
        let compiled = compiled::load(engine, wasm)?;
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        interfaces::add_to_linker(&mut linker)?;
        let pre = ProxyPre::new(
            linker.instantiate_pre(&compiled).map_err(|error| anyhow!("{}: {error:#}", wasm.display()))?,
        )?;
        Ok(Self { app: Arc::new(app), pre, room })
    }

    pub fn room() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(INSTANCES_MAX as usize))
    }

    fn instance(&self) -> Store<Instance> {
        let instance = Instance {
            app: self.app.clone(),
            table: ResourceTable::new(),
            wasi: WasiCtx::builder().inherit_stderr().build(),
            http: WasiHttpCtx::new(),
            outbound: Outbound(self.app.clone()),
        };
        Store::new(self.pre.engine(), instance)
    }

    /// The answer, as soon as its head is there. The instance goes on by itself until it is done, whatever becomes of
    /// the caller, as on the real runtime that was measured; or ends with it, if that was asked for.
    pub async fn answer<B>(&self, request: Request<B>) -> Result<Response<HyperOutgoingBody>>
    where
        B: Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<HttpError>,
    {
        let place = self.room.clone().acquire_owned().await?;
        let mut store = self.instance();
        let (sender, receiver) = oneshot::channel();
        let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
        let answer_to = store.data_mut().http().new_response_outparam(sender)?;
        let (pre, name) = (self.pre.clone(), self.app.granted.name.clone());
        let running = tokio::spawn(async move {
            let _place = place;
            let proxy = pre.instantiate_async(&mut store).await?;
            let result = proxy.wasi_http_incoming_handler().call_handle(&mut store, request, answer_to).await;
            // Logged here as well: after the head nobody else hears of it.
            result.inspect_err(|error| eprintln!("{name}: an instance trapped: {error:?}"))
        });
        match receiver.await {
            Ok(answer) => {
                let answer = answer.map_err(|code| anyhow!("{code:?}"))?;
                if !self.app.ends_with_caller {
                    return Ok(answer);
                }
                let instance = running.abort_handle();
                Ok(answer.map(|body| BodyExt::boxed_unsync(WithCaller::new(body, instance))))
            }
            Err(_) => {
                running.await?.map_err(|error| anyhow!("{error:#}"))?;
                Err(anyhow!("the component did not answer")).context(self.app.granted.name.clone())
            }
        }
    }
}

impl WasiView for Instance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Instance {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound }
    }
}

struct Outbound(Arc<App>);

type Sending = Box<dyn Future<Output = Result<(), HttpError>> + Send>;

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _done: Sending,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Sending), HttpError>> + Send> {
        if let Err(reason) = self.0.may_call(request.uri()) {
            eprintln!("{}: {reason}", self.0.granted.name);
            return Box::new(async { Err(HttpError::HttpRequestDenied) });
        }
        Box::new(async move {
            let (response, connection) = wasmtime_wasi_http::default_send_request(request, options).await?;
            let response = response.map(BodyExt::boxed_unsync);
            Ok((response, Box::new(connection) as Sending))
        })
    }
}
