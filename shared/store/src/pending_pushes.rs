//! Configurations that accounts have not acknowledged yet. A row is committed together with the change it
//! stands for, and stays until the account has the change: so a crash between the two only delays it.

use domain::account::{Account, Balance, Command, Configure, Reply};
use domain::identity::AccountId;
use domain::time::Timestamp;
use platform::{AtomicState, Clock, Database, PlatformError, Statement};

/// The first statement of an upsert from SELECT needs a WHERE, or SQLite takes ON for a join's.
const ADD: &str = "
INSERT INTO pending_pushes (account_id, version, since)
SELECT id, configuration_version, ?2 FROM users WHERE id = ?1
ON CONFLICT (account_id) DO UPDATE SET version = excluded.version";

/// The account must learn its user's newest version. Goes after the change in the same commit.
pub fn add(account: AccountId, now: Timestamp) -> Statement {
    Statement::new(ADD).bind(account.to_string()).bind(now.as_millis())
}

const ADD_FOR_TENANT: &str = "
INSERT INTO pending_pushes (account_id, version, since)
SELECT id, configuration_version, ?2 FROM users WHERE tenant_id = ?1
ON CONFLICT (account_id) DO UPDATE SET version = excluded.version";

pub fn add_for_tenant(tenant_id: &str, now: Timestamp) -> Statement {
    Statement::new(ADD_FOR_TENANT).bind(tenant_id).bind(now.as_millis())
}

const PAGE: &str = "SELECT account_id FROM pending_pushes WHERE account_id > ?1 ORDER BY account_id LIMIT ?2";

const PAGE_OF_TENANT: &str = "
SELECT p.account_id FROM users u JOIN pending_pushes p ON p.account_id = u.id
WHERE u.tenant_id = ?3 AND u.id > ?1 ORDER BY u.id LIMIT ?2";

/// Accounts by id, from after `after` (empty for the first page), of one tenant or of all.
pub async fn page(
    database: &impl Database,
    tenant_id: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<AccountId>, PlatformError> {
    let statement = match tenant_id {
        Some(tenant_id) => Statement::new(PAGE_OF_TENANT).bind(after).bind(limit).bind(tenant_id),
        None => Statement::new(PAGE).bind(after).bind(limit),
    };
    let rows = database.query(statement).await?;
    let id = |text| AccountId::parse(text).ok_or_else(|| crate::malformed("account_id"));
    rows.iter().map(|row| id(row.text("account_id")?)).collect()
}

const COUNT_OF_TENANT: &str = "
SELECT COUNT(*) AS pending FROM users u JOIN pending_pushes p ON p.account_id = u.id WHERE u.tenant_id = ?1";

pub async fn count_of_tenant(database: &impl Database, tenant_id: &str) -> Result<u64, PlatformError> {
    let rows = database.query(Statement::new(COUNT_OF_TENANT).bind(tenant_id)).await?;
    rows.first().map_or(Ok(0), |row| crate::unsigned(row, "pending"))
}

fn acknowledged(account: AccountId, version: u64) -> Statement {
    Statement::new("DELETE FROM pending_pushes WHERE account_id = ?1 AND version <= ?2")
        .bind(account.to_string())
        .bind(i64::try_from(version).unwrap_or(i64::MAX))
}

/// Tells the account its newest configuration and, once it has acknowledged, forgets that it was pending.
/// The account's balance, or none when there is no such user. Safe to repeat.
pub async fn push(
    platform: &(impl Database + AtomicState + Clock),
    account: AccountId,
) -> Result<Option<Balance>, PlatformError> {
    let Some(configuration) = crate::configuration::load(platform, account, platform.now()).await? else {
        return Ok(None);
    };
    let version = configuration.version;
    let command = Command::Configure(Box::new(Configure { configuration }));
    let balance = match platform.apply::<Account>(&account.to_string(), command).await? {
        Reply::Balance(balance) if balance.configuration_version >= version => *balance,
        _ => return Err(PlatformError::malformed("the account did not take its configuration")),
    };
    let seen = crate::users::set_budget_reset_at(account, balance.resets_at);
    platform.commit(vec![acknowledged(account, balance.configuration_version), seen]).await?;
    Ok(Some(balance))
}
