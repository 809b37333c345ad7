//! The boundary's traits in a native process: state and database are the memory room's; clock, timers, chance, outgoing
//! requests and background work are real.

use crate::alarms::{self, Alarms};
use crate::test_hooks::{self, TestHooks};
use crate::upstream_hyper;
use bytes::Bytes;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use domain::account::Account;
use domain::state_machine::StateMachine;
use domain::tenant_pool::TenantPool;
use domain::time::Timestamp;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use platform::{
    AtomicState, Background, Body, Clock, Database, PlatformError, Randomness, Row, Secret, Secrets,
    Statement, Timer, Upstream,
};
use platform_memory::{Delivered, MemoryPlatform};
use std::rc::{Rc, Weak};
use tokio::task::spawn_local;

/// The whole host. Clones are handles to the same one.
#[derive(Clone)]
pub struct NativePlatform(Rc<Rooms>);

struct Rooms {
    room: MemoryPlatform,
    alarms: Alarms,
    hooks: TestHooks,
}

impl NativePlatform {
    /// Machines are woken from here on, also those that an earlier process has left with something to do.
    pub fn start(room: MemoryPlatform) -> Result<Self, PlatformError> {
        let platform = Self(Rc::new(Rooms { room, alarms: Alarms::default(), hooks: TestHooks::default() }));
        // The room keeps the sink, so the sink must not keep the room.
        let host = Rc::downgrade(&platform.0);
        platform.0.room.deliver_to(move |_, batch| hand_over(host.clone(), batch));
        alarms::ring_all_stored(&platform);
        spawn_local(alarms::keep_ringing(platform.clone()));
        Ok(platform)
    }

    /// The memory room, at this very moment.
    pub fn room(&self) -> &MemoryPlatform {
        self.0.room.set_now(self.now());
        &self.0.room
    }

    pub fn alarms(&self) -> &Alarms {
        &self.0.alarms
    }

    pub fn hooks(&self) -> &TestHooks {
        &self.0.hooks
    }

    /// What a machine of this name is asked for. One that panics starts again from its rows, and whoever asked it is
    /// told that it cannot be reached.
    async fn guarded<M: StateMachine, T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, PlatformError>>,
    ) -> Result<T, PlatformError> {
        AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
            self.0.room.crash_machine::<M>(name);
            Err(PlatformError::unavailable(format!("{name}: panicked")))
        })
    }
}

/// Where events go.
async fn hand_over(host: Weak<Rooms>, batch: Delivered) -> Result<(), PlatformError> {
    let platform = NativePlatform(host.upgrade().ok_or_else(|| PlatformError::unavailable("the host ends"))?);
    match batch.kind {
        Account::KIND => outbox::of_account(&platform, &batch.name, batch.events::<Account>()).await,
        TenantPool::KIND => outbox::of_pool(&platform, &batch.name, batch.events::<TenantPool>()).await,
        kind => Err(PlatformError::malformed(format!("a machine of the kind {kind}"))),
    }
}

impl Clock for NativePlatform {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(test_hooks::wall_clock_millis() + self.0.hooks.clock_offset())
    }
}

impl Timer for NativePlatform {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Randomness for NativePlatform {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system has randomness");
    }
}

impl Secrets for NativePlatform {
    async fn secret(&self, name: &str) -> Result<Secret, PlatformError> {
        self.0.room.secret(name).await
    }
}

impl Upstream for NativePlatform {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
        upstream_hyper::send(request).await
    }
}

impl Database for NativePlatform {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, PlatformError> {
        self.0.room.query(statement).await
    }

    async fn commit(&self, statements: Vec<Statement>) -> Result<(), PlatformError> {
        self.0.room.commit(statements).await
    }
}

impl AtomicState for NativePlatform {
    async fn apply<M: StateMachine>(
        &self,
        name: &str,
        command: M::Command,
    ) -> Result<M::Reply, PlatformError> {
        let step = async {
            self.0.hooks.fault(name).await?;
            self.room().apply::<M>(name, command).await
        };
        let reply = self.guarded::<M, _>(name, step).await;
        alarms::arm_for_what_waits::<M>(self, name);
        reply
    }

    async fn deliver<M: StateMachine>(&self, name: &str) -> Result<(), PlatformError> {
        self.guarded::<M, _>(name, self.room().deliver::<M>(name)).await
    }
}

impl Background for NativePlatform {
    fn finish_later(&self, task: LocalBoxFuture<'static, ()>) {
        spawn_local(task);
    }
}
