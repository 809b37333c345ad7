//! What a machine's host has on disk, and how it reads for whoever checks it.

use domain::state_machine::{PartKey, StateMachine};
use domain::time::Timestamp;
use minicbor::{Decode, Encode};
use platform::resident::{LayoutError, Resident, Write};
use std::collections::BTreeMap;

/// The rows of one machine.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub head: Option<Vec<u8>>,
    pub parts: BTreeMap<PartKey, (Timestamp, Vec<u8>)>,
    pub events: BTreeMap<u64, Vec<u8>>,
}

/// The head's row as `platform::resident` writes it, read here by its numbers alone: the checks trust
/// the disk and not the code that wrote it.
#[derive(Debug, Default, Encode, Decode)]
pub struct HeadRow<'a> {
    #[n(0)]
    pub layout: u32,
    #[cbor(b(1), with = "minicbor::bytes")]
    pub head: &'a [u8],
    #[b(2)]
    pub parts: Vec<InlinePart<'a>>,
    #[b(3)]
    pub events: Vec<InlineEvent<'a>>,
    #[n(4)]
    pub next_sequence: u64,
    #[n(5)]
    pub acknowledged: u64,
}

#[derive(Debug, Encode, Decode)]
pub struct InlinePart<'a> {
    #[n(0)]
    pub key: PartKey,
    #[cbor(b(1), with = "minicbor::bytes")]
    pub value: &'a [u8],
}

#[derive(Debug, Encode, Decode)]
pub struct InlineEvent<'a> {
    #[n(0)]
    pub sequence: u64,
    #[cbor(b(1), with = "minicbor::bytes")]
    pub value: &'a [u8],
}

impl Rows {
    /// What a host does when it starts: the head, and the parts that are kept in memory.
    pub fn load<M: StateMachine>(&self) -> Result<Resident<M>, LayoutError> {
        let mut resident = Resident::load(self.head.as_deref())?;
        for (key, (_, value)) in self.parts.iter().filter(|(key, _)| M::resident(**key)) {
            resident.supply(*key, value)?;
        }
        Ok(resident)
    }

    pub fn apply(&mut self, writes: Vec<Write>) {
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

    /// # Panics
    /// If the head's row has another form than [`HeadRow`]: then this must follow the new layout.
    pub fn head_row(&self) -> HeadRow<'_> {
        self.head.as_deref().map_or_else(HeadRow::default, |row| {
            minicbor::decode(row).expect("the head's row has the layout that the simulator knows")
        })
    }
}
