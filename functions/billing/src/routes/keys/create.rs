use crate::caller::{Caller, Scope};
use crate::ledger;
use crate::new_api_key;
use bytes::Bytes;
use domain::account::KEYS_MAX;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem};
use platform::{Body, Platform};
use serde_json::json as object;
use store::{api_keys, audit_log, pending_pushes, users};

/// `POST /api/users/{id}/keys` `{name?, expires_at?}`: 201 with the key, which is shown only now. 202 when
/// the account has not acknowledged it yet; it works as soon as it has.
pub async fn create(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsersWrite).await?;
    let (account, _) = caller.account(platform, user_id).await?;
    let fields = if request.body().is_empty() { None } else { Some(Fields::parse(request.body())?) };
    let key = new_api_key::issue(platform, account, fields.as_ref()).await?;
    let now = platform.now();
    if api_keys::count_usable(platform, account, now).await? >= KEYS_MAX as u64 {
        let message = format!("This user has {KEYS_MAX} usable keys, which is the limit. Revoke one first.");
        return Err(
            Problem::new(StatusCode::CONFLICT, "invalid_request_error", "too_many_keys", message).into()
        );
    }
    let audit = audit_log::Entry {
        actor: &caller.actor(),
        action: "api_key.create",
        object: &format!("user:{account}"),
        after: object!({ "api_key_id": key.row.id }),
    };
    platform
        .commit(vec![
            api_keys::insert(&key.row, now),
            users::configuration_changed(account),
            pending_pushes::add(account, now),
            audit_log::insert(&audit, now),
        ])
        .await?;
    let body = object!({
        "user_id": account.to_string(),
        "api_key": key.secret,
        "api_key_id": key.row.id,
        "name": key.row.name,
        "preview": key.row.preview,
        "expires_at": new_api_key::expires_text(key.row.expires),
    });
    Ok(ledger::push(platform, account).await.answer(StatusCode::CREATED, body))
}
