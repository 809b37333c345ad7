//! Where the events of state machines go. Every delivery may be repeated.

use domain::account::Event;
use domain::identity::AccountId;
use platform::{Platform, PlatformError};
use store::{notices, usage_logs};

/// An account's rows and notices, in one commit.
pub async fn of_account(
    platform: &impl Platform,
    name: &str,
    events: Vec<Event>,
) -> Result<(), PlatformError> {
    let account = AccountId::parse(name).ok_or_else(|| PlatformError::malformed("an account's name"))?;
    let (mut rows, mut raised) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Usage(row) => rows.push((account, *row)),
            Event::Notice(notice) => raised.push((name.to_owned(), *notice)),
        }
    }
    let mut statements = Vec::new();
    if !rows.is_empty() {
        statements.extend(usage_logs::append(&rows));
    }
    if !raised.is_empty() {
        statements.push(notices::insert_batch(&raised));
    }
    platform.commit(statements).await
}
