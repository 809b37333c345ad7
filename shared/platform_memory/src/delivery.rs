//! From a machine's outbox to wherever the test says its events go.

use crate::MemoryPlatform;
use crate::rows::Rows;
use crate::state::{Key, unreadable};
use core::future::Future;
use domain::state_machine::StateMachine;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use platform::PlatformError;
use platform::resident::{Batch, Resident, decode};

/// Events in one batch at most; small, so that tests see several.
const BATCH_MAX: usize = 50;

pub(crate) type Sink =
    dyn Fn(MemoryPlatform, Delivered) -> LocalBoxFuture<'static, Result<(), PlatformError>>;

/// A batch of one machine's events, oldest first. May come again if its acknowledgement was lost.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub kind: &'static str,
    pub name: String,
    events: Vec<Vec<u8>>,
}

impl Delivered {
    /// # Panics
    /// If the batch is of another machine.
    pub fn events<M: StateMachine>(&self) -> Vec<M::Event> {
        assert_eq!(self.kind, M::KIND);
        decoded::<M>(&self.events)
    }
}

impl MemoryPlatform {
    /// Where events go, such as into `usage_logs`. Without it they are only remembered, for
    /// [`Self::delivered`]. When the sink fails, its batch waits.
    pub fn deliver_to<F>(&self, sink: impl Fn(Self, Delivered) -> F + 'static)
    where
        F: Future<Output = Result<(), PlatformError>> + 'static,
    {
        *self.0.state.sink.borrow_mut() =
            Some(std::rc::Rc::new(move |platform, batch| sink(platform, batch).boxed_local()));
    }

    /// Delivers what waits in all machines of a kind.
    pub async fn deliver_all<M: StateMachine>(&self) -> Result<(), PlatformError> {
        for key in self.names::<M>() {
            self.deliver_machine::<M>(&key).await?;
        }
        Ok(())
    }

    /// All events of the named machine that were delivered and acknowledged.
    pub fn delivered<M: StateMachine>(&self, name: &str) -> Vec<M::Event> {
        let delivered = self.0.state.delivered.borrow();
        delivered.get(&(M::KIND, name.to_owned())).map_or_else(Vec::new, |events| decoded::<M>(events))
    }

    /// How many events of the named machine wait.
    pub fn undelivered<M: StateMachine>(&self, name: &str) -> Result<u64, PlatformError> {
        self.with_resident::<M, _>(&(M::KIND, name.to_owned()), |resident, _| Ok(resident.undelivered()))
    }

    pub(crate) async fn deliver_machine<M: StateMachine>(&self, key: &Key) -> Result<(), PlatformError> {
        self.reach_state()?;
        while let Some(batch) = self.next_batch::<M>(key)? {
            let sink = self.0.state.sink.borrow().clone();
            if let Some(sink) = sink {
                let delivered = Delivered { kind: key.0, name: key.1.clone(), events: batch.events.clone() };
                sink(self.clone(), delivered).await?;
            }
            let acknowledge = |resident: &mut Resident<M>, _: &Rows| Ok(resident.acknowledge(batch.through));
            let writes = self.with_resident::<M, _>(key, acknowledge)?;
            self.store(key, writes)?;
            // No test asks a room in a folder, and it may run for long.
            if self.0.state.file.is_none() {
                self.0.state.delivered.borrow_mut().entry(key.clone()).or_default().extend(batch.events);
            }
        }
        Ok(())
    }

    /// The oldest events, from rows of their own and from beside the head.
    fn next_batch<M: StateMachine>(&self, key: &Key) -> Result<Option<Batch>, PlatformError> {
        self.with_resident::<M, _>(key, |resident, rows| {
            let oldest: Vec<Vec<u8>> = rows.events().values().take(BATCH_MAX).cloned().collect();
            resident.next_batch(&oldest, BATCH_MAX)
        })
    }
}

/// # Panics
/// If a machine's own event cannot be read back.
fn decoded<M: StateMachine>(events: &[Vec<u8>]) -> Vec<M::Event> {
    let event = |bytes: &Vec<u8>| decode(bytes).map_err(unreadable).expect("a machine reads its own events");
    events.iter().map(event).collect()
}
