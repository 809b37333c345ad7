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

#[cfg(test)]
mod tests {
    use super::*;
    use domain::account::{Adjust, Command, Configuration, Configure};
    use domain::identity::RequestId;
    use domain::money::NanoEur;
    use platform_memory::MemoryPlatform;
    use tokio::task::LocalSet;
    use tokio::time::{pause, sleep};

    const NAME: &str = "eu-00000000000000000000000000000001";

    async fn charge(platform: &impl AtomicState, id: u8) {
        let configuration = Configuration::new("tenant", NanoEur::euros(1_000));
        let configure = Command::Configure(Box::new(Configure { configuration }));
        platform.apply::<Account>(NAME, configure).await.unwrap();
        let operation_id = RequestId([id; 16]);
        let adjust = Adjust { operation_id, amount: NanoEur::euros(1), reason: "by hand".into() };
        platform.apply::<Account>(NAME, Command::Adjust(adjust)).await.unwrap();
    }

    /// Time stands still, except that it leaps to the next alarm when nothing is left to do.
    async fn with_leaping_time(test: impl Future<Output = ()>) {
        pause();
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn events_are_delivered_a_moment_after_the_step_that_nobody_asks_for() {
        let room = MemoryPlatform::new();
        with_leaping_time(async {
            let platform = NativePlatform::start(room.clone()).unwrap();
            charge(&platform, 1).await;
            assert_eq!(room.undelivered::<Account>(NAME), Ok(1));
            sleep(2 * DELIVERY_DELAY).await;
            assert_eq!(room.undelivered::<Account>(NAME), Ok(0));
        })
        .await;
    }

    #[tokio::test]
    async fn what_an_earlier_process_left_is_delivered_after_the_start() {
        let room = MemoryPlatform::new();
        with_leaping_time(async {
            charge(&room, 1).await;
            let _platform = NativePlatform::start(room.clone()).unwrap();
            sleep(DELIVERY_DELAY).await;
            assert_eq!(room.undelivered::<Account>(NAME), Ok(0));
        })
        .await;
    }

    #[tokio::test]
    async fn a_delivery_that_fails_is_tried_again() {
        let room = MemoryPlatform::new();
        with_leaping_time(async {
            let platform = NativePlatform::start(room.clone()).unwrap();
            room.set_database_down(true);
            charge(&platform, 1).await;
            sleep(2 * DELIVERY_DELAY).await;
            assert_eq!(room.undelivered::<Account>(NAME), Ok(1));
            room.set_database_down(false);
            sleep(2 * DELIVERY_RETRY).await;
            assert_eq!(room.undelivered::<Account>(NAME), Ok(0));
        })
        .await;
    }

    #[tokio::test]
    async fn a_machine_rings_once_at_a_time_and_at_the_earliest_time_asked_for() {
        pause();
        let (alarms, machine) = (Alarms::default(), (Account::KIND, NAME.to_owned()));
        alarms.arm(machine.clone(), Duration::from_secs(2));
        alarms.arm(machine.clone(), Duration::from_secs(1));
        alarms.arm(machine.clone(), Duration::from_secs(3));
        assert_eq!(alarms.next(), Instant::now() + Duration::from_secs(1));
        assert!(alarms.take_due().is_empty());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(alarms.take_due(), std::slice::from_ref(&machine));
        alarms.arm(machine.clone(), Duration::ZERO);
        assert!(alarms.take_due().is_empty(), "it is still being looked after");
        alarms.rang(&machine);
        assert_eq!(alarms.take_due(), std::slice::from_ref(&machine));
        alarms.rang(&machine);
        assert!(alarms.set.borrow().is_empty());
    }
}
