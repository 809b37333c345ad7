//! The machines' hosts: they step, store, answer, deliver, and die at any point between.

use crate::hosts::executor::Group;
use crate::hosts::hosted::Hosted;
use crate::hosts::kinds;
use crate::hosts::mail::channel;
use crate::hosts::platform::SimulatedPlatform;
use crate::hosts::rows::{HeadRow, Rows};
use crate::mutants::HostFlaw;
use crate::world::{MACHINES, World};
use core::time::Duration;
use domain::account::Account;
use domain::state_machine::StateMachine;
use domain::tenant_pool::TenantPool;
use domain::time::Timestamp;
use platform::PlatformError;
use platform::resident::Write;
use std::rc::Rc;

/// As on Workers: how long events wait for others, and after a failed delivery for the next try.
const DELIVERY_DELAY: Duration = Duration::from_secs(2);
const DELIVERY_RETRY: Duration = Duration::from_secs(10);
/// The kind of a pool's parts that a broken host forgets.
const LEASE: u8 = 1;
/// How often an alarm looks at the clock on the wall, which may jump.
const ALARM_LOOKS_MS: u64 = 150_000;
/// How often a delivery looks whether another one has ended.
const DELIVERY_LOOKS_MS: u64 = 100;

/// A machine and where it runs. One at a time, as the platform promises.
pub struct Machine {
    hosted: Box<dyn Hosted>,
    host: Group,
    alarm: Option<Timestamp>,
    /// Which alarm is the last one set.
    alarms: u64,
    delivering: bool,
}

/// A machine's kind and name.
pub type Key = (&'static str, String);

/// Where in a step the machine's host dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    BeforeStep,
    BeforeStore,
    AfterStore,
}

impl World {
    fn machine<T>(&self, key: &Key, then: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machines = self.machines.borrow_mut();
        let host = MACHINES + machines.len() as Group;
        let machine = machines.entry(key.clone()).or_insert_with(|| Machine {
            hosted: kinds::machine(key.0, self.mutant),
            host,
            alarm: None,
            alarms: 0,
            delivering: false,
        });
        then(machine)
    }

    pub fn rows_of(&self, key: &Key) -> Rows {
        self.machine(key, |machine| machine.hosted.rows().clone())
    }

    /// One step of the named machine: stored before anybody hears of it.
    fn step(
        self: &Rc<Self>,
        key: &Key,
        command: &[u8],
        death: Option<Death>,
    ) -> Result<Vec<u8>, PlatformError> {
        if death == Some(Death::BeforeStep) {
            return Err(self.machine_dies(key, "machine died before its step"));
        }
        let host = self.machine(key, |machine| machine.host);
        let now = self.wall_at(host);
        let stepped = self.machine(key, |machine| machine.hosted.step(command, now))?;
        if death == Some(Death::BeforeStore) {
            self.machine_dies(key, "machine died before its store");
            if self.mutant.host == HostFlaw::RepliesBeforeItStores {
                return Ok(stepped.reply);
            }
            return Err(died());
        }
        let writes = self.spoiled(key, stepped.writes, death);
        self.machine(key, |machine| machine.hosted.rows_mut().apply(writes));
        self.witness(key, command, &stepped.reply, now);
        if death == Some(Death::AfterStore) {
            return Err(self.machine_dies(key, "machine died after its store"));
        }
        Ok(stepped.reply)
    }

    /// A command that came over the network: what it leaves waiting sets the alarm.
    pub fn step_and_arm(
        self: &Rc<Self>,
        key: &Key,
        command: &[u8],
        death: Option<Death>,
    ) -> Result<Vec<u8>, PlatformError> {
        let reply = self.step(key, command, death)?;
        self.arm_for_what_waits(key);
        Ok(reply)
    }

    /// What a broken host stores of a step that it dies after.
    fn spoiled(&self, key: &Key, writes: Vec<Write>, death: Option<Death>) -> Vec<Write> {
        if death != Some(Death::AfterStore) {
            return writes;
        }
        match self.mutant.host {
            HostFlaw::StoresStateWithoutEvents => {
                let old = self.rows_of(key).head_row().next_sequence;
                let state_only = |write| match write {
                    Write::PutEvents { .. } => None,
                    Write::Head(row) => Some(Write::Head(without_events(&row, old))),
                    other => Some(other),
                };
                writes.into_iter().filter_map(state_only).collect()
            }
            HostFlaw::TearsItsStore => {
                let half = writes.len() / 2;
                writes.into_iter().take(half).collect()
            }
            _ => writes,
        }
    }

