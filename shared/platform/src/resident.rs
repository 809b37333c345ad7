//! How a state machine lies in rows, for every host that has rows.
//!
//! One row holds the head, and beside it the short-lived parts and undelivered events as long as they
//! are small: so a step of a quiet account writes a single row, and one row is atomic by itself. Parts that
//! do not fit get rows of their own, so that a step never costs more with a thousand open holds. When events
//! fill their room, all of them move to one row together, so that an event costs a fraction of a row.

use domain::state_machine::{Codec, Part, PartKey, State, StateMachine};
use domain::time::Timestamp;
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[cfg(test)]
mod tests;

/// What lies beside the head at most: some fifty open calls, and a dozen events. A row costs the same whatever its
/// length, and one with more is written only while so much is open.
const PART_BYTES_MAX: usize = 8_000;
const EVENT_BYTES_MAX: usize = 3_000;
/// What keys, sequences and the encoding's own bytes add to a value beside the head, rounded up.
const INLINE_FRAME: usize = 28;
const LAYOUT: u32 = 1;

/// One change of the stored rows. All changes of a step are stored, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Head(Vec<u8>),
    Put {
        key: PartKey,
        due: Timestamp,
        value: Vec<u8>,
    },
    Delete {
        key: PartKey,
    },
    /// Several events, of which the last has the number `through`.
    PutEvents {
        through: u64,
        value: Vec<u8>,
    },
    /// Rows of events whose last has this number or a smaller one.
    DeleteEventsThrough {
        sequence: u64,
    },
}

/// What a step answers, and what must be stored before anybody hears of it.
pub struct Stepped<R> {
    pub reply: R,
    pub writes: Vec<Write>,
}

/// The oldest events that wait, in order.
pub struct Batch {
    pub events: Vec<Vec<u8>>,
    /// What [`Resident::acknowledge`] takes, once they are delivered.
    pub through: u64,
}

impl Batch {
    pub fn decoded<E: Codec>(&self) -> Result<Vec<E>, LayoutError> {
        self.events.iter().map(|event| decode(event)).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    #[error("a stored row cannot be read")]
    Unreadable,
    #[error("the rows were written by a newer release")]
    Newer,
}

#[derive(Encode, Decode)]
struct StoredHead {
    #[n(0)]
    layout: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    head: Vec<u8>,
    #[n(2)]
    parts: Vec<StoredPart>,
    #[n(3)]
    events: Vec<StoredEvent>,
    #[n(4)]
    next_sequence: u64,
    /// The number of the last event that was delivered.
    #[n(5)]
    acknowledged: u64,
}

#[derive(Encode, Decode)]
struct StoredPart {
    #[n(0)]
    key: PartKey,
    #[cbor(n(1), with = "minicbor::bytes")]
    value: Vec<u8>,
}

#[derive(Clone, Encode, Decode)]
struct StoredEvent {
    #[n(0)]
    sequence: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    value: Vec<u8>,
}

/// A machine in memory, and what is known of its rows. Discard it when a write fails.
pub struct Resident<M: StateMachine> {
    state: State<M::Head, M::Part>,
    head: Vec<u8>,
    inline_parts: BTreeMap<PartKey, Vec<u8>>,
    part_bytes: usize,
    /// The youngest events; older ones lie in rows.
    inline_events: VecDeque<StoredEvent>,
    event_bytes: usize,
    row_parts: BTreeSet<PartKey>,
    /// Parts that are in memory for this step only.
    visiting: Vec<PartKey>,
    acknowledged: u64,
    next_sequence: u64,
}

impl<M: StateMachine> Resident<M> {
    /// From the head's row, if there is one. Rows of resident parts follow by [`Self::supply`].
    pub fn load(row: Option<&[u8]>) -> Result<Self, LayoutError> {
        let Some(row) = row else { return Ok(Self::empty()) };
        let stored: StoredHead = decode(row)?;
        if stored.layout > LAYOUT {
            return Err(LayoutError::Newer);
        }
        let mut resident = Self { state: State::new(decode(&stored.head)?), ..Self::empty() };
        resident.head = stored.head;
        resident.next_sequence = stored.next_sequence;
        resident.acknowledged = stored.acknowledged;
        for part in stored.parts {
            resident.state.load(part.key, decode(&part.value)?);
            resident.part_bytes += framed(&part.value);
            resident.inline_parts.insert(part.key, part.value);
        }
        resident.event_bytes = stored.events.iter().map(|event| framed(&event.value)).sum();
        resident.inline_events = stored.events.into();
        Ok(resident)
    }

