//! Who is calling, as far as the key itself tells.

use domain::account::{Account, Balance, Command, Refusal, Reply};
use domain::api_key::{KeyHash, UncheckedKey};
use domain::identity::AccountId;
use http::HeaderMap;
use http_api::{Problem, bearer_or_api_key};
use platform::Platform;

use crate::ledger;

/// A key whose check holds. Whether it is known, fresh and not revoked, only the account can say.
pub struct Caller {
    pub account: AccountId,
    /// The account's name, as its state machine is called.
    pub name: String,
    pub key: KeyHash,
}

impl Caller {
    /// Reads the key without any look-up.
    pub async fn from_headers(platform: &impl Platform, headers: &HeaderMap) -> Result<Self, Problem> {
        let key = bearer_or_api_key(headers).ok_or_else(Problem::invalid_api_key)?;
        let unchecked = UncheckedKey::read(key).ok_or_else(Problem::invalid_api_key)?;
        let pepper = platform.secret(&format!("API_KEY_PEPPER_{}", unchecked.pepper_version())).await;
        let pepper = pepper.map_err(|_| Problem::invalid_api_key())?;
        let account = unchecked.check(pepper.expose().as_bytes()).ok_or_else(Problem::invalid_api_key)?;
        Ok(Self { account, name: account.to_string(), key: KeyHash::of(key) })
    }

    /// Asks the account. For calls that cost nothing; those that do ask when they reserve.
    pub async fn authorize(&self, platform: &impl Platform) -> Result<Balance, Problem> {
        let reply = platform.apply::<Account>(&self.name, Command::Authorize(self.key)).await;
        match reply.map_err(|error| ledger::unavailable(&self.name, &error))? {
            Reply::Balance(balance) => Ok(*balance),
            Reply::Refused(Refusal::UserInactive) => Err(Problem::user_inactive()),
            Reply::Refused(Refusal::TenantInactive) => Err(Problem::tenant_inactive()),
            _ => Err(Problem::invalid_api_key()),
        }
    }
}
