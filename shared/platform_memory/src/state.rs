//! State machines: in memory as on a real host, rows beside them, and faults between the two.

use crate::MemoryPlatform;
use crate::delivery::Sink;
use crate::in_folder::MachinesFile;
use crate::rows::Rows;
use core::any::Any;
use core::cell::{Cell, RefCell};
use domain::state_machine::{Codec, StateMachine};
use domain::time::Timestamp;
use platform::resident::{LayoutError, Resident, Write, decode, encode};
use platform::{AtomicState, Clock, PlatformError};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// What goes wrong with one `apply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Out of reach: the step does not run.
    BeforeStep,
    /// The step is stored, its reply is lost.
    AfterStore,
    /// The host dies after the step and before the store: neither happened, and memory is lost.
    CrashBeforeStore,
    /// The host dies after the store: memory and the reply are lost.
    CrashAfterStore,
    /// The machine hangs and the bounded wait is over; the step does not run.
    HangBeforeStep,
    /// The machine hangs after the store.
    HangAfterStore,
}

/// A machine's kind and name.
pub(crate) type Key = (&'static str, String);

#[derive(Default)]
pub(crate) struct Machines {
    pub(crate) rows: RefCell<BTreeMap<Key, Rows>>,
    /// Where the rows also are, if they outlive the process.
    pub(crate) file: Option<MachinesFile>,
    memory: RefCell<BTreeMap<Key, Box<dyn Any>>>,
    faults: RefCell<VecDeque<Fault>>,
    down: Cell<bool>,
    applied: Cell<usize>,
    rows_written: Cell<usize>,
    pub(crate) sink: RefCell<Option<Rc<Sink>>>,
    pub(crate) delivered: RefCell<BTreeMap<Key, Vec<Vec<u8>>>>,
}

impl Machines {
    pub(crate) fn stored_in(file: MachinesFile) -> Result<Self, rusqlite::Error> {
        Ok(Self { rows: file.load()?.into(), file: Some(file), ..Self::default() })
    }
}

impl MemoryPlatform {
    /// Queues a fault; each hits one `apply`, of whatever machine.
    pub fn inject(&self, fault: Fault) {
        self.0.state.faults.borrow_mut().push_back(fault);
    }

    /// Whether every `apply` and `deliver` fails as if no machine could be reached.
    pub fn set_state_down(&self, down: bool) {
        self.0.state.down.set(down);
    }

    /// As if the host had died: memory and queued background tasks are gone, rows stay.
    pub fn crash(&self) {
        self.0.state.memory.borrow_mut().clear();
        self.lose_background();
    }

    /// `apply`s so far, failed ones included.
    pub fn applied(&self) -> usize {
        self.0.state.applied.get()
    }

    /// Rows that all machines wrote or deleted so far.
    pub fn rows_written(&self) -> usize {
        self.0.state.rows_written.get()
    }

    /// Rows that the named machine has now; 0 if it was never stored.
    pub fn rows_of<M: StateMachine>(&self, name: &str) -> usize {
        self.0.state.rows.borrow().get(&(M::KIND, name.to_owned())).map_or(0, Rows::count)
    }

    /// Does what each stored machine's alarm would do now: wakes it if something is due, and drops what
    /// is due and not kept in memory.
    pub fn wake_due<M: StateMachine>(&self) -> Result<(), PlatformError> {
        let now = self.now();
        for key in self.names::<M>() {
            let wake_at = self.with_resident::<M, _>(&key, |resident, _| Ok(resident.wake_at()))?;
            if wake_at.is_some_and(|at| at <= now) {
                self.end_what_is_due::<M>(&key)?;
            } else {
                self.drop_due::<M>(&key)?;
            }
        }
        Ok(())
    }

    /// Wakes the machine, and drops what is due and not kept in memory.
    fn end_what_is_due<M: StateMachine>(&self, key: &Key) -> Result<(), PlatformError> {
        self.step::<M>(key, M::wake())?;
        self.drop_due::<M>(key)
    }

    fn drop_due<M: StateMachine>(&self, key: &Key) -> Result<(), PlatformError> {
        let rows = self.0.state.rows.borrow();
        let ends = rows.get(key).map_or_else(Vec::new, |rows| rows.ends_of_due::<M>(self.now()));
        drop(rows);
        // As on a real host, this is no step's doing: it is not counted.
        self.put(key, ends)
    }

    /// The names of all stored machines of this kind.
    pub fn machines<M: StateMachine>(&self) -> Vec<String> {
        self.names::<M>().into_iter().map(|(_, name)| name).collect()
    }

    /// When the named machine has something due.
    pub fn wakes_at<M: StateMachine>(&self, name: &str) -> Result<Option<Timestamp>, PlatformError> {
        self.with_resident::<M, _>(&(M::KIND, name.to_owned()), |resident, _| Ok(resident.wake_at()))
    }

    /// As if the machine alone had died: it starts again from its rows.
    pub fn crash_machine<M: StateMachine>(&self, name: &str) {
        self.forget(&(M::KIND, name.to_owned()));
    }

    /// All stored machines of this kind.
    pub(crate) fn names<M: StateMachine>(&self) -> Vec<Key> {
        self.0.state.rows.borrow().keys().filter(|(kind, _)| *kind == M::KIND).cloned().collect()
    }

    pub(crate) fn reach_state(&self) -> Result<(), PlatformError> {
        if self.0.state.down.get() {
            return Err(PlatformError::unavailable("the test took the machines down"));
        }
        Ok(())
    }

    /// The machine in memory, loaded from its rows if need be.
    pub(crate) fn with_resident<M: StateMachine, T>(
        &self,
        key: &Key,
        then: impl FnOnce(&mut Resident<M>, &Rows) -> Result<T, LayoutError>,
    ) -> Result<T, PlatformError> {
        let stored = self.0.state.rows.borrow();
        let empty = Rows::default();
        let rows = stored.get(key).unwrap_or(&empty);
        let mut memory = self.0.state.memory.borrow_mut();
        if !memory.contains_key(key) {
            memory.insert(key.clone(), Box::new(rows.load::<M>().map_err(unreadable)?));
        }
        let resident = memory.get_mut(key).and_then(|machine| machine.downcast_mut());
        then(resident.expect("a kind names one machine's type"), rows).map_err(unreadable)
    }

    fn step<M: StateMachine>(&self, key: &Key, command: M::Command) -> Result<M::Reply, PlatformError> {
        let (reply, writes) = self.decide::<M>(key, command)?;
        self.store(key, writes)?;
        Ok(reply)
    }

    fn decide<M: StateMachine>(
        &self,
        key: &Key,
        command: M::Command,
    ) -> Result<(M::Reply, Vec<Write>), PlatformError> {
        let now = self.now();
        self.with_resident::<M, _>(key, |resident, rows| {
            for part in resident.missing(&command) {
                if let Some(value) = rows.part(part) {
                    resident.supply(part, value)?;
                }
            }
            let stepped = resident.step(command, now);
            Ok((stepped.reply, stepped.writes))
        })
    }

    /// All of it or, without writes, not even a name.
    pub(crate) fn store(&self, key: &Key, writes: Vec<Write>) -> Result<(), PlatformError> {
        let written = &self.0.state.rows_written;
        written.set(written.get() + writes.len());
        self.put(key, writes)
    }

    fn put(&self, key: &Key, writes: Vec<Write>) -> Result<(), PlatformError> {
        if writes.is_empty() {
            return Ok(());
        }
        if let Some(file) = &self.0.state.file {
            // The machine in memory is ahead of its rows then.
            file.store(key, &writes).inspect_err(|_| self.forget(key))?;
        }
        self.0.state.rows.borrow_mut().entry(key.clone()).or_default().apply(writes);
        Ok(())
    }

    fn forget(&self, key: &Key) {
        self.0.state.memory.borrow_mut().remove(key);
    }
}

impl AtomicState for MemoryPlatform {
    async fn apply<M: StateMachine>(
        &self,
        name: &str,
        command: M::Command,
    ) -> Result<M::Reply, PlatformError> {
        self.0.state.applied.set(self.0.state.applied.get() + 1);
        let question = self.ask().await?;
        self.reach_state()?;
        let key = (M::KIND, name.to_owned());
        let command = through_bytes(&command)?;
        let fault = self.0.state.faults.borrow_mut().pop_front();
        match fault {
            Some(Fault::BeforeStep) => return Err(lost(Fault::BeforeStep)),
            Some(Fault::HangBeforeStep) => return Err(PlatformError::timed_out(name)),
            _ => {}
        }
        let (reply, writes) = self.decide::<M>(&key, command)?;
        if fault == Some(Fault::CrashBeforeStore) {
            self.forget(&key);
            return Err(lost(Fault::CrashBeforeStore));
        }
        self.store(&key, writes)?;
        match fault {
            Some(Fault::AfterStore) => Err(lost(Fault::AfterStore)),
            Some(Fault::HangAfterStore) => Err(PlatformError::timed_out(name)),
            Some(Fault::CrashAfterStore) => {
                self.forget(&key);
                Err(lost(Fault::CrashAfterStore))
            }
            _ => question.answer(through_bytes(&reply)?),
        }
    }

    async fn deliver<M: StateMachine>(&self, name: &str) -> Result<(), PlatformError> {
        let question = self.ask().await?;
        self.reach_state()?;
        let key = (M::KIND, name.to_owned());
        self.end_what_is_due::<M>(&key)?;
        self.deliver_machine::<M>(&key).await?;
        question.answer(())
    }
}

/// Commands and replies travel as bytes on a real host.
fn through_bytes<T: Codec>(value: &T) -> Result<T, PlatformError> {
    decode(&encode(value)).map_err(unreadable)
}

pub(crate) fn unreadable(error: LayoutError) -> PlatformError {
    PlatformError::malformed(error.to_string())
}

fn lost(fault: Fault) -> PlatformError {
    PlatformError::unavailable(format!("injected: {fault:?}"))
}
