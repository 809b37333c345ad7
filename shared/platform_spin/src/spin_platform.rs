//! The boundary's traits on Spin, one handle per request.

use crate::executor::{self, Tasks};
use crate::sqlite::Database as Sqlite;
use crate::state_rows::Found;
use crate::test_hooks::TestHooks;
use crate::{answers, database_sqlite, delivery, state_rows, upstream_wasi_http};
use bytes::Bytes;
use core::any::Any;
use core::cell::RefCell;
use core::time::Duration;
use domain::state_machine::StateMachine;
use domain::time::Timestamp;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use platform::{
    AtomicState, Background, Body, Clock, Database, PlatformError, Randomness, Row, Secret, Secrets,
    Statement, Timer, Upstream,
};
use spin_sdk::variables;
use std::collections::BTreeSet;
use std::rc::Rc;
use wasi::clocks::wall_clock;
use wasi::random::random::get_random_bytes;

/// The directory's rows: `infra/migrations`.
const DIRECTORY: &str = "default";
/// The state machines' rows: `state_rows.rs` makes its tables itself. A database of its own, so that long questions to
/// the directory hold no call up.
const LEDGER: &str = "ledger";

#[derive(Clone)]
pub struct SpinPlatform(Rc<Instance>);

struct Instance {
    directory: Opened,
    ledger: Opened,
    tasks: Tasks,
    /// Machines whose events this request delivers.
    waiting: RefCell<BTreeSet<(&'static str, String)>>,
    /// The machine that was stepped last, as it was left.
    kept: RefCell<Option<(String, Box<dyn Any>)>>,
    hooks: Option<TestHooks>,
}

/// A database's name, and the connection once there is one.
struct Opened(&'static str, RefCell<Option<Rc<Sqlite>>>);

impl Opened {
    const fn new(name: &'static str) -> Self {
        Self(name, RefCell::new(None))
    }

    fn get(&self) -> Result<Rc<Sqlite>, PlatformError> {
        if let Some(open) = self.1.borrow().as_ref() {
            return Ok(open.clone());
        }
        let opened = Rc::new(Sqlite::open(self.0).map_err(database_sqlite::failed)?);
        *self.1.borrow_mut() = Some(opened.clone());
        Ok(opened)
    }
}

impl SpinPlatform {
    pub(crate) async fn new(tasks: Tasks) -> Self {
        let ledger = Opened::new(LEDGER);
        let hooks = TestHooks::if_wanted(|| ledger.get().ok()).await;
        let directory = Opened::new(DIRECTORY);
        let (waiting, kept) = Default::default();
        Self(Rc::new(Instance { directory, ledger, tasks, waiting, kept, hooks }))
    }

    pub(crate) fn ledger(&self) -> Result<Rc<Sqlite>, PlatformError> {
        self.0.ledger.get()
    }

    pub(crate) fn hooks(&self) -> Option<&TestHooks> {
        self.0.hooks.as_ref()
    }

    /// For the next step of this request, which is likely to find it unchanged.
    pub(crate) fn keep<M: StateMachine>(&self, name: &str, found: Found<M>) {
        *self.0.kept.borrow_mut() = Some((name.to_owned(), Box::new(found)));
    }

    pub(crate) fn take_kept<M: StateMachine>(&self, name: &str) -> Option<Found<M>> {
        let (kept_name, found) = self.0.kept.take()?;
        found.downcast().ok().filter(|_| kept_name == name).map(|found| *found)
    }

    /// The machine's events are delivered when the request is over.
    pub(crate) fn deliver_later<M: StateMachine>(&self, name: &str) {
        self.0.waiting.borrow_mut().insert((M::KIND, name.to_owned()));
    }

    pub(crate) fn take_deliveries(&self) -> BTreeSet<(&'static str, String)> {
        self.0.waiting.take()
    }
}

impl Clock for SpinPlatform {
    fn now(&self) -> Timestamp {
        let offset = self.0.hooks.as_ref().map_or(0, TestHooks::clock_offset);
        Timestamp::from_millis(wall_clock_now().as_millis() + offset)
    }
}

pub(crate) fn wall_clock_now() -> Timestamp {
    let now = wall_clock::now();
    let seconds = i64::try_from(now.seconds).unwrap_or(i64::MAX);
    Timestamp::from_millis(seconds.saturating_mul(1_000) + i64::from(now.nanoseconds / 1_000_000))
}

impl Timer for SpinPlatform {
    async fn sleep(&self, duration: Duration) {
        executor::sleep(duration).await;
    }
}

impl Randomness for SpinPlatform {
    fn fill(&self, bytes: &mut [u8]) {
        fill_randomly(bytes);
    }
}

pub(crate) fn fill_randomly(bytes: &mut [u8]) {
    bytes.copy_from_slice(&get_random_bytes(bytes.len() as u64));
}

impl Secrets for SpinPlatform {
    /// Variables are named in small letters here.
    async fn secret(&self, name: &str) -> Result<Secret, PlatformError> {
        match variables::get(&name.to_ascii_lowercase()) {
            Ok(value) => Ok(Secret::new(value)),
            Err(variables::Error::Undefined(_) | variables::Error::InvalidName(_)) => {
                Err(PlatformError::not_configured(name))
            }
            Err(error) => Err(PlatformError::unavailable(format!("{name}: {error}"))),
        }
    }
}

impl Upstream for SpinPlatform {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
        upstream_wasi_http::send(request).await
    }
}

impl Database for SpinPlatform {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, PlatformError> {
        if statement.max_age.is_none() {
            return database_sqlite::query(&*self.0.directory.get()?, statement).await;
        }
        let ledger = self.ledger()?;
        if let Some(rows) = answers::recall(&ledger, &statement, self.now()) {
            return Ok(rows);
        }
        let rows = database_sqlite::query(&*self.0.directory.get()?, statement.clone()).await?;
        answers::keep(&ledger, &statement, &rows, self.now());
        Ok(rows)
    }

    async fn commit(&self, statements: Vec<Statement>) -> Result<(), PlatformError> {
        database_sqlite::commit(&*self.0.directory.get()?, statements).await
    }
}

impl AtomicState for SpinPlatform {
    async fn apply<M: StateMachine>(
        &self,
        name: &str,
        command: M::Command,
    ) -> Result<M::Reply, PlatformError> {
        state_rows::apply::<M>(self, name, &command).await
    }

    async fn deliver<M: StateMachine>(&self, name: &str) -> Result<(), PlatformError> {
        state_rows::apply::<M>(self, name, &M::wake()).await?;
        delivery::deliver::<M>(self, name).await
    }
}

impl Background for SpinPlatform {
    fn finish_later(&self, task: LocalBoxFuture<'static, ()>) {
        self.0.tasks.add(task);
    }
}
