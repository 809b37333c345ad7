//! A state machine in versioned rows of SQLite: our strongly consistent store on Spin.
//!
//! A step is decided outside of any lock on what one `SELECT` saw, then written if the version is still the same; if
//! somebody was quicker, it is decided again with the database locked. So what changes nothing (a refusal, a question)
//! takes no lock, a quiet account writes one row in one statement, and a crowded one waits its turn.

use crate::database_sqlite::failed;
use crate::ledger_sql;
use crate::spin_platform::SpinPlatform;
use crate::sqlite::{Database, MayBeLocked, Patience, SqliteError};
use core::cell::Cell;
use core::time::Duration;
use domain::state_machine::{PartKey, StateMachine};
use domain::time::Timestamp;
use platform::resident::{LayoutError, Resident, Stepped, Write, decode, encode};
use platform::{Clock, PlatformError};
use spin_sdk::sqlite::{QueryResult, Value};

/// How long events wait at most for the request that caused them, before the scheduler delivers them.
pub(crate) const DELIVERY_OVERDUE: Duration = Duration::from_secs(10);
/// Times that a step is decided without a lock: each costs two statements, where a lock costs two more and holds everybody
/// up.
const FREE_TRIES: usize = 2;
/// Times that it is decided with the database locked. Then nobody is quicker; this is for backends that do not keep the
/// lock.
const LOCKED_TRIES: usize = 3;

#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Somebody was quicker; nothing is stored.
    #[error("the rows have changed meanwhile")]
    Changed,
}

impl MayBeLocked for StateError {
    fn is_locked(&self) -> bool {
        matches!(self, Self::Sqlite(SqliteError::Locked))
    }
}

impl From<StateError> for PlatformError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Sqlite(error) => failed(error),
            StateError::Layout(error) => Self::malformed(error.to_string()),
            StateError::Changed => Self::unavailable(error.to_string()),
        }
    }
}

/// A machine as it was found, and what it has decided since.
pub(crate) struct Found<M: StateMachine> {
    /// None: it has never been stored.
    version: Option<i64>,
    alarms: Alarms,
    pub(crate) resident: Resident<M>,
}

/// When the scheduler has to look after a machine at the latest, in milliseconds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Alarms {
    /// For what runs out. Only ever put forward: moving it costs an index's row, and one that rings in vain costs
    /// little.
    pub(crate) wake_at: Option<i64>,
    /// For events that wait; none when nothing does.
    pub(crate) deliver_at: Option<i64>,
}

/// Which parts come along.
struct Wanted {
    keys: Vec<PartKey>,
    all: bool,
}

