use crate::caller::{Caller, Scope};
use crate::ledger;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem};
use platform::{Body, Platform};
use serde_json::json as object;
use store::{api_keys, audit_log, pending_pushes, users};

/// `DELETE /api/users/{id}/keys/{key_id}`: 200 once the account has acknowledged, so that no later request
/// passes. 202 when it could not be reached: repeat, or leave it to the scheduler. A repetition writes nothing.
pub async fn revoke(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
    key_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsersWrite).await?;
    Fields::parse_optional(request.body(), &[])?;
    let (account, _) = caller.account(platform, user_id).await?;
    if !api_keys::is_revoked(platform, key_id, account).await?.ok_or_else(no_such_key)? {
        let now = platform.now();
        let audit = audit_log::Entry {
            actor: &caller.actor(),
            action: "api_key.revoke",
            object: &format!("user:{account}"),
            after: object!({ "api_key_id": key_id }),
        };
        platform
            .commit(vec![
                api_keys::revoke(key_id, account, now),
                users::configuration_changed(account),
                pending_pushes::add(account, now),
                audit_log::insert(&audit, now),
            ])
            .await?;
    }
    let body = object!({ "user_id": account.to_string(), "api_key_id": key_id, "revoked": true });
    Ok(ledger::tell(platform, account).await?.answer(StatusCode::OK, body))
}

fn no_such_key() -> Problem {
    Problem::not_found("This user has no such key. Check the key's id.")
}
