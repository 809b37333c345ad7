//! A state machine in a Durable Object: loads rows, steps, stores, answers; delivers what waits.

use crate::host::{self, Rows, text_of};
use core::cell::RefCell;
use core::time::Duration;
use domain::state_machine::{PartKey, StateMachine};
use domain::time::Timestamp;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Shared};
use js_sys::{Array, Uint8Array};
use platform::PlatformError;
use platform::resident::{Batch, LayoutError, Resident, Write, decode, encode};
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};

/// How long events wait for others, so that they leave in one batch.
const DELIVERY_DELAY: Duration = Duration::from_secs(2);
/// So many events wait for no others: they are a batch.
const DELIVERY_AT: u64 = BATCH_MAX as u64;
/// How long after a failed delivery the next one is tried.
const DELIVERY_RETRY: Duration = Duration::from_secs(10);
/// Events in one batch at most.
const BATCH_MAX: u32 = 500;

#[derive(Clone, Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Sink(#[from] PlatformError),
    #[error("the rows could not be written: {0}")]
    Rows(String),
}

type Delivery = Shared<LocalBoxFuture<'static, Result<(), DeliveryError>>>;

pub struct DurableMachine<M: StateMachine> {
    rows: Rows,
    resident: RefCell<Resident<M>>,
    /// The delivery that is under way, so that two never acknowledge the same events.
    delivery: RefCell<Option<Delivery>>,
}

impl<M: StateMachine> DurableMachine<M> {
    /// Reads the head and the parts that are kept in memory.
    pub fn load(rows: Rows) -> Result<Self, LayoutError> {
        let mut resident = Resident::load(rows.head().as_deref())?;
        let parts = rows.resident_parts();
        for at in (0..parts.length()).step_by(2) {
            let bytes = |at| parts.get(at).unchecked_into::<Uint8Array>().to_vec();
            let key = PartKey::from_bytes(&bytes(at)).ok_or(LayoutError::Unreadable)?;
            resident.supply(key, &bytes(at + 1))?;
        }
        Ok(Self { rows, resident: resident.into(), delivery: RefCell::default() })
    }

    pub fn name(&self) -> String {
        self.rows.name()
    }

    /// Runs encoded commands, one step each, and stores them together. A command that cannot be read gets
    /// no reply. When this answers, everything is stored; when it fails, the memory is no longer to be
    /// trusted and the machine must be loaded again.
    pub fn apply(&self, commands: &Array) -> Result<Array, JsValue> {
        let mut writes = Vec::new();
        let replies = Array::new();
        for command in commands.iter() {
            let bytes = command.unchecked_into::<Uint8Array>().to_vec();
            let reply = match decode(&bytes) {
                Ok(command) => Uint8Array::from(encode(&self.step(command, &mut writes)?).as_slice()).into(),
                Err(_) => JsValue::UNDEFINED,
            };
            replies.push(&reply);
        }
        self.finish(writes)?;
        Ok(replies)
    }

    /// Steps in memory; what must be stored is added to `writes`.
    fn step(&self, command: M::Command, writes: &mut Vec<Write>) -> Result<M::Reply, JsValue> {
        let mut resident = self.resident.borrow_mut();
        let missing = resident.missing(&command);
        if !missing.is_empty() {
            // An earlier command of this call may have written what this one reads.
            self.store(core::mem::take(writes))?;
        }
        for key in missing {
            if let Some(value) = self.rows.part(&key.to_bytes()) {
                resident.supply(key, &value).map_err(|error| JsValue::from_str(&error.to_string()))?;
            }
        }
        let stepped = resident.step(command, now());
        // Only the last head counts.
        if stepped.writes.iter().any(|write| matches!(write, Write::Head(_))) {
            writes.retain(|write| !matches!(write, Write::Head(_)));
        }
        writes.extend(stepped.writes);
        Ok(stepped.reply)
    }

    /// Stores, and sets the alarm for what waits.
    fn finish(&self, writes: Vec<Write>) -> Result<(), JsValue> {
        self.store(writes)?;
        self.arm_for_what_waits();
        Ok(())
    }

    fn arm_for_what_waits(&self) {
        let resident = self.resident.borrow();
        if resident.undelivered() > 0 || resident.wake_at().is_some() {
            // Not the time that a hold is due: a call is likely to settle sooner, and its row should leave.
            let delay = if resident.undelivered() >= DELIVERY_AT { Duration::ZERO } else { DELIVERY_DELAY };
            self.arm(now().plus(delay));
        }
    }

