//! The boundary's traits on Workers, one handle per request.

use crate::host::{self, Context, D1, Deadlines, Env, Wait};
use crate::{database_d1, upstream_fetch};
use bytes::Bytes;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use domain::state_machine::StateMachine;
use domain::time::Timestamp;
use futures_util::future::{Either, LocalBoxFuture, select};
use http::{Request, Response};
use js_sys::{Promise, Uint8Array};
use platform::resident::{decode, encode};
use platform::{
    AtomicState, Background, Body, Clock, Database, PlatformError, Randomness, Row, Secret, Secrets,
    Statement, Timer, Upstream,
};
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};

/// An object that does not answer within this fails its caller: it may never answer.
const OBJECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct WorkersPlatform(Rc<Bindings>);

struct Bindings {
    env: Env,
    context: Option<Context>,
    deadlines: Deadlines,
}

impl WorkersPlatform {
    pub fn new(env: Env, context: Context) -> Self {
        Self::bound(env, Some(context))
    }

    /// Inside a Durable Object, which lives on without a request.
    pub fn of_object(env: Env) -> Self {
        Self::bound(env, None)
    }

    fn bound(env: Env, context: Option<Context>) -> Self {
        Self(Rc::new(Bindings { env, context, deadlines: host::new_deadlines() }))
    }

    fn binding(&self, name: &str) -> Result<JsValue, PlatformError> {
        let value = host::setting(&self.0.env, name);
        if value.is_undefined() { Err(PlatformError::not_configured(name)) } else { Ok(value) }
    }

    /// Where the object `name` may be stored: its home, unless the runtime has no jurisdictions.
    fn jurisdiction<'a>(&self, name: &'a str) -> &'a str {
        let off = host::setting(&self.0.env, "JURISDICTIONS").as_string().is_some_and(|value| value == "off");
        match name.split_once('-') {
            Some(("eu", _)) if !off => "eu",
            _ => "",
        }
    }
}

/// Which binding reaches the objects of a machine: `ACCOUNTS`, `TENANT_POOLS`.
fn binding_of<M: StateMachine>() -> String {
    format!("{}S", M::KIND.to_ascii_uppercase())
}

/// What an object answers, or why it does not.
async fn answer_of(name: &str, promise: Promise) -> Result<JsValue, PlatformError> {
    JsFuture::from(promise).await.map_err(|error| match host::text_of(&error) {
        text if text == "timed out" => PlatformError::timed_out(name),
        text => PlatformError::unavailable(format!("{name}: {text}")),
    })
}

impl Clock for WorkersPlatform {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(host::now() as i64)
    }
}

impl Timer for WorkersPlatform {
    async fn sleep(&self, duration: Duration) {
        let _ = JsFuture::from(host::sleep(duration.as_millis() as f64)).await;
    }

    async fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        // What is there already needs no deadline.
        if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
            return Some(done);
        }
        let started = host::start_wait(&self.0.deadlines, time.as_millis() as f64);
        let _wait = Waiting { deadlines: &self.0.deadlines, wait: started.get(0).unchecked_into() };
        let late = JsFuture::from(started.get(1).unchecked_into::<Promise>());
        match select(work, late).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

/// Ends with what it waits for.
struct Waiting<'a> {
    deadlines: &'a Deadlines,
    wait: Wait,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        host::end_wait(self.deadlines, &self.wait);
    }
}

impl Randomness for WorkersPlatform {
    fn fill(&self, bytes: &mut [u8]) {
        host::random(bytes);
    }
}

impl Secrets for WorkersPlatform {
    async fn secret(&self, name: &str) -> Result<Secret, PlatformError> {
        let value = self.binding(name)?;
        value.as_string().map(Secret::new).ok_or_else(|| PlatformError::not_configured(name))
    }
}

impl Upstream for WorkersPlatform {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
        upstream_fetch::send(request).await
    }
}

impl Database for WorkersPlatform {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, PlatformError> {
        let database: D1 = self.binding("DB")?.unchecked_into();
        database_d1::query(&database, statement).await
    }

    async fn commit(&self, statements: Vec<Statement>) -> Result<(), PlatformError> {
        let database: D1 = self.binding("DB")?.unchecked_into();
        database_d1::commit(&database, statements).await
    }
}

impl AtomicState for WorkersPlatform {
    async fn apply<M: StateMachine>(
        &self,
        name: &str,
        command: M::Command,
    ) -> Result<M::Reply, PlatformError> {
        let command = Uint8Array::from(encode(&command).as_slice());
        let timeout = OBJECT_TIMEOUT.as_millis() as f64;
        let (binding, jurisdiction) = (binding_of::<M>(), self.jurisdiction(name));
        let promise = host::apply_in_object(
            &self.0.env,
            &binding,
            jurisdiction,
            name,
            command,
            timeout,
            &self.0.deadlines,
        );
        let reply = answer_of(name, promise).await?;
        let bytes = reply
            .dyn_into::<Uint8Array>()
            .map_err(|_| PlatformError::malformed("the command is not understood"))?;
        decode(&bytes.to_vec()).map_err(|error| PlatformError::malformed(error.to_string()))
    }

    async fn deliver<M: StateMachine>(&self, name: &str) -> Result<(), PlatformError> {
        let timeout = OBJECT_TIMEOUT.as_millis() as f64;
        let (binding, jurisdiction) = (binding_of::<M>(), self.jurisdiction(name));
        let promise =
            host::deliver_in_object(&self.0.env, &binding, jurisdiction, name, timeout, &self.0.deadlines);
        answer_of(name, promise).await.map(|_| ())
    }
}

impl Background for WorkersPlatform {
    fn finish_later(&self, task: LocalBoxFuture<'static, ()>) {
        let promise = future_to_promise(async move {
            task.await;
            Ok(JsValue::UNDEFINED)
        });
        if let Some(context) = &self.0.context {
            host::wait_until(context, &promise);
        }
    }
}
