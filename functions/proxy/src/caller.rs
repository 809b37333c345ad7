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
        let key = bearer_or_api_key(headers)?.ok_or_else(Problem::invalid_api_key)?;
        let unchecked = UncheckedKey::read(key).ok_or_else(Problem::invalid_api_key)?;
        // Under a pepper that is empty everybody could make a key that passes.
        let pepper = platform.setting(&format!("API_KEY_PEPPER_{}", unchecked.pepper_version())).await;
        let pepper = pepper.ok().flatten().ok_or_else(Problem::invalid_api_key)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use domain::api_key::{self, Pepper};
    use domain::identity::Home;
    use futures_executor::block_on;
    use http::header::AUTHORIZATION;
    use platform_memory::MemoryPlatform;

    const ACCOUNT: AccountId = AccountId::new(Home::Eu, [7; 16]);

    fn read(platform: &MemoryPlatform, version: u8, pepper: &str) -> Option<AccountId> {
        let pepper = Pepper { version, secret: pepper.as_bytes() };
        let key = api_key::issue(ACCOUNT, &[1; 24], &pepper);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {key}").parse().unwrap())]);
        block_on(Caller::from_headers(platform, &headers)).ok().map(|caller| caller.account)
    }

    #[test]
    fn keys_are_read_under_each_pepper_that_is_configured_and_under_no_empty_one() {
        let platform = MemoryPlatform::new();
        platform.set_secret("API_KEY_PEPPER_1", "a first pepper");
        platform.set_secret("API_KEY_PEPPER_2", "");
        assert_eq!(read(&platform, 1, "a first pepper"), Some(ACCOUNT));
        assert_eq!(read(&platform, 2, ""), None);
        assert_eq!(read(&platform, 3, ""), None);
        platform.set_secret("API_KEY_PEPPER_2", "a second pepper");
        assert_eq!(read(&platform, 2, "a second pepper"), Some(ACCOUNT));
        assert_eq!(read(&platform, 2, "a first pepper"), None);
        assert_eq!(read(&platform, 1, "a first pepper"), Some(ACCOUNT));
    }
}
