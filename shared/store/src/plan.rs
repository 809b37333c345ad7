//! How the database means to answer a statement.

use platform_memory::MemoryPlatform;

/// The steps of SQLite's plan, joined by semicolons.
pub(crate) fn of(sql: &str) -> String {
    MemoryPlatform::new().query_plan(sql).join("; ")
}
