//! What machines wait for while nobody comes by: holds that run out, events that nobody delivered. On Spin nothing
//! wakes by itself, so the scheduler rings.

use crate::database_sqlite::failed;
use crate::delivery::deliver_kind;
use crate::executor::{elapsed, sleep};
use crate::ledger_sql;
use crate::spin_platform::SpinPlatform;
use crate::sqlite::{Database, Patience, SqliteError};
use crate::state_rows::{Alarms, DELIVERY_OVERDUE, StateError, apply, find_head, integer, text};
use core::time::Duration;
use domain::account::Account;
use domain::state_machine::StateMachine;
use domain::tenant_pool::TenantPool;
use domain::time::Timestamp;
use platform::resident::LayoutError;
use platform::{Clock, PlatformError};
use spin_sdk::sqlite::Value;
use std::collections::BTreeSet;

/// Machines read at once.
const PAGE: i64 = 200;
/// How long one run rings; what is left then comes first in the next.
const RING_MAX: Duration = Duration::from_secs(20);
/// What becomes due so soon is waited for: a pool that recalls money asks some accounts a second.
const NEXT_WITHIN: Duration = Duration::from_secs(1);
/// When a machine that could not be looked after comes again.
const POSTPONED: Duration = Duration::from_secs(60);

/// What a run has rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rung {
    pub machines: u64,
    /// Of these, how many could not be looked after; they come again.
    pub failures: u64,
    /// Whether some were left for the next run.
    pub more: bool,
}

impl SpinPlatform {
    /// Looks after every machine whose alarm is due: ends what is due, delivers what waits, and sets the next alarm.
    /// Safe to repeat, also at once.
    pub async fn ring_alarms(&self) -> Result<Rung, PlatformError> {
        let database = self.ledger()?;
        let ends = elapsed() + RING_MAX;
        let mut rung = Rung::default();
        loop {
            let due = due_by(&database, self.now().plus(NEXT_WITHIN)).await?;
            let Some(first) = due.iter().map(|machine| machine.at).min() else { return Ok(rung) };
            let wait = Timestamp::from_millis(first).since(self.now());
            sleep(wait).await;
            let now = self.now().as_millis();
            let mut seen = BTreeSet::new();
            for machine in due.into_iter().filter(|machine| machine.at <= now) {
                if elapsed() > ends {
                    return Ok(Rung { more: true, ..rung });
                }
                if seen.insert((machine.kind.clone(), machine.name.clone())) {
                    rung.machines += 1;
                    rung.failures += u64::from(!self.look_after(&database, &machine).await?);
                }
            }
        }
    }

    /// Whether it succeeded. Fails when it could not even be postponed.
    async fn look_after(&self, database: &Database, machine: &Due) -> Result<bool, PlatformError> {
        let Due { kind, name, .. } = machine;
        let rung = match kind.as_str() {
            Account::KIND => ring::<Account>(self, database, name).await,
            TenantPool::KIND => ring::<TenantPool>(self, database, name).await,
            _ => Err(PlatformError::malformed(kind.clone())),
        };
        let Err(error) = rung else { return Ok(true) };
        log::error!("{name} could not be looked after: {error}");
        let (now, later) = (self.now(), self.now().plus(POSTPONED));
        let times = [now, later].map(|at| Value::Integer(at.as_millis()));
        let parameters: Vec<Value> = [text(kind), text(name)].into_iter().chain(times).collect();
        database
            .execute_patiently(ledger_sql::POSTPONE, &parameters, &mut Patience::new())
            .await
            .map_err(failed)?;
        Ok(false)
    }
}

/// A machine and when it wants to be looked after.
struct Due {
    kind: String,
    name: String,
    at: i64,
}

/// The first machines whose alarms ring by then.
async fn due_by(database: &Database, by: Timestamp) -> Result<Vec<Due>, PlatformError> {
    let parameters = [Value::Integer(by.as_millis()), Value::Integer(PAGE)];
    let mut due = Vec::new();
    for sql in [ledger_sql::DUE_DELIVERIES, ledger_sql::DUE_WAKES] {
        let found = match database.execute_patiently(sql, &parameters, &mut Patience::new()).await {
            // No machine was ever stored.
            Err(SqliteError::NoSuchTable(_)) => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        for row in found.rows {
            let Ok([Value::Text(kind), Value::Text(name), Value::Integer(at)]) =
                <[Value; 3]>::try_from(row.values)
            else {
                return Err(PlatformError::malformed("a row of the ledger"));
            };
            due.push(Due { kind, name, at });
        }
    }
    Ok(due)
}

async fn ring<M: StateMachine>(
    platform: &SpinPlatform,
    database: &Database,
    name: &str,
) -> Result<(), PlatformError> {
    apply::<M>(platform, name, &M::wake()).await?;
    deliver_kind(platform, M::KIND, name).await?;
    set_alarm::<M>(platform, database, name).await
}

/// Exactly: from all rows, since a step sees only some; and drops what is due and not kept.
async fn set_alarm<M: StateMachine>(
    platform: &SpinPlatform,
    database: &Database,
    name: &str,
) -> Result<(), PlatformError> {
    let now = platform.now();
    let mut patience = Patience::new();
    let set = database.transaction(&mut patience, |database| {
        let machine = [text(M::KIND), text(name)];
        let due = Value::Integer(now.as_millis());
        database.execute(ledger_sql::DROP_DUE, &[machine[0].clone(), machine[1].clone(), due])?;
        let found = find_head::<M>(database, name)?;
        let in_rows = database.execute(ledger_sql::FIRST_DUE, &machine)?.rows.into_iter().next();
        let in_rows = match in_rows.map(|row| row.values) {
            Some(values) => Some(values.first().and_then(integer).ok_or(LayoutError::Unreadable)?),
            None => None,
        };
        let overdue = now.plus(DELIVERY_OVERDUE).as_millis();
        let beside_head = found.resident.wake_at().map(Timestamp::as_millis);
        // What should have ended and is still there could not be ended now.
        let not_yet = |at: i64| if at <= now.as_millis() { overdue } else { at };
        let wake_at = beside_head.into_iter().chain(in_rows).min().map(not_yet);
        let alarms = Alarms {
            // The part of a machine that lasts for ever is due in the far future.
            wake_at: wake_at.filter(|at| *at < Timestamp::FAR_FUTURE.as_millis()),
            deliver_at: (found.resident.undelivered() > 0).then_some(overdue),
        };
        found.store_head(database, name, None, alarms)
    });
    match set.await {
        // Somebody has just used it, and has set the alarm.
        Ok(()) | Err(StateError::Changed) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