std::thread_local! {
    static DECIDING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a machine is just being stepped: a panic is the ledger's then, and nothing of the step is stored.
pub(crate) fn is_deciding() -> bool {
    DECIDING.get()
}

pub(crate) async fn apply<M: StateMachine>(
    platform: &SpinPlatform,
    name: &str,
    command: &M::Command,
) -> Result<M::Reply, PlatformError> {
    if let Some(hooks) = platform.hooks() {
        hooks.fault(name, || DECIDING.set(true)).await?;
    }
    let database = platform.ledger()?;
    let command = encode(command);
    let mut patience = Patience::new();
    let kept = platform.take_kept::<M>(name);
    let done = match kept {
        Some(kept) => step_kept(platform, &database, name, &command, kept, &mut patience).await?,
        None => None,
    };
    let Done { found, stepped, rows, delivers } = match done {
        Some(done) => done,
        None => step_afresh(platform, &database, name, &command, &mut patience).await?,
    };
    if let Some(hooks) = platform.hooks().filter(|_| rows > 0) {
        hooks.count_rows(rows).await;
    }
    if delivers {
        platform.deliver_later::<M>(name);
    }
    platform.keep(name, found);
    Ok(stepped.reply)
}

/// A step that is stored, or had nothing to store.
struct Done<M: StateMachine> {
    found: Found<M>,
    stepped: Stepped<M::Reply>,
    /// That were written.
    rows: usize,
    /// Whether this request is the one that delivers.
    delivers: bool,
}

/// Decides on what an earlier step of this request has left, without another look: whether it is still so shows when it
/// is stored. `None` if that is not enough, or not so any more.
async fn step_kept<M: StateMachine>(
    platform: &SpinPlatform,
    database: &Database,
    name: &str,
    command: &[u8],
    mut kept: Found<M>,
    patience: &mut Patience,
) -> Result<Option<Done<M>>, StateError> {
    let now = platform.now();
    let command: M::Command = decode(command)?;
    if !kept.suffices_for(&command, now) {
        return Ok(None);
    }
    DECIDING.set(true);
    let stepped = kept.resident.step(command, now);
    DECIDING.set(false);
    let [Write::Head(_)] = stepped.writes.as_slice() else { return Ok(None) };
    match kept.store_patiently(database, name, &stepped.writes, now, patience).await {
        Err(StateError::Changed) => Ok(None),
        other => other.map(|()| Some(kept.stored(stepped, now))),
    }
}

/// Decides without a lock and stores if nobody was quicker, some times; then with the database to itself.
async fn step_afresh<M: StateMachine>(
    platform: &SpinPlatform,
    database: &Database,
    name: &str,
    command: &[u8],
    patience: &mut Patience,
) -> Result<Done<M>, PlatformError> {
    for attempt in 0..FREE_TRIES {
        let (now, decided) = loop {
            let now = platform.now();
            match decide::<M>(database, name, command, now) {
                Err(StateError::Sqlite(SqliteError::NoSuchTable(_))) => create(database, patience).await?,
                Err(StateError::Sqlite(SqliteError::Locked)) => patience.wait().await.map_err(failed)?,
                other => break (now, other?),
            }
        };
        let (found, stepped) = decided;
        let writes = stepped.writes.as_slice();
        let stored = match writes {
            [] => return Ok(found.unchanged(stepped, now)),
            // One statement is atomic by itself.
            [Write::Head(_)] => found.store_patiently(database, name, writes, now, patience).await,
            _ => database.transaction(patience, |database| found.store(database, name, writes, now)).await,
        };
        match stored {
            Err(StateError::Changed) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                let done = found.stored(stepped, now);
                return Ok(if attempt == 0 { done } else { done.crowded() });
            }
        }
    }
    Ok(step_locked(platform, database, name, command, patience).await?)
}

async fn step_locked<M: StateMachine>(
    platform: &SpinPlatform,
    database: &Database,
    name: &str,
    command: &[u8],
    patience: &mut Patience,
) -> Result<Done<M>, StateError> {
    for _ in 0..LOCKED_TRIES {
        let done = database.transaction(patience, |database| {
            let now = platform.now();
            let (found, stepped) = decide::<M>(database, name, command, now)?;
            if stepped.writes.is_empty() {
                return Ok(found.unchanged(stepped, now));
            }
            found.store(database, name, &stepped.writes, now)?;
            Ok(found.stored(stepped, now).crowded())
        });
        match done.await {
            Err(StateError::Changed) => {}
            other => return other,
        }
    }
    Err(StateError::Changed)
}

type Decided<M> = (Found<M>, Stepped<<M as StateMachine>::Reply>);

/// Looks at what the command needs, and steps in memory.
fn decide<M: StateMachine>(
    database: &Database,
    name: &str,
    command: &[u8],
    now: Timestamp,
) -> Result<Decided<M>, StateError> {
    let step = |all: bool| {
        let command: M::Command = decode(command)?;
        let all = all || M::reads_all(&command);
        let mut found = find::<M>(database, name, &Wanted { keys: M::reads(&command), all }, now)?;
        let stepped = found.resident.step(command, now);
        Ok::<_, StateError>((found, stepped, all))
    };
    DECIDING.set(true);
    let mut decided = step(false);
    if let Ok((_, stepped, false)) = &decided
        && M::needed_all(&stepped.reply)
    {
        decided = step(true);
    }
    DECIDING.set(false);
    decided.map(|(found, stepped, _)| (found, stepped))
}

/// The head alone.
pub(crate) fn find_head<M: StateMachine>(database: &Database, name: &str) -> Result<Found<M>, StateError> {
    let rows = database.execute(ledger_sql::HEAD, &[text(M::KIND), text(name)])?;
    match rows.rows.into_iter().next().map(|row| row.values) {
        None => Found::of(None, Alarms::default(), None),
        Some(values) => match <[Value; 4]>::try_from(values) {
            Ok([Value::Integer(version), wake_at, deliver_at, Value::Blob(value)]) => {
                Found::of(Some(version), Alarms::read(&wake_at, &deliver_at), Some(&value))
            }
            _ => Err(LayoutError::Unreadable.into()),
        },
    }
}