    fn empty() -> Self {
        Self {
            state: State::default(),
            // As if it were stored: a machine that was never anything else stores nothing.
            head: encode(&M::Head::default()),
            inline_parts: BTreeMap::new(),
            part_bytes: 0,
            inline_events: VecDeque::new(),
            event_bytes: 0,
            row_parts: BTreeSet::new(),
            visiting: Vec::new(),
            acknowledged: 0,
            next_sequence: 1,
        }
    }

    /// The parts that `command` reads and that a host must look up, since they are not kept in memory.
    pub fn missing(&self, command: &M::Command) -> Vec<PartKey> {
        let absent = |key: &PartKey| !M::resident(*key) && self.state.part(*key).is_none();
        M::reads(command).into_iter().filter(absent).collect()
    }

    /// Whether all parts that the command reads are here, for a host that has not loaded all that are kept in memory.
    pub fn has_all_for(&self, command: &M::Command) -> bool {
        !M::reads_all(command) && M::reads(command).into_iter().all(|key| self.state.part(key).is_some())
    }

    /// Hands in a part from its own row.
    pub fn supply(&mut self, key: PartKey, value: &[u8]) -> Result<(), LayoutError> {
        self.state.load(key, decode(value)?);
        self.in_own_row(key);
        Ok(())
    }

    pub fn step(&mut self, command: M::Command, now: Timestamp) -> Stepped<M::Reply> {
        self.state.undelivered = self.undelivered();
        let outcome = M::step(&mut self.state, command, now);
        let mut writes = Vec::new();
        let mut inline_changed = false;
        for key in self.state.take_changed() {
            inline_changed |= self.place_part(key, &mut writes);
        }
        for event in outcome.events {
            self.place_event(encode(&event), &mut writes);
            inline_changed = true;
        }
        self.evict();
        self.write_head(inline_changed, &mut writes);
        Stepped { reply: outcome.reply, writes }
    }

    pub fn wake_at(&self) -> Option<Timestamp> {
        self.state.wake_at()
    }

    pub const fn undelivered(&self) -> u64 {
        self.next_sequence - 1 - self.acknowledged
    }

    /// Whether some events lie in rows of their own; those are older than the others.
    pub fn has_row_events(&self) -> bool {
        let oldest_inline = self.inline_events.front().map_or(self.next_sequence, |event| event.sequence);
        self.acknowledged + 1 < oldest_inline
    }

    /// What to deliver next, `max` events at most. `rows` are the oldest rows of events, at least `max` of them or all.
    /// They may have been read later than the head: what is younger than the head is left, since others that came with
    /// it may be missing here.
    pub fn next_batch(&self, rows: &[Vec<u8>], max: usize) -> Result<Option<Batch>, LayoutError> {
        let mut waiting = BTreeMap::new();
        let is_known =
            |event: &StoredEvent| self.acknowledged < event.sequence && event.sequence < self.next_sequence;
        for row in rows {
            let events: Vec<StoredEvent> = decode(row)?;
            waiting.extend(events.into_iter().filter(is_known).map(|event| (event.sequence, event.value)));
            if waiting.len() >= max {
                break;
            }
        }
        if waiting.len() < max {
            let inline = self.inline_events.iter().map(|event| (event.sequence, event.value.clone()));
            waiting.extend(inline);
        }
        let batch: Vec<(u64, Vec<u8>)> = waiting.into_iter().take(max).collect();
        let Some(through) = batch.last().map(|(sequence, _)| *sequence) else { return Ok(None) };
        Ok(Some(Batch { events: batch.into_iter().map(|(_, value)| value).collect(), through }))
    }

