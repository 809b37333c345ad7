//! The administrator that a fresh deployment begins with.

use domain::identity::AccountId;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};

/// `email` in lower case.
#[derive(Clone, Debug)]
pub struct FirstAdmin<'a> {
    pub id: AccountId,
    pub tenant_id: &'a str,
    pub email: &'a str,
    pub name: &'a str,
    pub password_hash: &'a str,
}

const EXISTS: &str = "SELECT 1 AS one FROM users WHERE role = 'admin' LIMIT 1";

/// Whether there has ever been one; a closed one counts.
pub async fn exists(database: &impl Database) -> Result<bool, PlatformError> {
    Ok(!database.query(Statement::new(EXISTS)).await?.is_empty())
}

/// A role must not be null. Its account has not been told when its period ends, so the directory does not know.
const INSERT: &str = "
INSERT INTO users (id, tenant_id, email, name, role, status, password_hash, budget_nano_eur, budget_reset_at,
  created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, CASE WHEN EXISTS (SELECT 1 FROM users WHERE role = 'admin') THEN NULL ELSE 'admin' END,
  'active', ?5, 0, 0, ?6, ?6)";

/// Violates a constraint when there is an administrator, so that of many at once one is made; also when the e-mail is
/// taken. Commit [`crate::pending_pushes::add`] with it.
pub fn insert(admin: &FirstAdmin<'_>, now: Timestamp) -> Statement {
    let FirstAdmin { id, tenant_id, email, name, password_hash } = admin;
    Statement::new(INSERT)
        .bind(id.to_string())
        .bind(*tenant_id)
        .bind(*email)
        .bind(*name)
        .bind(*password_hash)
        .bind(now.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::first_rows;
    use domain::identity::Home;
    use futures_executor::block_on;
    use platform::PlatformErrorKind;
    use platform_memory::MemoryPlatform;

    fn admin(byte: u8, email: &str) -> Vec<Statement> {
        let id = AccountId::new(Home::Eu, [byte; 16]);
        let admin = FirstAdmin { id, tenant_id: "platform", email, name: "", password_hash: "a hash" };
        let mut statements = first_rows::statements();
        statements.push(insert(&admin, Timestamp::EPOCH));
        statements
    }

    /// Both have looked before either committed: the statement decides.
    #[test]
    fn of_two_that_race_one_is_made_and_nothing_of_the_other_stays() {
        let platform = MemoryPlatform::new();
        assert!(!block_on(exists(&platform)).unwrap());
        let (one, mut other) = (admin(1, "one@example.com"), admin(2, "other@example.com"));
        other.insert(0, Statement::new("INSERT INTO providers VALUES ('trace', '', '', 0)"));
        block_on(platform.commit(one)).unwrap();
        let error = block_on(platform.commit(other)).unwrap_err();
        assert_eq!(error.kind, PlatformErrorKind::Conflict);
        let count = |sql| block_on(platform.query(Statement::new(sql))).unwrap().len();
        assert_eq!(count("SELECT id FROM users"), 1);
        assert_eq!(count("SELECT id FROM providers WHERE id = 'trace'"), 0);
    }

    #[test]
    fn a_closed_administrator_opens_no_door() {
        let platform = MemoryPlatform::new();
        block_on(platform.commit(admin(1, "one@example.com"))).unwrap();
        let close = crate::users::close(AccountId::new(Home::Eu, [1; 16]), Timestamp::EPOCH);
        block_on(platform.commit(close.into())).unwrap();
        assert!(block_on(exists(&platform)).unwrap());
        let error = block_on(platform.commit(admin(2, "two@example.com"))).unwrap_err();
        assert_eq!(error.kind, PlatformErrorKind::Conflict);
    }
}
