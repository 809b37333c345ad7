//! Wakes machines by themselves: when something is due, and when events wait to be delivered.

use crate::native_platform::NativePlatform;
use core::cell::RefCell;
use core::time::Duration;
use domain::account::Account;
use domain::state_machine::StateMachine;
use domain::tenant_pool::TenantPool;
use platform::{AtomicState, Clock, PlatformError};
use std::collections::BTreeMap;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

/// How long events wait for others, so that they leave in one batch.
const DELIVERY_DELAY: Duration = Duration::from_millis(200);
/// How long after a failed delivery the next one is tried.
const DELIVERY_RETRY: Duration = Duration::from_secs(10);
/// An alarm that is further away rings then, and sets itself again.
const ALARM_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A machine's kind and name.
type Machine = (&'static str, String);

#[derive(Default)]
pub struct Alarms {
    set: RefCell<BTreeMap<Machine, Alarm>>,
    changed: Notify,
}

#[derive(Default)]
struct Alarm {
    /// In real time, whatever clock a test has set.
    at: Option<Instant>,
    /// Somebody looks after the machine; until that ends, it does not ring again.
    ringing: bool,
}

impl Alarms {
    /// Rings at the earliest time that was asked for.
    fn arm(&self, machine: Machine, after: Duration) {
        let at = Instant::now() + after.min(ALARM_MAX);
        let mut set = self.set.borrow_mut();
        let alarm = set.entry(machine).or_default();
        if alarm.at.is_none_or(|earlier| at < earlier) {
            alarm.at = Some(at);
            self.changed.notify_one();
        }
    }

    /// The clock was set: every machine is to look what is due now.
    pub fn ring_all(&self) {
        let now = Instant::now();
        self.set
            .borrow_mut()
            .values_mut()
            .filter(|alarm| alarm.at.is_some())
            .for_each(|alarm| alarm.at = Some(now));
        self.changed.notify_one();
    }

    /// When the next one rings.
    fn next(&self) -> Instant {
        let set = self.set.borrow();
        let times = set.values().filter(|alarm| !alarm.ringing).filter_map(|alarm| alarm.at);
        times.min().unwrap_or_else(|| Instant::now() + ALARM_MAX)
    }

    fn take_due(&self) -> Vec<Machine> {
        let now = Instant::now();
        let mut set = self.set.borrow_mut();
        let is_due = |alarm: &Alarm| !alarm.ringing && alarm.at.is_some_and(|at| at <= now);
        let due = set.iter_mut().filter(|(_, alarm)| is_due(alarm));
        due.map(|(machine, alarm)| {
            *alarm = Alarm { at: None, ringing: true };
            machine.clone()
        })
        .collect()
    }

    fn rang(&self, machine: &Machine) {
        let mut set = self.set.borrow_mut();
        if let Some(alarm) = set.get_mut(machine) {
            alarm.ringing = false;
            if alarm.at.is_none() {
                set.remove(machine);
            }
        }
        self.changed.notify_one();
    }
}

/// What an earlier process has left.
pub fn ring_all_stored(platform: &NativePlatform) {
    ring_stored::<Account>(platform);
    ring_stored::<TenantPool>(platform);
}

fn ring_stored<M: StateMachine>(platform: &NativePlatform) {
    for name in platform.room().machines::<M>() {
        platform.alarms().arm((M::KIND, name), Duration::ZERO);
    }
}

/// Goes on as long as the host.
pub async fn keep_ringing(platform: NativePlatform) {
    loop {
        tokio::select! {
            () = sleep_until(platform.alarms().next()) => {}
            () = platform.alarms().changed.notified() => {}
        }
        for machine in platform.alarms().take_due() {
            // Each by itself: one that hangs holds up no other.
            spawn_local(ring(platform.clone(), machine));
        }
    }
}

async fn ring(platform: NativePlatform, machine: Machine) {
    let (kind, name) = &machine;
    let next = match *kind {
        Account::KIND => look_after::<Account>(&platform, name).await,
        _ => look_after::<TenantPool>(&platform, name).await,
    };
    match next {
        Ok(Some(after)) => platform.alarms().arm(machine.clone(), after),
        Ok(None) => {}
        Err(error) => {
            log::error!("{name}: events wait, since they could not be delivered: {error}");
            platform.alarms().arm(machine.clone(), DELIVERY_RETRY);
        }
    }
    platform.alarms().rang(&machine);
}

/// Ends what is due, delivers what waits, and tells when to come again.
async fn look_after<M: StateMachine>(
    platform: &NativePlatform,
    name: &str,
) -> Result<Option<Duration>, PlatformError> {
    platform.deliver::<M>(name).await?;
    let at = platform.room().wakes_at::<M>(name)?;
    // What is overdue and still there could not be ended now.
    Ok(at.map(|at| at.since(platform.now()).max(DELIVERY_DELAY)))
}

/// After a step. Not at the time that a hold is due: a call is likely to settle sooner, and its row should leave.
pub fn arm_for_what_waits<M: StateMachine>(platform: &NativePlatform, name: &str) {
    let room = platform.room();
    let events_wait = room.undelivered::<M>(name).is_ok_and(|events| events > 0);
    if events_wait || room.wakes_at::<M>(name).is_ok_and(|at| at.is_some()) {
        platform.alarms().arm((M::KIND, name.to_owned()), DELIVERY_DELAY);
    }
}