    /// Drops every event up to `sequence`: they were delivered. A row stays until its last was.
    pub fn acknowledge(&mut self, sequence: u64) -> Vec<Write> {
        let mut writes = Vec::new();
        let sequence = sequence.min(self.next_sequence - 1);
        if sequence <= self.acknowledged {
            return writes;
        }
        if self.has_row_events() {
            writes.push(Write::DeleteEventsThrough { sequence });
        }
        while let Some(event) = self.inline_events.pop_front_if(|event| event.sequence <= sequence) {
            self.event_bytes -= framed(&event.value);
        }
        self.acknowledged = sequence;
        self.write_head(true, &mut writes);
        writes
    }

    /// Returns whether the head's row must be written for it.
    fn place_part(&mut self, key: PartKey, writes: &mut Vec<Write>) -> bool {
        let was_inline = match self.inline_parts.remove(&key) {
            Some(old) => {
                self.part_bytes -= framed(&old);
                true
            }
            None => false,
        };
        let Some(part) = self.state.part(key) else {
            if self.row_parts.remove(&key) {
                writes.push(Write::Delete { key });
            }
            return was_inline;
        };
        let (due, value) = (part.due(), encode(part));
        let fits = part.is_hot() && self.part_bytes + framed(&value) <= PART_BYTES_MAX;
        if fits && !self.row_parts.contains(&key) {
            self.part_bytes += framed(&value);
            self.inline_parts.insert(key, value);
            return true;
        }
        self.in_own_row(key);
        writes.push(Write::Put { key, due, value });
        was_inline
    }

    fn place_event(&mut self, value: Vec<u8>, writes: &mut Vec<Write>) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.event_bytes += framed(&value);
        self.inline_events.push_back(StoredEvent { sequence, value });
        if self.event_bytes > EVENT_BYTES_MAX {
            let events: Vec<StoredEvent> = self.inline_events.drain(..).collect();
            self.event_bytes = 0;
            writes.push(Write::PutEvents { through: sequence, value: encode(&events) });
        }
    }

    fn in_own_row(&mut self, key: PartKey) {
        self.row_parts.insert(key);
        if !M::resident(key) {
            self.visiting.push(key);
        }
    }

    fn evict(&mut self) {
        for key in self.visiting.drain(..) {
            self.state.forget(key);
            self.row_parts.remove(&key);
        }
    }

    fn write_head(&mut self, inline_changed: bool, writes: &mut Vec<Write>) {
        let head = encode(&self.state.head);
        if !inline_changed && head == self.head {
            return;
        }
        self.head = head;
        writes.push(Write::Head(self.encode_row()));
    }

    fn encode_row(&self) -> Vec<u8> {
        let part = |(key, value): (&PartKey, &Vec<u8>)| StoredPart { key: *key, value: value.clone() };
        encode(&StoredHead {
            layout: LAYOUT,
            head: self.head.clone(),
            parts: self.inline_parts.iter().map(part).collect(),
            events: self.inline_events.iter().cloned().collect(),
            next_sequence: self.next_sequence,
            acknowledged: self.acknowledged,
        })
    }
}

const fn framed(value: &[u8]) -> usize {
    value.len() + INLINE_FRAME
}

/// The bytes of a command, reply, part or event.
pub fn encode<T: Codec>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value)
        .expect("writing to memory does not fail, and derived encoders have no other error")
}

pub fn decode<T: Codec>(bytes: &[u8]) -> Result<T, LayoutError> {
    minicbor::decode(bytes).map_err(|_| LayoutError::Unreadable)
}
