//! From a machine's outbox to wherever its events go. No machine lives on after a request, so the request that left the
//! first event there stays a moment longer than its answer, and delivers what has come together; what it cannot is left
//! to the scheduler (`alarms.rs`).

use crate::database_sqlite::failed;
use crate::executor::sleep;
use crate::ledger_sql;
use crate::spin_platform::SpinPlatform;
use crate::sqlite::{Database, Patience, SqliteError};
use crate::state_rows::{Found, StateError, find_head, sequence_value, text};
use core::time::Duration;
use domain::account::Account;
use domain::state_machine::{Codec, StateMachine};
use domain::tenant_pool::TenantPool;
use domain::time::Timestamp;
use platform::resident::{Batch, LayoutError, Write};
use platform::{Clock, PlatformError};
use spin_sdk::sqlite::Value;

/// Events in one batch at most.
const BATCH_MAX: usize = 500;
/// How long events wait for others, so that a busy machine's leave in one batch: a delivery is two more commits.
const DELIVERY_DELAY: Duration = Duration::from_secs(1);
/// Times that one request waits and delivers; what comes then is left to a later one.
const ROUNDS_MAX: usize = 20;

/// Rows written, and events that still wait.
struct Acknowledged {
    rows: usize,
    waiting: u64,
}

/// A batch, and the machine as it was when it was read.
type Read<M> = (Batch, Found<M>);

/// Delivers for the machines that this request was the first to leave with something, and for those that are left so by
/// that.
pub(crate) async fn deliver_waiting(platform: &SpinPlatform) {
    for _ in 0..ROUNDS_MAX {
        let machines = platform.take_deliveries();
        if machines.is_empty() {
            return;
        }
        sleep(DELIVERY_DELAY).await;
        for (kind, name) in machines {
            if let Err(error) = deliver_kind(platform, kind, &name).await {
                log::error!("{name}: events wait, since they could not be delivered: {error}");
            }
        }
    }
}

/// The machines there are.
pub(crate) async fn deliver_kind(
    platform: &SpinPlatform,
    kind: &str,
    name: &str,
) -> Result<(), PlatformError> {
    match kind {
        Account::KIND => deliver::<Account>(platform, name).await,
        TenantPool::KIND => deliver::<TenantPool>(platform, name).await,
        _ => Err(PlatformError::malformed(format!("a machine of the kind {kind}"))),
    }
}

/// Delivers what waits now. Two may deliver the same at once: receivers tell repeated events apart.
pub(crate) async fn deliver<M: StateMachine>(
    platform: &SpinPlatform,
    name: &str,
) -> Result<(), PlatformError> {
    if let Some(hooks) = platform.hooks() {
        hooks.fault(name, || ()).await?;
    }
    let database = platform.ledger()?;
    while let Some((batch, found)) = next_batch::<M>(&database, name).await? {
        hand_over(platform, M::KIND, name, &batch).await?;
        let acknowledged = acknowledge::<M>(platform, &database, name, batch.through, found).await?;
        if let Some(hooks) = platform.hooks() {
            hooks.count_rows(acknowledged.rows).await;
        }
        if batch.events.len() < BATCH_MAX {
            // Those that came meanwhile wait for others again.
            if acknowledged.waiting > 0 {
                platform.deliver_later::<M>(name);
            }
            break;
        }
    }
    Ok(())
}

async fn hand_over(
    platform: &SpinPlatform,
    kind: &str,
    name: &str,
    batch: &Batch,
) -> Result<(), PlatformError> {
    match kind {
        Account::KIND => outbox::of_account(platform, name, decoded(batch)?).await,
        _ => outbox::of_pool(platform, name, decoded(batch)?).await,
    }
}

fn decoded<E: Codec>(batch: &Batch) -> Result<Vec<E>, PlatformError> {
    batch.decoded().map_err(|error| PlatformError::malformed(error.to_string()))
}

async fn next_batch<M: StateMachine>(
    database: &Database,
    name: &str,
) -> Result<Option<Read<M>>, PlatformError> {
    let mut patience = Patience::new();
    loop {
        match read_batch::<M>(database, name) {
            // No machine was ever stored.
            Err(StateError::Sqlite(SqliteError::NoSuchTable(_))) => return Ok(None),
            Err(StateError::Sqlite(SqliteError::Locked)) => patience.wait().await.map_err(failed)?,
            other => return Ok(other?),
        }
    }
}

/// The head first, so that no event which it tells of is missed among the rows.
fn read_batch<M: StateMachine>(database: &Database, name: &str) -> Result<Option<Read<M>>, StateError> {
    let found: Found<M> = find_head(database, name)?;
    let mut rows: Vec<Vec<u8>> = Vec::new();
    if found.resident.has_row_events() {
        let parameters = [text(M::KIND), text(name), sequence_value(BATCH_MAX as u64)];
        for row in database.execute(ledger_sql::EVENTS, &parameters)?.rows {
            let Ok([Value::Blob(value)]) = <[Value; 1]>::try_from(row.values) else {
                return Err(LayoutError::Unreadable.into());
            };
            rows.push(value);
        }
    }
    Ok(found.resident.next_batch(&rows, BATCH_MAX)?.map(|batch| (batch, found)))
}

/// Drops the events up to `through`, as far as they are still there: another delivery may have been quicker. Returns
/// what that took, and left.
async fn acknowledge<M: StateMachine>(
    platform: &SpinPlatform,
    database: &Database,
    name: &str,
    through: u64,
    mut found: Found<M>,
) -> Result<Acknowledged, PlatformError> {
    let now = platform.now();
    let mut patience = Patience::new();
    if !found.resident.has_row_events() {
        // One statement, unless the machine has gone on meanwhile.
        let writes = found.resident.acknowledge(through);
        match found.store_patiently(database, name, &writes, now, &mut patience).await {
            Err(StateError::Changed) => {}
            other => {
                let waiting = found.resident.undelivered();
                return Ok(other.map(|()| Acknowledged { rows: 1, waiting })?);
            }
        }
    }
    let acknowledged =
        database.transaction(&mut patience, |database| acknowledge_again::<M>(database, name, through, now));
    Ok(acknowledged.await?)
}

fn acknowledge_again<M: StateMachine>(
    database: &Database,
    name: &str,
    through: u64,
    now: Timestamp,
) -> Result<Acknowledged, StateError> {
    let mut found: Found<M> = find_head(database, name)?;
    let waited = found.resident.undelivered();
    let of_rows = match found.resident.has_row_events() {
        true => database
            .execute(ledger_sql::DELETE_EVENTS, &[text(M::KIND), text(name), sequence_value(through)])?
            .rows
            .len(),
        false => 0,
    };
    let mut writes = found.resident.acknowledge(through);
    // That is done: it was the way to count them.
    writes.retain(|write| !matches!(write, Write::DeleteEventsThrough { .. }));
    let waiting = found.resident.undelivered();
    if waiting == waited {
        return Ok(Acknowledged { rows: 0, waiting });
    }
    found.store(database, name, &writes, now)?;
    Ok(Acknowledged { rows: of_rows + 1, waiting })
}
