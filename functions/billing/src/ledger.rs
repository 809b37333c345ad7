//! Questions to accounts.

use crate::caller::no_such_user;
use domain::account::{Balance, Command, Reply};
use domain::identity::{AccountId, RequestId};
use http::{Response, StatusCode};
use http_api::{Failure, Problem, json};
use platform::{Body, Platform, PlatformError};
use serde_json::Value;
use store::pending_pushes;

/// Sends a command. An account that has not heard of its user yet is told first.
pub async fn ask(platform: &impl Platform, account: AccountId, command: Command) -> Result<Reply, Failure> {
    let reply = store::ledger::ask(platform, account, command).await?;
    Ok(reply.ok_or_else(no_such_user)?)
}

pub async fn balance(platform: &impl Platform, account: AccountId) -> Result<Balance, Failure> {
    match ask(platform, account, Command::Inspect).await? {
        Reply::Balance(balance) => Ok(*balance),
        other => Err(unexpected(&other)),
    }
}

/// The account's name of a hold that a client asked for. It cannot be that of a call's hold, so no client ends
/// a call's.
pub fn hold(account: AccountId, hold_id: &str) -> RequestId {
    RequestId::of_foreign(&format!("{account}/hold"), hold_id)
}

/// The account could not hold the sum exactly. `most` in euros.
pub fn does_not_fit(param: &str, most: &str) -> Problem {
    let message = format!(
        "`{param}` would lead beyond what the ledger holds exactly. The most that fits now is €{most}; nothing was changed."
    );
    Problem::new(StatusCode::CONFLICT, "invalid_request_error", "amount_does_not_fit", message).about(param)
}

pub fn unexpected(reply: &Reply) -> Failure {
    PlatformError::malformed(format!("the account answered {reply:?}")).into()
}

/// Tells the account what its rows now say. What could not be told stays pending, and the scheduler repeats
/// it until the account has acknowledged.
pub async fn push(platform: &impl Platform, account: AccountId) -> Pushed {
    match pending_pushes::push(platform, account).await {
        Ok(Some(balance)) => Pushed::Acknowledged(Box::new(balance)),
        Ok(None) => Pushed::Pending,
        Err(error) => {
            log::warn!("account {account} has a pending configuration: {error}");
            Pushed::Pending
        }
    }
}

/// Tells the account what it has not acknowledged yet. One that has heard everything is only asked for its figures; if
/// it cannot be reached, it may be pending for all that its caller knows.
pub async fn tell(platform: &impl Platform, account: AccountId) -> Result<Pushed, Failure> {
    if pending_pushes::is_pending(platform, account).await? {
        return Ok(push(platform, account).await);
    }
    match store::ledger::ask(platform, account, Command::Inspect).await {
        Ok(Some(Reply::Balance(balance))) => Ok(Pushed::Acknowledged(balance)),
        Ok(Some(other)) => Err(unexpected(&other)),
        Ok(None) => Err(no_such_user().into()),
        Err(error) => {
            log::warn!("account {account} did not tell its figures: {error}");
            Ok(Pushed::Pending)
        }
    }
}

pub enum Pushed {
    Acknowledged(Box<Balance>),
    Pending,
}

impl Pushed {
    /// `body` with `pending`, as `done` or as 202.
    pub fn answer(self, done: StatusCode, mut body: Value) -> Response<Body> {
        match self {
            Self::Acknowledged(_) => {
                body["pending"] = false.into();
                json(done, &body)
            }
            Self::Pending => {
                body["pending"] = true.into();
                json(StatusCode::ACCEPTED, &body)
            }
        }
    }
}