    /// The same, by a host that read its rows a while ago.
    pub fn step_on_a_stale_copy(
        self: &Rc<Self>,
        key: &Key,
        copy: Rows,
        command: &[u8],
    ) -> Result<Vec<u8>, PlatformError> {
        self.machine(key, |machine| {
            *machine.hosted.rows_mut() = copy;
            machine.hosted.forget();
        });
        self.step_and_arm(key, command, None)
    }

    fn witness(&self, key: &Key, command: &[u8], reply: &[u8], now: Timestamp) {
        self.statistics.count("steps");
        match key.0 {
            Account::KIND => self.witness_account(key, command, reply, now),
            TenantPool::KIND => self.witness_pool(key, command, reply),
            _ => {}
        }
    }

    fn witness_account(&self, key: &Key, command: &[u8], reply: &[u8], now: Timestamp) {
        let Some(account) = self.account_of(&key.1) else { return };
        let mut all = self.books.borrow_mut();
        let Some(books) = all.get_mut(&key.1) else { return };
        let seen = self.machine(key, |machine| books.witness(command, reply, machine.hosted.rows(), now));
        self.note(Some(account), "step", books.fingerprint(), || books.told());
        self.check(Some(account), seen);
        if let Some(what) = books.refused() {
            self.statistics.count(what);
        }
        let pool = &self.tenants[self.accounts[account].tenant].pool;
        let mut pools = self.pools.borrow_mut();
        let Some(pool) = pools.get_mut(pool) else { return };
        for _ in 0..core::mem::take(&mut books.levels.just_permitted) {
            self.check(Some(account), pool.admitted(self.wall(), self.skew_between_ms()));
        }
        let tokens = core::mem::take(&mut books.levels.just_tokens);
        self.check(Some(account), pool.took_tokens(tokens, self.wall(), self.skew_between_ms()));
        let tenant = self.accounts[account].tenant;
        self.check(None, pool.check_accounts(self.accounts_of(tenant).map(|a| (a.id, &all[&a.name]))));
    }

    fn witness_pool(&self, key: &Key, command: &[u8], reply: &[u8]) {
        let mut pools = self.pools.borrow_mut();
        let (Some(tenant), Some(pool)) =
            (self.tenants.iter().position(|tenant| tenant.pool == key.1), pools.get_mut(&key.1))
        else {
            return;
        };
        let seen = self.machine(key, |machine| pool.witness(command, reply, machine.hosted.rows()));
        self.note(None, "pool", pool.fingerprint(), || format!("T{tenant} {}", pool.told()));
        self.check(None, seen);
        pool.seen.iter().for_each(|what| self.statistics.count(what));
        let all = self.books.borrow();
        self.check(None, pool.check_accounts(self.accounts_of(tenant).map(|a| (a.id, &all[&a.name]))));
    }

    /// Memory and tasks are gone. The alarm is stored with the rows: it rings wherever the machine starts again.
    pub fn machine_dies(self: &Rc<Self>, key: &Key, where_: &'static str) -> PlatformError {
        self.statistics.count(where_);
        self.note(self.account_of(&key.1), "machine dies", 0, || where_.to_owned());
        let forgets = self.mutant.host == HostFlaw::ForgetsAPoolsLease && key.0 == TenantPool::KIND;
        let host = self.machine(key, |machine| {
            if forgets {
                let parts = &mut machine.hosted.rows_mut().parts;
                let lease = parts.keys().find(|part| part.kind == LEASE).copied();
                lease.map(|lease| parts.remove(&lease));
            }
            machine.hosted.forget();
            machine.delivering = false;
            machine.host
        });
        self.executor.kill(host);
        self.forget_skew(host);
        if let Some(at) = self.machine(key, |machine| machine.alarm.take()) {
            self.arm(key, at);
        }
        self.arm_for_what_waits(key);
        died()
    }

    fn arm_for_what_waits(self: &Rc<Self>, key: &Key) {
        let (waits, host) = self.machine(key, |machine| {
            let waits = machine.hosted.undelivered() > 0 || machine.hosted.wake_at().is_some();
            (waits, machine.host)
        });
        if waits {
            self.arm(key, self.wall_at(host).plus(DELIVERY_DELAY));
        }
    }

    /// An earlier alarm stays.
    fn arm(self: &Rc<Self>, key: &Key, at: Timestamp) {
        let (host, number) = self.machine(key, |machine| {
            let sooner = machine.alarm.is_none_or(|set| at < set);
            machine.alarms += u64::from(sooner);
            (machine.host, sooner.then_some(machine.alarms))
        });
        let Some(number) = number else { return };
        self.machine(key, |machine| machine.alarm = Some(at));
        self.executor.spawn(host, Box::pin(alarm(self.clone(), key.clone(), at, number)));
    }

