//! A fake disk: what a machine's host has stored, and nothing that is only in memory.

use domain::state_machine::{PartKey, StateMachine};
use domain::time::Timestamp;
use platform::resident::{LayoutError, Resident, Write};
use std::collections::BTreeMap;

/// The rows of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    head: Option<Vec<u8>>,
    parts: BTreeMap<PartKey, (Timestamp, Vec<u8>)>,
    events: BTreeMap<u64, Vec<u8>>,
}

impl Rows {
    /// What a host does when it starts: the head, and the parts that are kept in memory.
    pub(crate) fn load<M: StateMachine>(&self) -> Result<Resident<M>, LayoutError> {
        let mut resident = Resident::load(self.head.as_deref())?;
        for (key, (_, value)) in self.parts.iter().filter(|(key, _)| M::resident(**key)) {
            resident.supply(*key, value)?;
        }
        Ok(resident)
    }

    pub(crate) fn part(&self, key: PartKey) -> Option<&[u8]> {
        self.parts.get(&key).map(|(_, value)| value.as_slice())
    }

    pub(crate) fn apply(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Head(value) => self.head = Some(value),
                Write::Put { key, due, value } => drop(self.parts.insert(key, (due, value))),
                Write::Delete { key } => drop(self.parts.remove(&key)),
                Write::PutEvents { through, value } => drop(self.events.insert(through, value)),
                Write::DeleteEventsThrough { sequence } => self.events.retain(|at, _| *at > sequence),
            }
        }
    }

    /// What ends the parts that are due and not kept in memory.
    pub(crate) fn ends_of_due<M: StateMachine>(&self, now: Timestamp) -> Vec<Write> {
        let due = self.parts.iter().filter(|(key, (due, _))| !M::resident(**key) && *due <= now);
        due.map(|(key, _)| Write::Delete { key: *key }).collect()
    }

    pub(crate) const fn events(&self) -> &BTreeMap<u64, Vec<u8>> {
        &self.events
    }

    pub(crate) fn count(&self) -> usize {
        usize::from(self.head.is_some()) + self.parts.len() + self.events.len()
    }
}
