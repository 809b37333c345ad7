//! Where the events of state machines go. Every delivery may be repeated.

use domain::account::Event;
use domain::identity::AccountId;
use domain::lease::Want;
use domain::tenant_pool::{self, TenantPool};
use platform::{Platform, PlatformError};
use store::{leases, notices, usage_logs};

/// An account's rows and notices in one commit, and what it tells its tenant's pool.
pub async fn of_account(
    platform: &impl Platform,
    name: &str,
    events: Vec<Event>,
) -> Result<(), PlatformError> {
    let account = AccountId::parse(name).ok_or_else(|| PlatformError::malformed("an account's name"))?;
    let (mut rows, mut raised, mut wants) = (Vec::new(), Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Usage(row) => rows.push((account, *row)),
            Event::Notice(notice) => raised.push((name.to_owned(), *notice)),
            Event::Pool(pool, want) => wants.push((pool, want)),
        }
    }
    let mut statements = Vec::new();
    if !rows.is_empty() {
        statements.extend(usage_logs::append(&rows));
    }
    if !raised.is_empty() {
        statements.push(notices::insert_batch(&raised));
    }
    if !statements.is_empty() {
        platform.commit(statements).await?;
    }
    tell_pool(platform, account, wants).await
}

/// Figures are absolute, so of several only the last counts.
async fn tell_pool(
    platform: &impl Platform,
    account: AccountId,
    wants: Vec<(String, Box<Want>)>,
) -> Result<(), PlatformError> {
    let Some((pool, want)) = wants.into_iter().next_back() else { return Ok(()) };
    platform.apply::<TenantPool>(&pool, tenant_pool::Command::Want(account, want)).await.map(|_| ())
}

/// A pool's notices, and the accounts that it asks for what they do not need.
pub async fn of_pool(
    platform: &impl Platform,
    name: &str,
    events: Vec<tenant_pool::Event>,
) -> Result<(), PlatformError> {
    let (mut raised, mut recalled, mut void_to) = (Vec::new(), Vec::new(), 0);
    for event in events {
        match event {
            tenant_pool::Event::Notice(notice) => raised.push((notice.tenant_id.clone(), *notice)),
            tenant_pool::Event::Recall(account, void) => {
                recalled.push(account);
                void_to = void_to.max(void);
            }
        }
    }
    if !raised.is_empty() {
        platform.commit(vec![notices::insert_batch(&raised)]).await?;
    }
    leases::recall_all(platform, name, &recalled, void_to).await
}
