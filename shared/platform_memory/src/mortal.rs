//! A host that dies at its nth question to the outside, so that a test can try every n.

use crate::MemoryPlatform;
use bytes::Bytes;
use core::cell::Cell;
use core::time::Duration;
use domain::state_machine::StateMachine;
use domain::time::Timestamp;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use platform::{
    AtomicState, Background, Body, Clock, Database, PlatformError, Randomness, Row, Secret, Secrets,
    Statement, Timer, Upstream,
};
use std::rc::Rc;

/// Whether the last question still reaches the other side, whose answer is lost then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    Before,
    After,
}

/// One life of a host, on a room that outlives it. From its death on nothing is reached any more; the room's
/// own memory of machines stays.
#[derive(Clone)]
pub struct MortalPlatform {
    room: MemoryPlatform,
    questions_left: Rc<Cell<usize>>,
    death: Death,
}

impl MortalPlatform {
    /// Dies at the question after `questions`: to the database, to a machine or to an upstream.
    pub fn new(room: &MemoryPlatform, questions: usize, death: Death) -> Self {
        Self { room: room.clone(), questions_left: Rc::new(Cell::new(questions + 1)), death }
    }

    pub fn is_dead(&self) -> bool {
        self.questions_left.get() == 0
    }

    async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, PlatformError>>,
    ) -> Result<T, PlatformError> {
        let dead = || PlatformError::unavailable("this host is dead");
        let left = self.questions_left.get().checked_sub(1).ok_or_else(dead)?;
        self.questions_left.set(left);
        if left == 0 && self.death == Death::Before {
            return Err(dead());
        }
        let answer = question.await;
        if left == 0 { Err(dead()) } else { answer }
    }
}

impl Clock for MortalPlatform {
    fn now(&self) -> Timestamp {
        self.room.now()
    }
}

impl Timer for MortalPlatform {
    async fn sleep(&self, duration: Duration) {
        self.room.sleep(duration).await;
    }
}

impl Randomness for MortalPlatform {
    fn fill(&self, bytes: &mut [u8]) {
        self.room.fill(bytes);
    }
}

impl Secrets for MortalPlatform {
    async fn secret(&self, name: &str) -> Result<Secret, PlatformError> {
        self.room.secret(name).await
    }
}

impl Upstream for MortalPlatform {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
        self.ask(self.room.send(request)).await
    }
}

impl Database for MortalPlatform {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, PlatformError> {
        self.ask(self.room.query(statement)).await
    }

    async fn commit(&self, statements: Vec<Statement>) -> Result<(), PlatformError> {
        self.ask(self.room.commit(statements)).await
    }
}

impl AtomicState for MortalPlatform {
    async fn apply<M: StateMachine>(
        &self,
        name: &str,
        command: M::Command,
    ) -> Result<M::Reply, PlatformError> {
        self.ask(self.room.apply::<M>(name, command)).await
    }

    async fn deliver<M: StateMachine>(&self, name: &str) -> Result<(), PlatformError> {
        self.ask(self.room.deliver::<M>(name)).await
    }
}

impl Background for MortalPlatform {
    fn finish_later(&self, task: LocalBoxFuture<'static, ()>) {
        if !self.is_dead() {
            self.room.finish_later(task);
        }
    }
}
