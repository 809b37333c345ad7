//! The ledger's tables and statements. Nothing here reads more because a machine has more parts, or because there are
//! more machines: what could is proved below by the query plans.

use core::fmt::Write as _;

/// The head has a table with row ids, where a row may fill a page. `wake_at` is when the scheduler has to look after
/// the machine at the latest, `deliver_at` when it has to deliver what waits: null if nothing does. Parts whose keys
/// begin below x'80' are kept until a step removes them, the others are dropped when due. The heads come last: a
/// ledger that has them has everything.
pub(crate) const TABLES: [&str; 8] = [
    "CREATE TABLE IF NOT EXISTS machine_parts (kind TEXT NOT NULL, name TEXT NOT NULL, key BLOB NOT NULL,
      due INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, name, key)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS machine_parts_by_due ON machine_parts (kind, name, due)",
    "CREATE TABLE IF NOT EXISTS machine_events (kind TEXT NOT NULL, name TEXT NOT NULL, through INTEGER NOT NULL,
      value BLOB NOT NULL, PRIMARY KEY (kind, name, through)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS answers (question TEXT PRIMARY KEY, given_at INTEGER NOT NULL, rows TEXT NOT NULL)
      WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS answers_by_time ON answers (given_at)",
    "CREATE TABLE IF NOT EXISTS machine_heads (kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
      wake_at INTEGER, deliver_at INTEGER, value BLOB NOT NULL, PRIMARY KEY (kind, name))",
    "CREATE INDEX IF NOT EXISTS machine_heads_by_wake ON machine_heads (wake_at) WHERE wake_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS machine_heads_by_delivery ON machine_heads (deliver_at) WHERE deliver_at IS NOT NULL",
];

/// What the directory answered lately (`answers.rs`).
pub(crate) const ANSWER: &str =
    "SELECT rows FROM answers WHERE question = ?1 AND given_at > ?2 AND given_at <= ?3";
pub(crate) const KEEP_ANSWER: &str = "INSERT INTO answers (question, given_at, rows) VALUES (?1, ?2, ?3)
  ON CONFLICT DO UPDATE SET given_at = ?2, rows = ?3";
pub(crate) const DROP_ANSWERS: &str = "DELETE FROM answers WHERE given_at <= ?1";

// Where a condition says `+key`, the plan would otherwise go through all parts by their keys instead of those that are
// due.

/// A machine by itself.
pub(crate) const HEAD: &str =
    "SELECT version, wake_at, deliver_at, value FROM machine_heads WHERE kind = ?1 AND name = ?2";
pub(crate) const INSERT_HEAD: &str =
    "INSERT INTO machine_heads (kind, name, version, wake_at, deliver_at, value)
  VALUES (?1, ?2, 1, ?3, ?4, ?5) ON CONFLICT DO NOTHING RETURNING version";
/// The version is part of the condition, whatever lock there is.
pub(crate) const UPDATE_HEAD: &str =
    "UPDATE machine_heads SET version = version + 1, wake_at = ?3, deliver_at = ?4, value = ?5
  WHERE kind = ?1 AND name = ?2 AND version = ?6 RETURNING version";
/// The same where only rows beside the head change.
pub(crate) const TOUCH_HEAD: &str =
    "UPDATE machine_heads SET version = version + 1, wake_at = ?3, deliver_at = ?4
  WHERE kind = ?1 AND name = ?2 AND version = ?5 RETURNING version";
pub(crate) const PUT_PART: &str =
    "INSERT INTO machine_parts (kind, name, key, due, value) VALUES (?1, ?2, ?3, ?4, ?5)
  ON CONFLICT DO UPDATE SET due = ?4, value = ?5";
pub(crate) const DELETE_PART: &str = "DELETE FROM machine_parts WHERE kind = ?1 AND name = ?2 AND key = ?3";
/// The oldest first.
pub(crate) const EVENTS: &str = "SELECT value FROM machine_events WHERE kind = ?1 AND name = ?2
  ORDER BY through LIMIT ?3";
pub(crate) const PUT_EVENTS: &str =
    "INSERT INTO machine_events (kind, name, through, value) VALUES (?1, ?2, ?3, ?4)";
/// Returns a row for each.
pub(crate) const DELETE_EVENTS: &str =
    "DELETE FROM machine_events WHERE kind = ?1 AND name = ?2 AND through <= ?3
  RETURNING through";
/// Machines that somebody has to look after, the longest overdue first: `kind, name, at`.
pub(crate) const DUE_WAKES: &str =
    "SELECT kind, name, wake_at FROM machine_heads WHERE wake_at <= ?1 ORDER BY wake_at LIMIT ?2";
pub(crate) const DUE_DELIVERIES: &str =
    "SELECT kind, name, deliver_at FROM machine_heads WHERE deliver_at <= ?1 ORDER BY deliver_at LIMIT ?2";
/// For a machine that could not be looked after: others must not wait behind it. No version: nothing is decided on it.
pub(crate) const POSTPONE: &str = "UPDATE machine_heads SET
    wake_at = CASE WHEN wake_at <= ?3 THEN ?4 ELSE wake_at END,
    deliver_at = CASE WHEN deliver_at <= ?3 THEN ?4 ELSE deliver_at END
  WHERE kind = ?1 AND name = ?2 RETURNING version";
