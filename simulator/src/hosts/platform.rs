//! The boundary's traits in a simulated world: one handle per request and host.

use crate::actors::calls::{Call, KillPoint};
use crate::hosts::executor::Group;
use crate::mutants::HostFlaw;
use crate::world::World;
use bytes::Bytes;
use core::future::pending;
use core::time::Duration;
use domain::account::{Account, Command, Refusal, Reply};
use domain::state_machine::StateMachine;
use domain::time::Timestamp;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use platform::resident::{decode, encode};
use platform::{
    AtomicState, Background, Body, Clock, Database, PlatformError, Randomness, Row, Secret, Secrets,
    Statement, Timer, Upstream,
};
use std::rc::Rc;

/// A statement's way to the database and back.
const STATEMENT_MS: (u64, u64) = (1, 6);
/// Until an outage shows.
const OUTAGE_SHOWS_MS: u64 = 20;

#[derive(Clone)]
pub struct SimulatedPlatform {
    world: Rc<World>,
    host: Group,
    /// A handle of an earlier life can start nothing any more.
    life: u32,
    call: Option<Rc<Call>>,
}

impl SimulatedPlatform {
    pub fn of_host(world: Rc<World>, host: Group) -> Self {
        let life = world.executor.life(host);
        Self { world, host, life, call: None }
    }

    pub fn of_call(world: Rc<World>, call: Rc<Call>) -> Self {
        Self { call: Some(call.clone()), ..Self::of_host(world, call.host) }
    }

    fn is_alive(&self) -> bool {
        self.world.executor.life(self.host) == self.life
    }

    /// The host dies here, if that was this call's lot.
    async fn die_at(&self, point: KillPoint, why: &'static str) {
        let meant = self.call.as_ref().is_some_and(|call| call.kill_at == Some(point));
        if meant && self.is_alive() && !self.world.healed.get() {
            self.world.kill_host(self.host, why);
            pending::<()>().await;
        }
    }

    /// Remembers what the product says of the call.
    fn overhear(&self, call: &Call, command: &Command) {
        let mut facts = call.facts.borrow_mut();
        match command {
            Command::Reserve(reserve) => {
                facts.request_id = Some(reserve.request_id);
                facts.input_estimate = reserve.input_estimate;
                self.world.note(Some(call.account), "is", call.number, || {
                    format!("#{} is {}", call.number, reserve.request_id)
                });
            }
            Command::Checkpoint(checkpoint) => {
                self.world.statistics.count("checkpoints");
                facts.checkpoints.push(checkpoint.usage);
            }
            _ => {}
        }
    }

    async fn ask<M: StateMachine>(
        &self,
        name: &str,
        command: Vec<u8>,
        repeated: impl FnOnce(),
    ) -> Result<M::Reply, PlatformError> {
        let reply = self.world.ask((M::KIND, name.to_owned()), command, repeated).await;
        if let (Err(_), Some(call)) = (&reply, &self.call) {
            call.disturb();
        }
        decode(&reply?).map_err(|error| PlatformError::malformed(error.to_string()))
    }