/// Head and parts as of one instant: one statement sees one state.
fn find<M: StateMachine>(
    database: &Database,
    name: &str,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Found<M>, StateError> {
    let mut parameters = vec![text(M::KIND), text(name)];
    let sql = if wanted.all {
        ledger_sql::find_all(wanted.keys.len())
    } else {
        parameters.push(Value::Integer(now.as_millis()));
        for kind in M::STANDING {
            parameters.extend([Value::Blob(vec![*kind]), Value::Blob(vec![*kind + 1])]);
        }
        ledger_sql::find(M::STANDING.len(), wanted.keys.len())
    };
    parameters.extend(wanted.keys.iter().map(|key| Value::Blob(key.to_bytes().to_vec())));
    read_all(database.execute(&sql, &parameters)?)
}

fn read_all<M: StateMachine>(rows: QueryResult) -> Result<Found<M>, StateError> {
    let (mut head, mut parts) = (None, Vec::new());
    for row in rows.rows {
        match <[Value; 5]>::try_from(row.values) {
            Ok([Value::Integer(version), wake_at, deliver_at, Value::Null, Value::Blob(value)]) => {
                head = Some((version, Alarms::read(&wake_at, &deliver_at), value));
            }
            Ok([_, _, _, Value::Blob(key), Value::Blob(value)]) => parts.push((key, value)),
            _ => return Err(LayoutError::Unreadable.into()),
        }
    }
    let mut found = match &head {
        None => Found::of(None, Alarms::default(), None)?,
        Some((version, alarms, value)) => Found::of(Some(*version), *alarms, Some(value))?,
    };
    for (key, value) in parts {
        let key = PartKey::from_bytes(&key).ok_or(LayoutError::Unreadable)?;
        found.resident.supply(key, &value)?;
    }
    Ok(found)
}

impl<M: StateMachine> Found<M> {
    fn of(version: Option<i64>, alarms: Alarms, head: Option<&[u8]>) -> Result<Self, StateError> {
        Ok(Self { version, alarms, resident: Resident::load(head)? })
    }

    /// Whether a step needs nothing that lies in rows unseen: its parts are here, and nothing is due.
    fn suffices_for(&self, command: &M::Command, now: Timestamp) -> bool {
        self.version.is_some()
            && self.alarms.wake_at.is_none_or(|at| at > now.as_millis())
            && self.resident.has_all_for(command)
    }

    fn unchanged(self, stepped: Stepped<M::Reply>, now: Timestamp) -> Done<M> {
        Done { rows: 0, delivers: self.has_to_deliver(now), found: self, stepped }
    }

    /// As it lies there after the step was stored.
    fn stored(mut self, stepped: Stepped<M::Reply>, now: Timestamp) -> Done<M> {
        // Asked before the alarm says that somebody will.
        let delivers = self.has_to_deliver(now);
        self.alarms = self.alarms_after(now);
        self.version = Some(self.version.map_or(1, |version| version + 1));
        Done { rows: stepped.writes.len(), delivers, found: self, stepped }
    }

    pub(crate) async fn store_patiently(
        &self,
        database: &Database,
        name: &str,
        writes: &[Write],
        now: Timestamp,
        patience: &mut Patience,
    ) -> Result<(), StateError> {
        loop {
            match self.store(database, name, writes, now) {
                Err(StateError::Sqlite(SqliteError::Locked)) => patience.wait().await?,
                other => return other,
            }
        }
    }

    /// Writes everything, if nobody has changed the head since it was read. More than the head needs a transaction.
    pub(crate) fn store(
        &self,
        database: &Database,
        name: &str,
        writes: &[Write],
        now: Timestamp,
    ) -> Result<(), StateError> {
        let head = writes.iter().find_map(|write| match write {
            Write::Head(value) => Some(value),
            _ => None,
        });
        self.store_head(database, name, head, self.alarms_after(now))?;
        for write in writes {
            store_beside(database, M::KIND, name, write)?;
        }
        Ok(())
    }

    /// The version is part of the condition, whatever lock there is.
    pub(crate) fn store_head(
        &self,
        database: &Database,
        name: &str,
        head: Option<&Vec<u8>>,
        alarms: Alarms,
    ) -> Result<(), StateError> {
        let time = |at: Option<i64>| at.map_or(Value::Null, Value::Integer);
        let mut parameters = vec![text(M::KIND), text(name), time(alarms.wake_at), time(alarms.deliver_at)];
        parameters.extend(head.map(|value| Value::Blob(value.clone())));
        parameters.extend(self.version.map(Value::Integer));
        let sql = match (head, self.version) {
            (Some(_), Some(_)) => ledger_sql::UPDATE_HEAD,
            (None, Some(_)) => ledger_sql::TOUCH_HEAD,
            (Some(_), None) => ledger_sql::INSERT_HEAD,
            // Parts without a head: no machine does that.
            (None, None) => return Err(LayoutError::Unreadable.into()),
        };
        match database.execute(sql, &parameters)?.rows.is_empty() {
            true => Err(StateError::Changed),
            false => Ok(()),
        }
    }

    /// Whether events wait and nobody is about to deliver them: whoever was has had its time. So who only asks takes over
    /// from the dead, and leaves the rest to the living.
    fn has_to_deliver(&self, now: Timestamp) -> bool {
        self.resident.undelivered() > 0 && self.alarms.deliver_by(now).is_none()
    }

    fn alarms_after(&self, now: Timestamp) -> Alarms {
        let wakes = self.resident.wake_at().map(Timestamp::as_millis);
        let overdue = || now.plus(DELIVERY_OVERDUE).as_millis();
        Alarms {
            wake_at: self.alarms.wake_at.into_iter().chain(wakes).min(),
            deliver_at: (self.resident.undelivered() > 0)
                .then(|| self.alarms.deliver_by(now).unwrap_or_else(overdue)),
        }
    }
}

impl<M: StateMachine> Done<M> {
    /// Of no use for another step: where somebody was quicker once, somebody is likely to be again.
    fn crowded(mut self) -> Self {
        self.found.version = None;
        self
    }
}

impl Alarms {
    fn read(wake_at: &Value, deliver_at: &Value) -> Self {
        Self { wake_at: integer(wake_at), deliver_at: integer(deliver_at) }
    }

    /// Until when somebody is about to deliver.
    fn deliver_by(self, now: Timestamp) -> Option<i64> {
        self.deliver_at.filter(|at| *at > now.as_millis())
    }
}

fn store_beside(database: &Database, kind: &str, name: &str, write: &Write) -> Result<(), SqliteError> {
    let bytes = |bytes: &[u8]| Value::Blob(bytes.to_vec());
    let (sql, mut more) = match write {
        Write::Head(_) => return Ok(()),
        Write::Put { key, due, value } => (
            ledger_sql::PUT_PART,
            vec![bytes(&key.to_bytes()), Value::Integer(due.as_millis()), bytes(value)],
        ),
        Write::Delete { key } => (ledger_sql::DELETE_PART, vec![bytes(&key.to_bytes())]),
        Write::PutEvents { through, value } => {
            (ledger_sql::PUT_EVENTS, vec![sequence_value(*through), bytes(value)])
        }
        Write::DeleteEventsThrough { sequence } => {
            (ledger_sql::DELETE_EVENTS, vec![sequence_value(*sequence)])
        }
    };
    let mut parameters = vec![text(kind), text(name)];
    parameters.append(&mut more);
    database.execute(sql, &parameters).map(|_| ())
}

/// Before the first step ever.
async fn create(database: &Database, patience: &mut Patience) -> Result<(), PlatformError> {
    // Lets readers be while somebody writes. It stays with the file; a backend that has no such thing does without.
    let _ = database.execute_patiently("PRAGMA journal_mode = WAL", &[], &mut Patience::new()).await;
    for table in ledger_sql::TABLES {
        database.execute_patiently(table, &[], patience).await.map_err(failed)?;
    }
    Ok(())
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(integer) => Some(*integer),
        _ => None,
    }
}

/// A machine numbers its events from one, so they stay far below the bound.
pub(crate) fn sequence_value(sequence: u64) -> Value {
    Value::Integer(i64::try_from(sequence).unwrap_or(i64::MAX))
}
