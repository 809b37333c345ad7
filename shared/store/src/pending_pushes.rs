//! Configurations that accounts have not acknowledged yet. A row is committed together with the change it
//! stands for, and stays until the account has the change: so a crash between the two only delays it.

use domain::account::{Account, Balance, Command, Configuration, Configure, Reply};
use domain::identity::AccountId;
use domain::time::Timestamp;
use platform::{AtomicState, Clock, Database, PlatformError, Statement};
use serde_json::{Value, json};

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

const IS_PENDING: &str = "SELECT account_id FROM pending_pushes WHERE account_id = ?1";

/// Whether the account has not acknowledged its newest configuration.
pub async fn is_pending(database: &impl Database, account: AccountId) -> Result<bool, PlatformError> {
    Ok(!database.query(Statement::new(IS_PENDING).bind(account.to_string())).await?.is_empty())
}

const ACKNOWLEDGED: &str = "
DELETE FROM pending_pushes WHERE account_id IN (
  SELECT pending.account_id FROM json_each(?1) AS told CROSS JOIN pending_pushes AS pending
    ON pending.account_id = told.value ->> 0 AND pending.version <= told.value ->> 1)";

/// Forgets what these accounts have acknowledged, and writes down when they said that their periods end.
pub fn acknowledged(told: &[(AccountId, Balance)]) -> [Statement; 2] {
    let version = |balance: &Balance| i64::try_from(balance.configuration_version).unwrap_or(i64::MAX);
    let versions: Vec<_> =
        told.iter().map(|(account, balance)| json!([account.to_string(), version(balance)])).collect();
    let views: Vec<_> = told.iter().map(|(account, balance)| (*account, balance.resets_at)).collect();
    let forget = Statement::new(ACKNOWLEDGED).bind(Value::from(versions).to_string());
    [forget, crate::reset_views::set_told(&views)]
}

/// Tells the account its configuration; commit [`acknowledged`] with its answer. Safe to repeat.
pub async fn tell(
    platform: &impl AtomicState,
    account: AccountId,
    configuration: Configuration,
) -> Result<Balance, PlatformError> {
    let version = configuration.version;
    let command = Command::Configure(Box::new(Configure { configuration }));
    match platform.apply::<Account>(&account.to_string(), command).await? {
        Reply::Balance(balance) if balance.configuration_version >= version => Ok(*balance),
        _ => Err(PlatformError::malformed("the account did not take its configuration")),
    }
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
    let told = [(account, tell(platform, account, configuration).await?)];
    platform.commit(acknowledged(&told).into()).await?;
    let [(_, balance)] = told;
    Ok(Some(balance))
}

#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 2] = [PAGE, ACKNOWLEDGED];
