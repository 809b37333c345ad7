use crate::caller::{Caller, Scope};
use crate::ledger;
use crate::new_api_key::{FIELDS, change, expires_text};
use bytes::Bytes;
use domain::identity::AccountId;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem};
use platform::{Body, Platform};
use serde_json::json as object;
use store::api_keys::{ApiKey, KeyChange};
use store::{api_keys, audit_log, pending_pushes, users};

const CLEARABLE: &[&str] = &["expires_at", "budget", "requests_per_minute", "tokens_per_minute"];

/// `PATCH /api/users/{id}/keys/{key_id}` `{name?, expires_at?, budget?, requests_per_minute?, tokens_per_minute?,
/// clamp?}`; `null` takes a limit or the expiry away. 200 with the key as it is now, once the account has
/// acknowledged, else 202. What changes nothing writes nothing. What was spent with the key stays spent; a key that is revoked or expired is 404.
pub async fn update(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
    key_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsersWrite).await?;
    let now = platform.now();
    let change = change(&Fields::parse_change(request.body(), FIELDS, CLEARABLE)?, now)?;
    if change == KeyChange::default() {
        return Err(nothing_to_change().into());
    }
    let account = caller.open_account(platform, user_id).await?;
    let key = api_keys::find_usable(platform, key_id, account, now).await?.ok_or_else(no_usable_key)?;
    if change.differs_from(&key) {
        store(platform, &caller, account, key_id, &change).await?;
    }
    let body = match api_keys::find_usable(platform, key_id, account, now).await? {
        Some(ApiKey {
            id,
            name,
            preview,
            expires,
            budget,
            requests_per_minute,
            tokens_per_minute,
            clamp,
            successor: _,
        }) => {
            object!({
                "user_id": account.to_string(),
                "api_key_id": id,
                "name": name,
                "preview": preview,
                "expires_at": expires_text(expires),
                "budget": budget.map(|budget| budget.to_string()),
                "requests_per_minute": requests_per_minute,
                "tokens_per_minute": tokens_per_minute,
                "clamp": clamp,
            })
        }
        // It was revoked meanwhile.
        None => object!({ "user_id": account.to_string(), "api_key_id": key_id }),
    };
    Ok(ledger::tell(platform, account).await?.answer(StatusCode::OK, body))
}

/// The row and what the account must learn, in one commit.
async fn store(
    platform: &impl Platform,
    caller: &Caller,
    account: AccountId,
    key_id: &str,
    change: &KeyChange,
) -> Result<(), Failure> {
    let now = platform.now();
    let audit = audit_log::Entry {
        actor: &caller.actor(),
        action: "api_key.update",
        object: &format!("user:{account}"),
        after: object!({
            "api_key_id": key_id,
            "expires_at": change.expires.flatten().map(|at| at.as_millis()),
            "budget_nano_eur": change.budget.flatten().map(|budget| budget.get()),
            "requests_per_minute": change.requests_per_minute.flatten(),
            "tokens_per_minute": change.tokens_per_minute.flatten(),
            "clamp": change.clamp,
        }),
    };
    let statements = vec![
        api_keys::update(key_id, account, change, now),
        users::configuration_changed(account),
        pending_pushes::add(account, now),
        audit_log::insert(&audit, now),
    ];
    Ok(platform.commit(statements).await?)
}

pub(super) fn no_usable_key() -> Problem {
    Problem::not_found("This user has no such key, or it is revoked or expired. Check the key's id.")
}

fn nothing_to_change() -> Problem {
    Problem::bad_request(
        "nothing_to_change",
        "Name at least one of `name`, `expires_at`, `budget`, `requests_per_minute`, `tokens_per_minute`, `clamp`.",
    )
}
