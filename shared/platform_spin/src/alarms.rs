//! What machines wait for while nobody comes by: holds that run out, events that nobody delivered. On Spin nothing
//! wakes by itself, so the scheduler rings.

use crate::database_sqlite::failed;
use crate::delivery::deliver_kind;
use crate::ledger_sql;
use crate::spin_platform::SpinPlatform;
use crate::sqlite::{Database, Patience, SqliteError};
use crate::state_rows::{DELIVERY_OVERDUE, StateError, apply, find_head, integer, text};
use domain::account::Account;
use domain::state_machine::StateMachine;
use domain::tenant_pool::TenantPool;
use platform::resident::LayoutError;
use platform::{Clock, PlatformError};
use spin_sdk::sqlite::Value;

/// Machines looked after in one run; the next run begins with those that have waited longest.
const MACHINES_MAX: i64 = 1_000;

impl SpinPlatform {
    /// Looks after every machine whose alarm is due: ends what is due, delivers what waits, and sets the next alarm.
    /// Safe to repeat, also at once. Returns how many could not be looked after; they come again.
    pub async fn ring_alarms(&self) -> Result<u64, PlatformError> {
        let parameters = [Value::Integer(self.now().as_millis()), Value::Integer(MACHINES_MAX)];
        let database = self.ledger()?;
        let due =
            match database.execute_patiently(ledger_sql::DUE_ALARMS, &parameters, &mut Patience::new()).await
            {
                Err(SqliteError::NoSuchTable(_)) => return Ok(0),
                other => other.map_err(failed)?,
            };
        let mut failures = 0;
        for row in due.rows {
            let Ok([Value::Text(kind), Value::Text(name)]) = <[Value; 2]>::try_from(row.values) else {
                continue;
            };
            let rung = match kind.as_str() {
                Account::KIND => ring::<Account>(self, &database, &name).await,
                TenantPool::KIND => ring::<TenantPool>(self, &database, &name).await,
                _ => Err(PlatformError::malformed(kind)),
            };
            if let Err(error) = rung {
                log::error!("{name} could not be looked after: {error}");
                failures += 1;
            }
        }
        Ok(failures)
    }
}

async fn ring<M: StateMachine>(
    platform: &SpinPlatform,
    database: &Database,
    name: &str,
) -> Result<(), PlatformError> {
    let looked_after = async {
        apply::<M>(platform, name, &M::wake()).await?;
        deliver_kind(platform, M::KIND, name).await
    };
    let looked_after = looked_after.await;
    // Also after a failure: others must not wait behind a machine that never succeeds.
    set_alarm::<M>(platform, database, name).await?;
    looked_after
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
        let waiting = (found.resident.undelivered() > 0).then(|| now.plus(DELIVERY_OVERDUE));
        let times = [waiting, found.resident.wake_at()].into_iter().flatten().map(|at| at.as_millis());
        // What is overdue and still there could not be ended now.
        let next = times.chain(in_rows).min().map(|at| at.max(now.plus(DELIVERY_OVERDUE).as_millis()));
        // The part of a machine that lasts for ever is due in the far future.
        let next = next.filter(|at| *at < domain::time::Timestamp::FAR_FUTURE.as_millis());
        found.store_head(database, name, None, next)
    });
    match set.await {
        // Somebody has just used it, and has set the alarm.
        Ok(()) | Err(StateError::Changed) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
