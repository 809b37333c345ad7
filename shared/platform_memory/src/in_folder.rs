//! A room whose rows outlive the process: for a host that runs on this room, and is killed and started again.

use crate::rows::Rows;
use crate::state::Key;
use crate::{MemoryPlatform, Rooms, chance, database, secrets, state};
use core::cell::RefCell;
use domain::account::Account;
use domain::state_machine::{PartKey, StateMachine};
use domain::tenant_pool::TenantPool;
use domain::time::Timestamp;
use platform::PlatformError;
use platform::resident::Write;
use rusqlite::{Connection, Error, Row, Transaction, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// The directory's database in the folder of [`MemoryPlatform::in_folder`].
pub const DIRECTORY_FILE: &str = "directory.db";
const MACHINES_FILE: &str = "machines.db";

/// What a file may hold.
const KINDS: [&str; 2] = [Account::KIND, TenantPool::KIND];

const TABLES: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS heads (
  kind TEXT, name TEXT, value BLOB NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
  kind TEXT, name TEXT, key BLOB, due INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, name, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  kind TEXT, name TEXT, through INTEGER, value BLOB NOT NULL, PRIMARY KEY (kind, name, through)
) WITHOUT ROWID;";

impl MemoryPlatform {
    /// A room that finds what an earlier one has stored in the folder, and stores there before it answers. The
    /// directory's migrations are the caller's to apply, to [`DIRECTORY_FILE`]; secrets are the caller's to tell.
    pub fn in_folder(folder: &Path) -> Result<Self, PlatformError> {
        let opened = || {
            let directory = database::InMemory::in_file(&folder.join(DIRECTORY_FILE))?;
            let file = MachinesFile::open(&folder.join(MACHINES_FILE))?;
            Ok((directory, state::Machines::stored_in(file)?))
        };
        let (database, state) = opened().map_err(failed)?;
        let rooms = Rooms::of(chance::Seeded::new(1), secrets::Named::none(), database, state);
        Ok(Self(Rc::new(rooms)))
    }
}

/// The rows of all machines.
pub(crate) struct MachinesFile(RefCell<Connection>);

impl MachinesFile {
    fn open(file: &Path) -> Result<Self, Error> {
        let connection = Connection::open(file)?;
        connection.execute_batch(TABLES)?;
        Ok(Self(connection.into()))
    }

    pub(crate) fn load(&self) -> Result<BTreeMap<Key, Rows>, Error> {
        let connection = self.0.borrow();
        let mut machines = BTreeMap::new();
        let heads = "SELECT kind, name, value FROM heads";
        read(&connection, heads, &mut machines, |row| Ok(Write::Head(row.get(2)?)))?;
        let parts = "SELECT kind, name, key, due, value FROM parts";
        read(&connection, parts, &mut machines, |row| {
            let key: Vec<u8> = row.get(2)?;
            let key = PartKey::from_bytes(&key).ok_or(Error::InvalidQuery)?;
            Ok(Write::Put { key, due: Timestamp::from_millis(row.get(3)?), value: row.get(4)? })
        })?;
        let events = "SELECT kind, name, through, value FROM events";
        read(&connection, events, &mut machines, |row| {
            Ok(Write::PutEvents { through: row.get::<_, i64>(2)?.cast_unsigned(), value: row.get(3)? })
        })?;
        Ok(machines)
    }

    /// All of it or nothing.
    pub(crate) fn store(&self, key: &Key, writes: &[Write]) -> Result<(), PlatformError> {
        let store = || {
            let mut connection = self.0.borrow_mut();
            let transaction = connection.transaction()?;
            writes.iter().try_for_each(|write| store_one(&transaction, key, write))?;
            transaction.commit()
        };
        store().map_err(failed)
    }
}

fn read(
    connection: &Connection,
    sql: &str,
    machines: &mut BTreeMap<Key, Rows>,
    stored: impl Fn(&Row<'_>) -> Result<Write, Error>,
) -> Result<(), Error> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        let kind = KINDS.into_iter().find(|known| *known == kind).ok_or(Error::InvalidQuery)?;
        machines.entry((kind, row.get(1)?)).or_default().apply(vec![stored(row)?]);
    }
    Ok(())
}

fn store_one(transaction: &Transaction<'_>, (kind, name): &Key, write: &Write) -> Result<(), Error> {
    let execute = |sql: &str, more: &[&dyn rusqlite::ToSql]| {
        let parameters = [&[kind as &dyn rusqlite::ToSql, name], more].concat();
        transaction.prepare_cached(sql)?.execute(parameters.as_slice()).map(|_| ())
    };
    match write {
        Write::Head(value) => {
            execute("INSERT OR REPLACE INTO heads (kind, name, value) VALUES (?1, ?2, ?3)", params![value])
        }
        Write::Put { key, due, value } => execute(
            "INSERT OR REPLACE INTO parts (kind, name, key, due, value) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![key.to_bytes(), due.as_millis(), value],
        ),
        Write::Delete { key } => {
            execute("DELETE FROM parts WHERE kind = ?1 AND name = ?2 AND key = ?3", params![key.to_bytes()])
        }
        Write::PutEvents { through, value } => execute(
            "INSERT OR REPLACE INTO events (kind, name, through, value) VALUES (?1, ?2, ?3, ?4)",
            params![through.cast_signed(), value],
        ),
        Write::DeleteEventsThrough { sequence } => execute(
            "DELETE FROM events WHERE kind = ?1 AND name = ?2 AND through <= ?3",
            params![sequence.cast_signed()],
        ),
    }
}

fn failed(error: Error) -> PlatformError {
    PlatformError::unavailable(format!("the folder's files: {error}"))
}
