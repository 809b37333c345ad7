//! The boundary: everything a function may ask of its host, as traits whose comments are promises.
//!
//! Each host has a room that keeps them (`platform_workers`, `platform_spin`, `platform_memory`); nothing else names a
//! host. Every host is single-threaded per request, so nothing here is `Send`.

#![allow(async_fn_in_trait, reason = "no caller needs `Send`: every host runs a request on one thread")]

mod body;
mod database;
mod error;
mod header;
pub mod relay;
pub mod resident;
mod secret;

pub use body::{Body, Chunks, StreamError};
pub use database::{Row, Statement, Value};
pub use error::{PlatformError, PlatformErrorKind};
pub use header::header_value;
pub use secret::Secret;

use bytes::Bytes;
use core::pin::pin;
use core::time::Duration;
use domain::state_machine::StateMachine;
use domain::time::Timestamp;
use futures_util::future::{Either, LocalBoxFuture, select};
use http::{Request, Response};

pub trait Clock {
    fn now(&self) -> Timestamp;
}

/// For time-outs, backoff and racing an object that hangs.
pub trait Timer {
    async fn sleep(&self, duration: Duration);

    /// What `work` comes to; `None` when it takes too long, and then it is dropped.
    async fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        match select(pin!(work), pin!(self.sleep(time))).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

pub trait Randomness {
    /// Fills with bytes that nobody can predict.
    fn fill(&self, bytes: &mut [u8]);
}

pub trait Secrets {
    /// A secret, or an ordinary setting, by its name in the host's configuration.
    async fn secret(&self, name: &str) -> Result<Secret, PlatformError>;

    /// The same for what may be left out: `None` when it is absent or empty.
    async fn setting(&self, name: &str) -> Result<Option<Secret>, PlatformError> {
        match self.secret(name).await {
            Ok(value) => Ok(Some(value).filter(|value| !value.expose().is_empty())),
            Err(error) if error.kind == PlatformErrorKind::NotConfigured => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub trait Upstream {
    /// Sends and returns as soon as the status and headers are there. Dropping the body, or the
    /// future, cancels the request at the other side.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, PlatformError>;
}

pub trait Database {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, PlatformError>;
    /// All statements or none.
    async fn commit(&self, statements: Vec<Statement>) -> Result<(), PlatformError>;
}

pub trait AtomicState {
    /// Runs one step of the named machine. When this answers, the new state and its events are
    /// stored; when it fails, the step may or may not have taken effect, so repeat it under the same
    /// operation id. Fails after a bounded wait, also if the machine hangs.
    async fn apply<M: StateMachine>(
        &self,
        name: &str,
        command: M::Command,
    ) -> Result<M::Reply, PlatformError>;

    /// Ends what is due in the named machine, and delivers now what waits in its outbox. Safe to repeat.
    async fn deliver<M: StateMachine>(&self, name: &str) -> Result<(), PlatformError>;
}

pub trait Background {
    /// Runs `task` to its end after the response, also if the caller is gone. A host that dies loses it.
    fn finish_later(&self, task: LocalBoxFuture<'static, ()>);
}

/// All of the above. Cheap to clone: a handle per request.
pub trait Platform:
    Clock + Timer + Randomness + Secrets + Upstream + Database + AtomicState + Background + Clone + 'static
{
}

impl<T> Platform for T where
    T: Clock
        + Timer
        + Randomness
        + Secrets
        + Upstream
        + Database
        + AtomicState
        + Background
        + Clone
        + 'static
{
}