    /// Ends what is due, delivers, and sets the next alarm.
    async fn ring(self: &Rc<Self>, key: &Key) {
        let wake = self.machine(key, |machine| machine.hosted.wake());
        if self.step(key, &wake, None).is_err() {
            return;
        }
        let host = self.machine(key, |machine| machine.host);
        let now = self.wall_at(host);
        self.machine(key, |machine| machine.hosted.drop_due(now));
        if self.deliver_in_host(key).await.is_err() {
            self.arm(key, self.wall_at(host).plus(DELIVERY_RETRY));
        }
        if let Some(at) = self.machine(key, |machine| machine.hosted.wake_at()) {
            self.arm(key, at);
        }
    }

    /// Delivers all events that wait. Must run in the machine's own group, to die with it.
    pub async fn deliver_in_host(self: &Rc<Self>, key: &Key) -> Result<(), PlatformError> {
        while self.machine(key, |machine| machine.delivering) {
            self.executor.sleep_ms(DELIVERY_LOOKS_MS).await;
        }
        self.machine(key, |machine| machine.delivering = true);
        let delivered = self.deliver_batches(key).await;
        self.machine(key, |machine| machine.delivering = false);
        delivered
    }

    /// The same on demand, from another host.
    pub async fn deliver_now(self: &Rc<Self>, key: Key) -> Result<(), PlatformError> {
        let (sender, receiver) = channel();
        let (world, host) = (self.clone(), self.group_of(&key));
        let delivery = async move { sender.send(world.deliver_in_host(&key).await) };
        self.executor.spawn(host, Box::pin(delivery));
        receiver.next().await.unwrap_or_else(|| Err(died()))
    }

    async fn deliver_batches(self: &Rc<Self>, key: &Key) -> Result<(), PlatformError> {
        let host = self.machine(key, |machine| machine.host);
        let platform = SimulatedPlatform::of_host(self.clone(), host);
        while let Some(batch) = self.machine(key, |machine| machine.hosted.batch()) {
            let acknowledge = || {
                self.machine(key, |machine| {
                    let writes = machine.hosted.acknowledge(&batch);
                    machine.hosted.rows_mut().apply(writes);
                });
            };
            if self.mutant.host == HostFlaw::AcknowledgesBeforeItDelivers {
                acknowledge();
                kinds::deliver(&platform, key.0, &key.1, &batch.events).await?;
                continue;
            }
            let delivered = kinds::deliver(&platform, key.0, &key.1, &batch.events).await;
            let count = batch.events.len() as u64;
            self.note(self.account_of(&key.1), "delivers", count, || {
                format!("{count} events: {delivered:?}")
            });
            delivered?;
            if self.strikes(&self.dice.machines, self.profile.faults.machine_dies) {
                return Err(self.machine_dies(key, "machine died before its acknowledgement"));
            }
            acknowledge();
        }
        Ok(())
    }

    pub fn group_of(&self, key: &Key) -> Group {
        self.machine(key, |machine| machine.host)
    }

    pub fn keys(&self) -> Vec<Key> {
        self.machines.borrow().keys().cloned().collect()
    }

    pub fn undelivered(&self, key: &Key) -> u64 {
        self.machine(key, |machine| machine.hosted.undelivered())
    }

    /// What an alarm would do now, at once.
    pub fn wake(self: &Rc<Self>, key: &Key) {
        let wake = self.machine(key, |machine| machine.hosted.wake());
        // Without a death to die, a step that every machine understands does not fail.
        let _ = self.step_and_arm(key, &wake, None);
    }
}

async fn alarm(world: Rc<World>, key: Key, at: Timestamp, number: u64) {
    loop {
        let host = world.group_of(&key);
        let left = at.since(world.wall_at(host));
        let is_last = world.machine(&key, |machine| machine.alarms == number && machine.alarm == Some(at));
        if !is_last {
            return;
        }
        if left.is_zero() {
            break;
        }
        let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        world.executor.sleep_ms(left.min(ALARM_LOOKS_MS)).await;
    }
    world.machine(&key, |machine| machine.alarm = None);
    world.ring(&key).await;
}

/// The head's row with no events but those that were there before.
fn without_events(row: &[u8], before: u64) -> Vec<u8> {
    let mut head: HeadRow<'_> = minicbor::decode(row).expect("a head's row");
    head.events.retain(|event| event.sequence < before);
    minicbor::to_vec(&head).expect("memory")
}

fn died() -> PlatformError {
    PlatformError::unavailable("the machine's host died")
}
