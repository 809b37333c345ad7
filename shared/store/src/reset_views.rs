//! The directory's views of when budgets start anew: `users.budget_reset_at`. Each account decides for itself;
//! what it said is written here, and what it is going to say can be computed.
//!
//! An account opens a period with its first command, at the earliest when the one before is over, and ends it
//! at its rule's next boundary. So once a view is over, the next boundary after now is what the account
//! answers now, whether it has been asked since or not. An account that has not heard of its newest rule may
//! say something else; then what it says when it is told replaces what was computed.
//!
//! A manual reset moves the end of the running period only where the rule was changed in it: whoever resets
//! commits [`set_told`].

use crate::configuration::user_period;
use domain::civil_time::PeriodRule;
use domain::identity::AccountId;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};
use serde_json::{Value, json};

/// A user whose view is over.
#[derive(Clone, Debug, PartialEq)]
pub struct DueUser {
    pub account: AccountId,
    /// The view.
    pub due_at: Timestamp,
    /// An error where the rows say what cannot be understood.
    pub rule: Result<PeriodRule, PlatformError>,
}

/// Where the list of due users goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueCursor {
    pub at: Timestamp,
    pub id: String,
}

impl DueCursor {
    pub const fn start() -> Self {
        Self { at: Timestamp::EPOCH, id: String::new() }
    }

    /// What [`Self`] prints; anything else is the start.
    pub fn parse(text: &str) -> Self {
        let parts = text.split_once(' ').and_then(|(at, id)| Some((at.parse().ok()?, id)));
        parts.map_or_else(Self::start, |(at, id)| Self { at: Timestamp::from_millis(at), id: id.to_owned() })
    }
}

impl core::fmt::Display for DueCursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.at.as_millis(), self.id)
    }
}

const DUE: &str = "
SELECT u.id, u.budget_reset_at, u.reset_day, u.period_days, u.period_from, t.time_zone
FROM users u CROSS JOIN tenants t ON t.id = u.tenant_id
WHERE u.budget_reset_at <= ?1 AND (u.budget_reset_at, u.id) > (?2, ?3)
ORDER BY u.budget_reset_at, u.id LIMIT ?4";

/// Users whose period is over as far as the directory knows, oldest first.
pub async fn due(
    database: &impl Database,
    now: Timestamp,
    after: &DueCursor,
    limit: i64,
) -> Result<Vec<DueUser>, PlatformError> {
    let statement = Statement::new(DUE)
        .bind(now.as_millis())
        .bind(after.at.as_millis())
        .bind(after.id.as_str())
        .bind(limit);
    let rows = database.query(statement).await?;
    let due_user = |row: &platform::Row| {
        Ok(DueUser {
            account: crate::users::id_of(row)?,
            due_at: crate::instant(row, "budget_reset_at")?,
            rule: user_period(row),
        })
    };
    rows.iter().map(due_user).collect()
}

const SET_TOLD: &str = "
UPDATE users SET budget_reset_at = told.at
FROM (SELECT value ->> 0 AS id, value ->> 1 AS at FROM json_each(?1)) AS told
WHERE users.id = told.id AND users.budget_reset_at <> told.at";

/// What the accounts said.
pub fn set_told(views: &[(AccountId, Timestamp)]) -> Statement {
    Statement::new(SET_TOLD).bind(as_json(views))
}

const SET_COMPUTED: &str = "
UPDATE users SET budget_reset_at = computed.at
FROM (SELECT value ->> 0 AS id, value ->> 1 AS at FROM json_each(?1)) AS computed
WHERE users.id = computed.id AND users.budget_reset_at <= ?2";

/// What was computed at `now`, where the view is still over: what an account said meanwhile stays.
pub fn set_computed(views: &[(AccountId, Timestamp)], now: Timestamp) -> Statement {
    Statement::new(SET_COMPUTED).bind(as_json(views)).bind(now.as_millis())
}

fn as_json(views: &[(AccountId, Timestamp)]) -> String {
    let rows: Vec<_> = views.iter().map(|(id, at)| json!([id.to_string(), at.as_millis()])).collect();
    Value::from(rows).to_string()
}

#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 3] = [DUE, SET_TOLD, SET_COMPUTED];

#[cfg(test)]
mod tests {
    use super::*;
    use domain::identity::Home;
    use futures_executor::block_on;
    use platform_memory::MemoryPlatform;

    #[test]
    fn what_an_account_said_meanwhile_is_not_overwritten_by_what_was_computed() {
        let account = AccountId::new(Home::Eu, [7; 16]);
        let platform = MemoryPlatform::new();
        platform.execute_sql(&format!(
            "INSERT INTO tenants (id, slug, name, created_at, updated_at) VALUES ('t', 't', '', 0, 0);
             INSERT INTO users (id, tenant_id, email, budget_nano_eur, budget_reset_at, created_at, updated_at)
             VALUES ('{account}', 't', 'ada@example.com', 0, 5, 0, 0)"
        ));
        let view = |at| [(account, Timestamp::from_millis(at))];
        let now = Timestamp::from_millis(10);
        let due = || block_on(super::due(&platform, now, &DueCursor::start(), 9)).unwrap();
        assert_eq!(due()[0].due_at, Timestamp::from_millis(5));
        block_on(platform.commit(vec![set_told(&view(30)), set_computed(&view(20), now)])).unwrap();
        assert_eq!(due(), []);
        let later = Timestamp::from_millis(30);
        let due = block_on(super::due(&platform, later, &DueCursor::start(), 9)).unwrap();
        assert_eq!((due[0].account, due[0].due_at), (account, later));
        block_on(platform.commit(vec![set_computed(&view(40), later)])).unwrap();
        assert_eq!(block_on(super::due(&platform, later, &DueCursor::start(), 9)).unwrap(), []);
    }
}
