//! How the database means to answer a statement.

use platform::{Database, Statement};
use platform_memory::MemoryPlatform;

/// The steps of SQLite's plan, joined by semicolons.
pub(crate) fn of(sql: &str) -> String {
    let platform = MemoryPlatform::new();
    let mut numbers = sql.split('?').skip(1).map(|after| {
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap()
    });
    let parameters = numbers.by_ref().max().unwrap_or(0);
    let sql: &'static str = format!("EXPLAIN QUERY PLAN {sql}").leak();
    let statement = (0..parameters).fold(Statement::new(sql), |statement, _| statement.bind("[]"));
    let rows = futures_executor::block_on(platform.query(statement)).unwrap();
    rows.iter().map(|row| row.text("detail").unwrap().to_owned()).collect::<Vec<_>>().join("; ")
}
