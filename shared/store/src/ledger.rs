//! Questions to accounts that may need the directory or the tenant's pool to be answered.

use crate::{leases, pending_pushes};
use domain::account::{Account, Command, Reply, Reserve};
use domain::identity::AccountId;
use platform::{AtomicState, Clock, Database, PlatformError, PlatformErrorKind};

/// Times that a call asks the tenant's pool: once, once more if it learns that a period has begun, and again as
/// long as others of its account are quicker. Each time it asks for four times as much, so that a thousand calls
/// that wait together are through after six.
const GRANTS_MAX: usize = 10;

/// Sends a command. An account that has not heard of its user yet is told first; none when there is no such
/// user. Not for a `Reserve`, which an account that was never told refuses.
pub async fn ask(
    platform: &(impl Database + AtomicState + Clock),
    account: AccountId,
    command: Command,
) -> Result<Option<Reply>, PlatformError> {
    let name = account.to_string();
    match platform.apply::<Account>(&name, command.clone()).await? {
        Reply::NotConfigured => match pending_pushes::push(platform, account).await? {
            Some(_) => platform.apply::<Account>(&name, command).await.map(Some),
            None => Ok(None),
        },
        reply => Ok(Some(reply)),
    }
}

pub struct Asked {
    pub reply: Result<Reply, PlatformError>,
    /// Whether a try failed before: it may have opened a hold, whatever the last one met.
    pub repeated: bool,
}

/// Reserves, with money of the tenant's pool where the account needs more of it. A `Reserve` may be repeated, so
/// a failure that answered quickly is tried once more.
pub async fn reserve(
    platform: &(impl Database + AtomicState),
    account: AccountId,
    mut command: Reserve,
) -> Asked {
    let name = account.to_string();
    let mut repeated = false;
    for _ in 0..GRANTS_MAX {
        let reserve = || Command::Reserve(Box::new(command.clone()));
        let reply = match platform.apply::<Account>(&name, reserve()).await {
            Err(error) if error.kind == PlatformErrorKind::Unavailable && !repeated => {
                repeated = true;
                platform.apply::<Account>(&name, reserve()).await
            }
            answer => answer,
        };
        let Ok(Reply::NeedsGrant(needs)) = reply else { return Asked { reply, repeated } };
        match leases::ask(platform, account, &needs).await {
            Ok(grant) => {
                command.grant = Some(Box::new(grant));
                command.asked = command.asked.saturating_add(1);
            }
            Err(error) => return Asked { reply: Err(error), repeated },
        }
    }
    let reply = Err(PlatformError::unavailable("the tenant's pool and the account do not agree"));
    Asked { reply, repeated }
}
