//! What one run may ask of its host. The platform kills an invocation that asks more; this one stops first.

use bytes::Bytes;
use core::cell::Cell;
use core::time::Duration;
use domain::state_machine::StateMachine;
use domain::time::Timestamp;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use platform::{
    AtomicState, Background, Body, Clock, Database, Platform, PlatformError, Randomness, Row, Secret,
    Secrets, Statement, Timer, Upstream,
};
use std::rc::Rc;

/// A platform that counts the questions that cost a subrequest, and refuses those beyond the allowance.
#[derive(Clone)]
pub struct Metered<P> {
    platform: P,
    left: Rc<Cell<usize>>,
}

impl<P> Metered<P> {
    pub fn new(platform: P, questions: usize) -> Self {
        Self { platform, left: Rc::new(Cell::new(questions)) }
    }

    pub fn left(&self) -> usize {
        self.left.get()
    }

    fn ask(&self, questions: usize) -> Result<&P, PlatformError> {
        let left = self.left.get().checked_sub(questions);
        self.left.set(left.ok_or_else(|| PlatformError::unavailable("this run's allowance is used up"))?);
        Ok(&self.platform)
    }
}

impl<P: Clock> Clock for Metered<P> {
    fn now(&self) -> Timestamp {
        self.platform.now()
    }
}

impl<P: Timer> Timer for Metered<P> {
    async fn sleep(&self, duration: Duration) {
        self.platform.sleep(duration).await;
    }
}

impl<P: Randomness> Randomness for Metered<P> {
    fn fill(&self, bytes: &mut [u8]) {
        self.platform.fill(bytes);
    }
}

impl<P: Secrets> Secrets for Metered<P> {
    async fn secret(&self, name: &str) -> Result<Secret, PlatformError> {
        self.platform.secret(name).await
    }
}

impl<P: Upstream> Upstream for Metered<P> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
        self.ask(1)?.send(request).await
    }
}

impl<P: Database> Database for Metered<P> {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, PlatformError> {
        self.ask(1)?.query(statement).await
    }

    /// As many questions as statements: D1's limit on an invocation's queries may count those of a batch.
    async fn commit(&self, statements: Vec<Statement>) -> Result<(), PlatformError> {
        self.ask(statements.len().max(1))?.commit(statements).await
    }
}

impl<P: AtomicState> AtomicState for Metered<P> {
    async fn apply<M: StateMachine>(
        &self,
        name: &str,
        command: M::Command,
    ) -> Result<M::Reply, PlatformError> {
        self.ask(1)?.apply::<M>(name, command).await
    }

    async fn deliver<M: StateMachine>(&self, name: &str) -> Result<(), PlatformError> {
        self.ask(1)?.deliver::<M>(name).await
    }
}

impl<P: Platform> Background for Metered<P> {
    fn finish_later(&self, task: LocalBoxFuture<'static, ()>) {
        self.platform.finish_later(task);
    }
}
