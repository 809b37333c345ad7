use crate::budget_view;
use crate::caller::{Caller, Scope};
use crate::ledger;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, json};
use platform::{Body, Platform};

/// `GET /api/users/{id}/budget`: the account's live figures, decimal euros as texts.
pub async fn show(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::BudgetRead).await?;
    let (account, _) = caller.account(platform, user_id).await?;
    let balance = ledger::balance(platform, account).await?;
    Ok(json(StatusCode::OK, &budget_view::exact(account, &balance)))
}
