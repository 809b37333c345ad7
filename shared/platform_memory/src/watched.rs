//! What the database does for a question, by SQLite's own count.

use crate::MemoryPlatform;
use core::cell::RefCell;
use rusqlite::{Statement, StatementStatus};

/// One statement that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    pub sql: &'static str,
    /// Instructions of SQLite's machine: some ten for every row that is touched, whatever the size of its
    /// table.
    pub steps: i32,
    /// Of these, steps from row to row without an index.
    pub scanned: i32,
}

#[derive(Default)]
pub(crate) struct Watch(RefCell<Option<Vec<Watched>>>);

impl Watch {
    pub(crate) fn note(&self, sql: &'static str, statement: &Statement<'_>) {
        // Statements are cached with their counts, so these begin anew each time.
        let steps = statement.reset_status(StatementStatus::VmStep);
        let scanned = statement.reset_status(StatementStatus::FullscanStep);
        if let Some(watched) = self.0.borrow_mut().as_mut() {
            watched.push(Watched { sql, steps, scanned });
        }
    }
}

impl MemoryPlatform {
    /// The statements that `work` ran, in their order.
    pub fn watch_database<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<Watched>) {
        let watch = &self.0.database.watch.0;
        *watch.borrow_mut() = Some(Vec::new());
        let result = work();
        (result, watch.borrow_mut().take().unwrap_or_default())
    }
}
