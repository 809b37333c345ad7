use crate::caller::{Caller, Scope};
use crate::ledger;
use crate::new_api_key::{self, IssuedKey, too_many_keys};
use bytes::Bytes;
use domain::identity::AccountId;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields};
use platform::{Body, Platform, PlatformErrorKind, Statement};
use serde_json::{Value, json as object};
use store::{audit_log, pending_pushes, users};

/// `POST /api/users/{id}/keys` `{name?, expires_at?, budget?, requests_per_minute?, tokens_per_minute?, clamp?}`:
/// 201 with the key, which is shown only now. `budget` is what calls with it may cost in a period of the user.
/// 202 when the account has not acknowledged it yet; it works as soon as it has. 409 `too_many_keys`.
pub async fn create(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsersWrite).await?;
    let fields = Fields::parse_optional(request.body(), new_api_key::FIELDS)?;
    let account = caller.open_account(platform, user_id).await?;
    let key = new_api_key::issue(platform, account, Some(&fields)).await?;
    let audit = audit_log::Entry {
        actor: &caller.actor(),
        action: "api_key.create",
        object: &format!("user:{account}"),
        after: object!({ "api_key_id": key.row.id }),
    };
    store(platform, account, &key, Vec::new(), &audit).await?;
    Ok(ledger::push(platform, account).await.answer(StatusCode::CREATED, view(&key)))
}

/// The key, what else belongs to it, and what the account must learn, in one commit.
pub(super) async fn store(
    platform: &impl Platform,
    account: AccountId,
    key: &IssuedKey,
    belongs: Vec<Statement>,
    audit: &audit_log::Entry<'_>,
) -> Result<(), Failure> {
    let now = platform.now();
    let mut statements = key.statements(belongs, now);
    statements.extend([
        users::configuration_changed(account),
        pending_pushes::add(account, now),
        audit_log::insert(audit, now),
    ]);
    platform.commit(statements).await.map_err(|error| match error.kind {
        PlatformErrorKind::Conflict => too_many_keys().into(),
        _ => error.into(),
    })
}

pub(super) fn view(key: &IssuedKey) -> Value {
    object!({
        "user_id": key.row.user.to_string(),
        "api_key": key.secret,
        "api_key_id": key.row.id,
        "name": key.row.name,
        "preview": key.row.preview,
        "expires_at": new_api_key::expires_text(key.row.expires),
    })
}
