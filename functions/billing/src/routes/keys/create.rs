use crate::caller::{Caller, Scope};
use crate::ledger;
use crate::new_api_key::{self, IssuedKey, too_many_keys};
use crate::once::Once;
use bytes::Bytes;
use domain::identity::AccountId;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields};
use platform::{Body, Platform, PlatformErrorKind, Statement};
use serde_json::{Value, json as object};
use store::{audit_log, pending_pushes, users};

/// `POST /api/users/{id}/keys` `{name?, expires_at?, budget?, requests_per_minute?, tokens_per_minute?, clamp?}`:
/// 201 with the key, which is shown only now. `budget` is what calls with it may cost in a period of the user.
/// 202 when the account has not acknowledged it yet; it works as soon as it has. 409 `too_many_keys`. A repetition
/// under the same `Idempotency-Key` is 200 with `repeated` and without the secret.
pub async fn create(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsersWrite).await?;
    let fields = Fields::parse_optional(request.body(), new_api_key::FIELDS)?;
    let account = caller.open_account(platform, user_id).await?;
    let once = Once::of(request, &format!("{account}/keys"))?;
    if let Some(made) = once.made(platform).await? {
        return repeated(platform, account, made).await;
    }
    let key = new_api_key::issue(platform, account, Some(&fields)).await?;
    let audit = audit_log::Entry {
        actor: &caller.actor(),
        action: "api_key.create",
        object: &format!("user:{account}"),
        after: object!({ "api_key_id": key.row.id }),
    };
    let making = Making { shown: view(&key), key, belongs: Vec::new(), once, audit };
    match making.commit(platform).await? {
        Committed::New(answer) => Ok(answer),
        Committed::Conflict(once) => {
            let made = once.made(platform).await?.ok_or_else(too_many_keys)?;
            repeated(platform, account, made).await
        }
    }
}

/// A key that is being made, with what belongs to it.
pub(super) struct Making<'a> {
    pub key: IssuedKey,
    /// The answer, but for the secret.
    pub shown: Value,
    pub belongs: Vec<Statement>,
    pub once: Once,
    pub audit: audit_log::Entry<'a>,
}

pub(super) enum Committed {
    New(Response<Body>),
    /// Nothing was made: another request did meanwhile, or there is one too many.
    Conflict(Once),
}

impl Making<'_> {
    /// Everything, and what the account must learn, in one commit; then tells the account.
    pub async fn commit(self, platform: &impl Platform) -> Result<Committed, Failure> {
        let Self { key, mut shown, belongs, once, audit } = self;
        let (account, now) = (key.row.user, platform.now());
        let mut statements = key.statements(belongs, now);
        statements.extend([
            users::configuration_changed(account),
            pending_pushes::add(account, now),
            audit_log::insert(&audit, now),
        ]);
        statements.extend(once.statement(&shown, now));
        match platform.commit(statements).await {
            Err(error) if error.kind == PlatformErrorKind::Conflict => return Ok(Committed::Conflict(once)),
            done => done?,
        }
        shown["api_key"] = key.secret.into();
        let answer = ledger::push(platform, account).await.answer(StatusCode::CREATED, shown);
        Ok(Committed::New(answer))
    }
}

/// What was made before; its secret was shown then.
pub(super) async fn repeated(
    platform: &impl Platform,
    account: AccountId,
    made: Value,
) -> Result<Response<Body>, Failure> {
    Ok(ledger::tell(platform, account).await?.answer(StatusCode::OK, made))
}

pub(super) fn view(key: &IssuedKey) -> Value {
    object!({
        "user_id": key.row.user.to_string(),
        "api_key_id": key.row.id,
        "name": key.row.name,
        "preview": key.row.preview,
        "expires_at": new_api_key::expires_text(key.row.expires),
    })
}
