//! Decisions that must be strongly consistent, as pure functions of state, command and time.

use crate::time::Timestamp;
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};

/// What is stored, sent or delivered: numbered fields, so that a newer release may add some.
pub trait Codec: Encode<()> + for<'b> Decode<'b, ()> + 'static {}
impl<T: Encode<()> + for<'b> Decode<'b, ()> + 'static> Codec for T {}

/// A thing whose every change is one atomic step. Hosts keep one per name.
pub trait StateMachine: Sized + 'static {
    const KIND: &'static str;
    /// Small, rewritten by every step.
    type Head: Codec + Default;
    /// Keyed, loaded and stored one by one, so that a step costs the same with one or a thousand.
    type Part: Codec + Part;
    type Command: Codec;
    type Reply: Codec;
    type Event: Codec;

    /// Kinds of which there are few parts: every step sees all of them.
    const STANDING: &'static [u8];

    /// The parts of other kinds that `command` looks at or changes. Parts that are due are always there as well.
    fn reads(command: &Self::Command) -> Vec<PartKey>;

    /// Whether `command` looks at all parts that [`Self::resident`] names. Hosts without memory load them
    /// first, so only rare commands may.
    fn reads_all(_command: &Self::Command) -> bool {
        false
    }

    /// Whether this reply needed all of those parts as well: a host that had handed in some forgets the step
    /// and repeats it with all.
    fn needed_all(_reply: &Self::Reply) -> bool {
        false
    }

    /// Pure and synchronous: the same state, command and time always give the same result. `now`
    /// never runs backwards.
    fn step(
        state: &mut State<Self::Head, Self::Part>,
        command: Self::Command,
        now: Timestamp,
    ) -> Outcome<Self::Reply, Self::Event>;

    /// Whether a host that keeps state in memory keeps this part there. Parts that pile up over months
    /// are not: they are read when a command names them, and dropped when due.
    fn resident(key: PartKey) -> bool;

    /// What the host sends when a part that [`Part::wakes`] is due and nobody else came by.
    fn wake() -> Self::Command;
}

/// What a step answers, and what it tells the world once the step is stored.
pub struct Outcome<R, E> {
    pub reply: R,
    pub events: Vec<E>,
}

pub trait Part {
    /// From this instant on every step sees the part, so that it can end it.
    fn due(&self) -> Timestamp;
    /// Whether the machine must be woken when the part is due, or may leave it until the next command.
    fn wakes(&self) -> bool;
    /// Whether it lives shortly or most steps rewrite it, so that it lies beside the head while there is room.
    fn is_hot(&self) -> bool;
}

/// Names a part: its kind and an id that is unique within the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PartKey {
    #[n(0)]
    pub kind: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub id: [u8; 16],
}

impl PartKey {
    pub fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [self.kind; 17];
        bytes[1..].copy_from_slice(&self.id);
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, id) = bytes.split_first()?;
        Some(Self { kind: *kind, id: id.try_into().ok()? })
    }
}

/// A head and the parts at hand, which remembers what was changed.
pub struct State<H, P> {
    pub head: H,
    /// For hosts to set: how many events wait for delivery.
    pub undelivered: u64,
    parts: BTreeMap<PartKey, P>,
    due: BTreeSet<(Timestamp, PartKey)>,
    changed: BTreeSet<PartKey>,
}

impl<H: Default, P: Part> Default for State<H, P> {
    fn default() -> Self {
        Self::new(H::default())
    }
}

impl<H, P: Part> State<H, P> {
    pub fn new(head: H) -> Self {
        Self { head, undelivered: 0, parts: BTreeMap::new(), due: BTreeSet::new(), changed: BTreeSet::new() }
    }

    pub fn part(&self, key: PartKey) -> Option<&P> {
        self.parts.get(&key)
    }

    /// All parts at hand of one kind.
    pub fn parts_of(&self, kind: u8) -> impl Iterator<Item = (PartKey, &P)> {
        let bounds = PartKey { kind, id: [0; 16] }..=PartKey { kind, id: [0xff; 16] };
        self.parts.range(bounds).map(|(key, part)| (*key, part))
    }

    pub fn put(&mut self, key: PartKey, part: P) {
        self.load(key, part);
        self.changed.insert(key);
    }

    pub fn remove(&mut self, key: PartKey) -> Option<P> {
        let part = self.forget(key)?;
        self.changed.insert(key);
        Some(part)
    }

    /// The earliest part that is due at `now`.
    pub fn first_due(&self, now: Timestamp) -> Option<PartKey> {
        self.due.first().filter(|(due, _)| *due <= now).map(|(_, key)| *key)
    }

    /// When the machine has to be woken at the latest.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.due.iter().find(|(_, key)| self.parts[key].wakes()).map(|(due, _)| *due)
    }

    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// For hosts: adds a part as it is stored.
    pub fn load(&mut self, key: PartKey, part: P) {
        self.forget(key);
        self.due.insert((part.due(), key));
        self.parts.insert(key, part);
    }

    /// For hosts: drops a part from memory; what is stored stays.
    pub fn forget(&mut self, key: PartKey) -> Option<P> {
        let part = self.parts.remove(&key)?;
        self.due.remove(&(part.due(), key));
        Some(part)
    }

    /// For hosts: the keys written or removed since the last call.
    pub fn take_changed(&mut self) -> BTreeSet<PartKey> {
        core::mem::take(&mut self.changed)
    }
}
