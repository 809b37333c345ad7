//! A state machine in its host: rows on disk, a copy in memory, and nothing of its type to be seen.

use crate::hosts::rows::Rows;
use domain::state_machine::StateMachine;
use domain::time::Timestamp;
use platform::PlatformError;
use platform::resident::{Batch, LayoutError, Resident, Write, decode, encode};

/// Events in one delivery at most; small, so that worlds see several.
const BATCH_MAX: usize = 8;

/// Commands, replies and events are bytes, as on a real host.
pub trait Hosted {
    /// Steps in memory, which is loaded first if it was lost.
    fn step(&mut self, command: &[u8], now: Timestamp) -> Result<Stepped, PlatformError>;
    /// The command that an alarm sends.
    fn wake(&self) -> Vec<u8>;
    fn wake_at(&mut self) -> Option<Timestamp>;
    fn undelivered(&mut self) -> u64;
    /// The oldest events.
    fn batch(&mut self) -> Option<Batch>;
    fn acknowledge(&mut self, batch: &Batch) -> Vec<Write>;
    /// Memory is lost; rows stay.
    fn forget(&mut self);
    /// Parts that are not kept in memory end here, once due.
    fn drop_due(&mut self, now: Timestamp);
    fn rows(&self) -> &Rows;
    fn rows_mut(&mut self) -> &mut Rows;
}

pub struct Stepped {
    pub reply: Vec<u8>,
    pub writes: Vec<Write>,
}

pub struct Host<M: StateMachine> {
    rows: Rows,
    memory: Option<Resident<M>>,
}

impl<M: StateMachine> Default for Host<M> {
    fn default() -> Self {
        Self { rows: Rows::default(), memory: None }
    }
}

impl<M: StateMachine> Host<M> {
    /// # Panics
    /// If the rows cannot be read: nothing but a machine's own host wrote them.
    fn memory(&mut self) -> (&mut Resident<M>, &Rows) {
        if self.memory.is_none() {
            self.memory = Some(self.rows.load().expect("a machine's own rows"));
        }
        (self.memory.as_mut().expect("loaded above"), &self.rows)
    }
}

impl<M: StateMachine> Hosted for Host<M> {
    fn step(&mut self, command: &[u8], now: Timestamp) -> Result<Stepped, PlatformError> {
        let command: M::Command = decode(command).map_err(unreadable)?;
        let (resident, rows) = self.memory();
        for key in resident.missing(&command) {
            if let Some((_, value)) = rows.parts.get(&key) {
                resident.supply(key, value).map_err(unreadable)?;
            }
        }
        let stepped = resident.step(command, now);
        Ok(Stepped { reply: encode(&stepped.reply), writes: stepped.writes })
    }

    fn wake(&self) -> Vec<u8> {
        encode(&M::wake())
    }

    fn wake_at(&mut self) -> Option<Timestamp> {
        self.memory().0.wake_at()
    }

    fn undelivered(&mut self) -> u64 {
        self.memory().0.undelivered()
    }

    fn batch(&mut self) -> Option<Batch> {
        let (resident, rows) = self.memory();
        let oldest: Vec<Vec<u8>> = rows.events.values().take(BATCH_MAX).cloned().collect();
        resident.next_batch(&oldest, BATCH_MAX).expect("a machine's own events")
    }

    fn acknowledge(&mut self, batch: &Batch) -> Vec<Write> {
        self.memory().0.acknowledge(batch.through)
    }

    fn forget(&mut self) {
        self.memory = None;
    }

    fn drop_due(&mut self, now: Timestamp) {
        self.rows.parts.retain(|key, (due, _)| M::resident(*key) || *due > now);
    }

    fn rows(&self) -> &Rows {
        &self.rows
    }

    fn rows_mut(&mut self) -> &mut Rows {
        &mut self.rows
    }
}

fn unreadable(error: LayoutError) -> PlatformError {
    PlatformError::malformed(error.to_string())
}
