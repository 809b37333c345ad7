//! From a machine's outbox to wherever its events go. No machine lives on after a request, so the request that caused
//! events delivers them when it has answered; what it cannot is left to the scheduler (`alarms.rs`).

use crate::database_sqlite::failed;
use crate::ledger_sql;
use crate::spin_platform::SpinPlatform;
use crate::sqlite::{Database, Patience, SqliteError};
use crate::state_rows::{Found, StateError, find_head, sequence_value, text};
use domain::account::Account;
use domain::state_machine::{Codec, StateMachine};
use domain::tenant_pool::TenantPool;
use domain::time::Timestamp;
use platform::resident::{LayoutError, decode};
use platform::{Clock, PlatformError};
use spin_sdk::sqlite::Value;

/// Events in one batch at most.
const BATCH_MAX: u64 = 500;
/// Batches delivered at once; more are left to the next delivery.
const BATCHES_MAX: usize = 20;
/// Machines that one request delivers for: its own, and those that these events reach.
const MACHINES_MAX: usize = 64;

struct Batch<M: StateMachine> {
    events: Vec<Vec<u8>>,
    through: u64,
    /// The machine as it was when they were read.
    found: Found<M>,
}

/// Delivers for the machines that this request has left with something, and for those that are left so by that.
pub(crate) async fn deliver_waiting(platform: &SpinPlatform) {
    for _ in 0..MACHINES_MAX {
        let Some((kind, name)) = platform.next_delivery() else { return };
        if let Err(error) = deliver_kind(platform, kind, &name).await {
            log::error!("{name}: events wait, since they could not be delivered: {error}");
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
    for _ in 0..BATCHES_MAX {
        let Some(batch) = next_batch::<M>(&database, name).await? else { return Ok(()) };
        hand_over(platform, M::KIND, name, &batch.events).await?;
        let written = acknowledge::<M>(platform, &database, name, batch).await?;
        if let Some(hooks) = platform.hooks() {
            hooks.count_rows(written).await;
        }
    }
    platform.deliver_later::<M>(name);
    Ok(())
}

async fn hand_over(
    platform: &SpinPlatform,
    kind: &str,
    name: &str,
    events: &[Vec<u8>],
) -> Result<(), PlatformError> {
    match kind {
        Account::KIND => outbox::of_account(platform, name, decoded(events)?).await,
        _ => outbox::of_pool(platform, name, decoded(events)?).await,
    }
}

fn decoded<E: Codec>(events: &[Vec<u8>]) -> Result<Vec<E>, PlatformError> {
    let decoded: Result<_, LayoutError> = events.iter().map(|event| decode(event)).collect();
    decoded.map_err(|error| PlatformError::malformed(error.to_string()))
}

async fn next_batch<M: StateMachine>(
    database: &Database,
    name: &str,
) -> Result<Option<Batch<M>>, PlatformError> {
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

/// The oldest events, from rows of their own and from beside the head.
fn read_batch<M: StateMachine>(database: &Database, name: &str) -> Result<Option<Batch<M>>, StateError> {
    let found: Found<M> = find_head(database, name)?;
    let mut events: Vec<(u64, Vec<u8>)> = Vec::new();
    if found.resident.has_row_events() {
        let parameters = [text(M::KIND), text(name), sequence_value(BATCH_MAX)];
        for row in database.execute(ledger_sql::EVENTS, &parameters)?.rows {
            let Ok([Value::Integer(sequence), Value::Blob(value)]) = <[Value; 2]>::try_from(row.values)
            else {
                return Err(LayoutError::Unreadable.into());
            };
            events.push((sequence.unsigned_abs(), value));
        }
    }
    // With more rows than fit a batch, inline events beyond its last row wait for a later one.
    let all_rows = (events.len() as u64) < BATCH_MAX;
    let last_row = events.last().map_or(0, |(sequence, _)| *sequence);
    let inline = found.resident.inline_events().filter(|(sequence, _)| all_rows || *sequence <= last_row);
    events.extend(inline.map(|(sequence, value)| (sequence, value.to_vec())));
    let Some(through) = events.iter().map(|(sequence, _)| *sequence).max() else { return Ok(None) };
    Ok(Some(Batch { events: events.into_iter().map(|(_, value)| value).collect(), through, found }))
}

/// Drops the events up to `through`, as far as they are still there: another delivery may have been quicker. Returns
/// how many rows that took.
async fn acknowledge<M: StateMachine>(
    platform: &SpinPlatform,
    database: &Database,
    name: &str,
    batch: Batch<M>,
) -> Result<usize, PlatformError> {
    let (through, now) = (batch.through, platform.now());
    let mut patience = Patience::new();
    if !batch.found.resident.has_row_events() {
        // One statement, unless the machine has gone on meanwhile.
        let mut found = batch.found;
        let writes = found.resident.acknowledge(through, 0);
        match found.store_patiently(database, name, &writes, now, &mut patience).await {
            Err(StateError::Changed) => {}
            other => return Ok(other.map(|()| 1)?),
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
) -> Result<usize, StateError> {
    let mut found: Found<M> = find_head(database, name)?;
    let waited = found.resident.undelivered();
    let of_rows = match found.resident.has_row_events() {
        true => database
            .execute(ledger_sql::DELETE_EVENTS, &[text(M::KIND), text(name), sequence_value(through)])?
            .rows
            .len(),
        false => 0,
    };
    let writes = found.resident.acknowledge(through, of_rows as u64);
    if found.resident.undelivered() < waited {
        found.store(database, name, &writes, now)?;
        return Ok(of_rows + 1);
    }
    Ok(0)
}