    fn store(&self, writes: Vec<Write>) -> Result<(), JsValue> {
        if writes.is_empty() {
            return Ok(());
        }
        self.rows.create()?;
        match writes.as_slice() {
            [Write::Head(value)] => self.rows.put_head(Uint8Array::from(value.as_slice())),
            writes => self.rows.write(writes.iter().map(as_row).collect()),
        }
    }

    fn arm(&self, at: Timestamp) {
        self.rows.arm(at.as_millis() as f64);
    }

    /// The alarm: ends what is due, delivers, and sets itself again if something is left.
    pub async fn wake(
        self: Rc<Self>,
        sink: impl AsyncFn(&str, Vec<M::Event>) -> Result<(), PlatformError> + 'static,
    ) -> Result<(), JsValue> {
        self.end_what_is_due()?;
        if let Err(error) = self.clone().deliver_what_waits(sink).await {
            log::error!("{}: events wait, since they could not be delivered: {error}", self.name());
            self.arm(now().plus(DELIVERY_RETRY));
        }
        if let Some(at) = self.resident.borrow().wake_at() {
            self.arm(at);
        }
        Ok(())
    }

    /// Ends what is due, and delivers all events that wait now.
    pub async fn deliver(
        self: Rc<Self>,
        sink: impl AsyncFn(&str, Vec<M::Event>) -> Result<(), PlatformError> + 'static,
    ) -> Result<(), DeliveryError> {
        let stored = self.end_what_is_due().map_err(|error| DeliveryError::Rows(text_of(&error)))?;
        if stored {
            // Should this delivery fail, the alarm makes the next.
            self.arm_for_what_waits();
        }
        self.deliver_what_waits(sink).await
    }

    /// Whether anything was to be stored.
    fn end_what_is_due(&self) -> Result<bool, JsValue> {
        let mut writes = Vec::new();
        self.step(M::wake(), &mut writes)?;
        let stored = !writes.is_empty();
        self.store(writes)?;
        self.rows.drop_due(now().as_millis() as f64)?;
        Ok(stored)
    }

    /// Repeated deliveries are the sink's to tell apart.
    async fn deliver_what_waits(
        self: Rc<Self>,
        sink: impl AsyncFn(&str, Vec<M::Event>) -> Result<(), PlatformError> + 'static,
    ) -> Result<(), DeliveryError> {
        let under_way = self.delivery.borrow().clone();
        if let Some(delivery) = under_way {
            delivery.await?;
        }
        let delivery = self.clone().deliver_batches(sink).boxed_local().shared();
        *self.delivery.borrow_mut() = Some(delivery.clone());
        let result = delivery.await;
        self.delivery.borrow_mut().take();
        result
    }

    async fn deliver_batches(
        self: Rc<Self>,
        sink: impl AsyncFn(&str, Vec<M::Event>) -> Result<(), PlatformError>,
    ) -> Result<(), DeliveryError> {
        let name = self.name();
        while let Some(batch) = self.next_batch()? {
            sink(&name, batch.decoded()?).await?;
            let writes = self.resident.borrow_mut().acknowledge(batch.through);
            self.store(writes).map_err(|error| DeliveryError::Rows(text_of(&error)))?;
        }
        Ok(())
    }

    fn next_batch(&self) -> Result<Option<Batch>, LayoutError> {
        let resident = self.resident.borrow();
        let mut rows = Vec::new();
        if resident.has_row_events() {
            rows = self
                .rows
                .events(BATCH_MAX)
                .iter()
                .map(|row| row.unchecked_into::<Uint8Array>().to_vec())
                .collect();
        }
        resident.next_batch(&rows, BATCH_MAX as usize)
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(host::now() as i64)
}

/// `[operation, key or sequence, due, value]`, as `js/rows.mjs` reads it.
fn as_row(write: &Write) -> JsValue {
    let bytes = |value: &[u8]| JsValue::from(Uint8Array::from(value));
    let number = |value: u64| JsValue::from_f64(value as f64);
    let (operation, key, due, value) = match write {
        Write::Head(value) => ("head", JsValue::NULL, JsValue::NULL, bytes(value)),
        // Far-future times are beyond what a number carries; such parts are never due.
        Write::Put { key, due, value } => (
            "put",
            bytes(&key.to_bytes()),
            JsValue::from_f64(due.as_millis().min(1 << 53) as f64),
            bytes(value),
        ),
        Write::Delete { key } => ("delete", bytes(&key.to_bytes()), JsValue::NULL, JsValue::NULL),
        Write::PutEvents { through, value } => ("put events", number(*through), JsValue::NULL, bytes(value)),
        Write::DeleteEventsThrough { sequence } => {
            ("delete events", number(*sequence), JsValue::NULL, JsValue::NULL)
        }
    };
    Array::of4(&operation.into(), &key, &due, &value).into()
}