    /// A command of a call to its account, with the points at which the host may die.
    async fn ask_for_call<M: StateMachine>(
        &self,
        call: &Call,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<M::Reply, PlatformError> {
        let command: Command = decode(&bytes).expect("a command that was just encoded");
        self.overhear(call, &command);
        if matches!(command, Command::Settle(_)) {
            self.die_at(KillPoint::BeforeSettle, "host died before settle").await;
        }
        let repeated = || {
            // A repetition of what was refused may be admitted, and then nobody ends it.
            if matches!(command, Command::Reserve(_)) {
                call.disturb();
            }
        };
        let reply = self.ask::<M>(name, bytes, repeated).await?;
        match (command, decode::<Reply>(&encode(&reply))) {
            (Command::Reserve(_), Ok(Reply::Reserved(_))) => {
                self.die_at(KillPoint::AfterHold, "host died after hold").await;
            }
            (Command::Reserve(_), Ok(Reply::Refused(Refusal::TooLate(_)))) => {
                self.world.statistics.count("told the account's time");
            }
            (Command::Settle(settle), Ok(reply)) => {
                self.die_at(KillPoint::AfterSettle, "host died after settle").await;
                // After a day the account has forgotten the hold, and what it was charged stands.
                if reply != Reply::Unknown {
                    call.facts.borrow_mut().settled = Some(settle.usage);
                }
            }
            _ => {}
        }
        Ok(reply)
    }

    /// The statement's way there; an error if it does not arrive.
    async fn reach_database(&self) -> Result<(), PlatformError> {
        let world = &self.world;
        world.executor.sleep_ms(world.dice.database.between(STATEMENT_MS)).await;
        if world.database_down.get() {
            world.executor.sleep_ms(OUTAGE_SHOWS_MS).await;
            world.statistics.count("statements while the database was down");
            return Err(PlatformError::unavailable("the database is down"));
        }
        if world.strikes(&world.dice.database, world.profile.faults.database_fails) {
            return Err(PlatformError::unavailable("the statement was lost"));
        }
        Ok(())
    }
}

impl Clock for SimulatedPlatform {
    fn now(&self) -> Timestamp {
        self.world.wall_at(self.host)
    }
}

impl Timer for SimulatedPlatform {
    async fn sleep(&self, duration: Duration) {
        self.world.executor.sleep(duration).await;
    }
}

impl Randomness for SimulatedPlatform {
    fn fill(&self, bytes: &mut [u8]) {
        self.world.dice.ids.fill(bytes);
    }
}

impl Secrets for SimulatedPlatform {
    async fn secret(&self, name: &str) -> Result<Secret, PlatformError> {
        match name {
            "API_KEY_PEPPER_1" => Ok(Secret::new(crate::setting::PEPPER)),
            // Into a table.
            "MAIL_URL" => Ok(Secret::new("capture:")),
            "PROVIDER_KEYS_KEY_1" => Ok(Secret::new("00".repeat(crate::setting::MASTER_KEY.len()))),
            other => Err(PlatformError::not_configured(other)),
        }
    }
}

impl Upstream for SimulatedPlatform {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
        let Some(call) = self.call.clone() else {
            return crate::actors::webhooks::receive(&self.world, &request).await;
        };
        crate::actors::upstream::send(&self.world, &call, &request, async || {
            self.die_at(KillPoint::AfterUpstreamSend, "host died after upstream send").await;
        })
        .await
    }
}

impl Database for SimulatedPlatform {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, PlatformError> {
        self.reach_database().await?;
        self.world.database.query(&statement)
    }

    async fn commit(&self, statements: Vec<Statement>) -> Result<(), PlatformError> {
        self.reach_database().await?;
        let done = self.world.database.commit(&statements);
        let world = &self.world;
        world.executor.sleep_ms(world.dice.database.between(STATEMENT_MS)).await;
        if world.strikes(&world.dice.database, world.profile.faults.database_fails) {
            world.statistics.count("commits whose answer was lost");
            return Err(PlatformError::unavailable("the commit's answer was lost"));
        }
        done
    }
}

impl AtomicState for SimulatedPlatform {
    async fn apply<M: StateMachine>(
        &self,
        name: &str,
        command: M::Command,
    ) -> Result<M::Reply, PlatformError> {
        let bytes = encode(&command);
        match &self.call {
            Some(call) if M::KIND == Account::KIND => self.ask_for_call::<M>(call, name, bytes).await,
            _ => self.ask::<M>(name, bytes, || ()).await,
        }
    }

    async fn deliver<M: StateMachine>(&self, name: &str) -> Result<(), PlatformError> {
        self.world.deliver_now((M::KIND, name.to_owned())).await
    }
}

impl Background for SimulatedPlatform {
    fn finish_later(&self, task: LocalBoxFuture<'static, ()>) {
        if self.is_alive() && self.world.mutant.host != HostFlaw::ForgetsBackgroundTasks {
            self.world.executor.spawn(self.host, task);
        }
    }
}
