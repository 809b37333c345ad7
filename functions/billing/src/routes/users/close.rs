use crate::caller::{Caller, Scope};
use crate::ledger::{self, Pushed};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields};
use platform::{Body, Platform};
use serde_json::json as object;
use store::{audit_log, pending_pushes, users};

/// `DELETE /api/users/{id}`: closes the account for good. Its keys are dead, its e-mail is free again, its usage
/// stays. 200 once the account has acknowledged, with the calls that are still open: they end as they would
/// have. 202 when it could not be reached: repeat, or leave it to the scheduler.
pub async fn close(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsersWrite).await?;
    Fields::parse_optional(request.body(), &[])?;
    let (account, _) = caller.account(platform, user_id).await?;
    if !users::is_closed(platform, account).await? {
        let now = platform.now();
        let audit = audit_log::Entry {
            actor: &caller.actor(),
            action: "user.close",
            object: &format!("user:{account}"),
            after: object!({ "closed_at": now.as_millis() }),
        };
        let mut statements = users::close(account, now).to_vec();
        statements.extend([pending_pushes::add(account, now), audit_log::insert(&audit, now)]);
        platform.commit(statements).await?;
    }
    let pushed = ledger::tell(platform, account).await?;
    let mut body = object!({ "user_id": account.to_string(), "closed": true });
    if let Pushed::Acknowledged(balance) = &pushed {
        body["open_holds"] = balance.open_holds.into();
    }
    Ok(pushed.answer(StatusCode::OK, body))
}