/// Parts that are not kept.
pub(crate) const DROP_DUE: &str =
    "DELETE FROM machine_parts WHERE kind = ?1 AND name = ?2 AND due <= ?3 AND +key >= x'80'";
/// Of the parts that are kept.
pub(crate) const FIRST_DUE: &str =
    "SELECT due FROM machine_parts WHERE kind = ?1 AND name = ?2 AND +key < x'80'
  ORDER BY due LIMIT 1";

/// A machine with its parts that are due at `?3`, those of so many standing kinds (a range each, from `?4` on), and so
/// many by their keys. Rows are `version, wake_at, deliver_at, key, value`; the head's has no key.
pub(crate) fn find(standing: usize, keys: usize) -> String {
    let mut sql = head();
    with_parts(&mut sql, "due <= ?3 AND +key < x'80'");
    for at in 0..standing {
        with_parts(&mut sql, &format!("key >= ?{} AND key < ?{}", 4 + 2 * at, 5 + 2 * at));
    }
    with_named(&mut sql, 4 + 2 * standing, keys);
    sql
}

/// A machine with all parts that are kept, and so many others by their keys, from `?3` on.
pub(crate) fn find_all(keys: usize) -> String {
    let mut sql = head();
    with_parts(&mut sql, "key < x'80'");
    with_named(&mut sql, 3, keys);
    sql
}

fn head() -> String {
    "SELECT version, wake_at, deliver_at, NULL AS key, value FROM machine_heads WHERE kind = ?1 AND name = ?2"
        .to_owned()
}

fn with_named(sql: &mut String, first: usize, keys: usize) {
    for at in first..first + keys {
        with_parts(sql, &format!("key = ?{at}"));
    }
}

fn with_parts(sql: &mut String, condition: &str) {
    let _ = write!(
        sql,
        " UNION ALL SELECT NULL, NULL, NULL, key, value FROM machine_parts WHERE kind = ?1 AND name = ?2 AND {condition}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn ledger() -> Connection {
        let ledger = Connection::open_in_memory().unwrap();
        TABLES.iter().for_each(|table| ledger.execute_batch(table).unwrap());
        ledger
    }

    /// The plan's lines.
    fn plan(ledger: &Connection, sql: &str) -> Vec<String> {
        let mut statement = ledger.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>();
        rows.unwrap()
    }

    #[test]
    fn no_statement_scans() {
        let ledger = ledger();
        let (find, find_all) = (find(2, 2), find_all(1));
        let statements = [
            &find,
            &find_all,
            HEAD,
            INSERT_HEAD,
            UPDATE_HEAD,
            TOUCH_HEAD,
            PUT_PART,
            DELETE_PART,
            EVENTS,
            PUT_EVENTS,
            DELETE_EVENTS,
            DUE_WAKES,
            DUE_DELIVERIES,
            POSTPONE,
            DROP_DUE,
            FIRST_DUE,
            ANSWER,
            KEEP_ANSWER,
            DROP_ANSWERS,
        ];
        for sql in statements {
            for line in plan(&ledger, sql) {
                assert!(!line.contains("SCAN") && !line.contains("TEMP B-TREE"), "{sql}: {line}");
            }
        }
    }

    #[test]
    fn a_step_finds_what_is_due_without_going_through_all_parts() {
        let due = &plan(&ledger(), &find(0, 0))[4];
        assert!(due.contains("machine_parts_by_due (kind=? AND name=? AND due<?)"), "{due}");
    }

    #[test]
    fn a_machine_comes_with_what_was_asked_for() {
        let ledger = ledger();
        ledger
            .execute("INSERT INTO machine_heads VALUES ('account', 'a', 7, NULL, NULL, x'00')", [])
            .unwrap();
        for (name, key, due) in [
            ("a", "x'0000'", 100),
            ("a", "x'0101'", 100),
            ("a", "x'0102'", 5),
            ("a", "x'0103'", 100),
            ("a", "x'8001'", 5),
            ("a", "x'8002'", 5),
            ("b", "x'0001'", 5),
        ] {
            let insert =
                format!("INSERT INTO machine_parts VALUES ('account', '{name}', {key}, {due}, x'00')");
            ledger.execute(&insert, []).unwrap();
        }
        let keys = |sql: &str, more: &[&[u8]]| -> Vec<Option<Vec<u8>>> {
            let mut statement = ledger.prepare(sql).unwrap();
            for (at, name) in ["account", "a"].iter().enumerate() {
                statement.raw_bind_parameter(at + 1, name).unwrap();
            }
            let first = if more.len() == statement.parameter_count() - 2 { 3 } else { 4 };
            if first == 4 {
                statement.raw_bind_parameter(3, 10).unwrap();
            }
            for (at, bytes) in more.iter().enumerate() {
                statement.raw_bind_parameter(first + at, *bytes).unwrap();
            }
            statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap()
        };
        let found = keys(&find(1, 2), &[&[0], &[1], &[1, 3], &[0x80, 1]]);
        let expected = [None, Some(vec![1, 2]), Some(vec![0, 0]), Some(vec![1, 3]), Some(vec![0x80, 1])];
        assert_eq!(found, expected);
        let all = keys(&find_all(1), &[&[0x80, 2]]);
        assert_eq!(all.len(), 1 + 4 + 1, "{all:?}");
    }
}
