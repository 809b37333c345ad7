use super::create::{Committed, Making, repeated, view};
use super::update::no_usable_key;
use crate::caller::{Caller, Scope};
use crate::new_api_key::{self, too_many_keys};
use crate::once::Once;
use bytes::Bytes;
use core::time::Duration;
use domain::identity::AccountId;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem};
use platform::{Body, Platform};
use serde_json::json as object;
use store::{api_keys, audit_log};

const GRACE_SECONDS_MAX: i64 = 30 * 24 * 60 * 60;

/// `POST /api/users/{id}/keys/{key_id}/rotate` `{grace_seconds}`: 201 with a new key of the same name, expiry and
/// limits; the old one is good for `grace_seconds` more, 0 for not at all. What was spent with the old key does
/// not count against the new one's `budget`; the user's own budget counts both. 202 as for a new key. A key is
/// rotated once: then 409 `already_rotated` names its successor, or, under the same `Idempotency-Key`, 200 repeats
/// the first answer without the secret.
pub async fn rotate(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
    key_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsersWrite).await?;
    let fields = Fields::parse(request.body(), &["grace_seconds"])?;
    let grace = fields.optional_integer("grace_seconds", 0..=GRACE_SECONDS_MAX)?;
    let grace = Duration::from_secs(fields.required("grace_seconds", grace)?.unsigned_abs());
    let account = caller.open_account(platform, user_id).await?;
    let once = Once::of(request, &format!("{account}/keys/{key_id}/rotate"))?;
    if let Some(made) = once.made(platform).await? {
        return repeated(platform, account, made).await;
    }
    let now = platform.now();
    let old = api_keys::find_usable(platform, key_id, account, now).await?.ok_or_else(no_usable_key)?;
    if let Some(successor) = old.successor {
        return Err(already_rotated(successor).into());
    }
    let mut new = new_api_key::issue(platform, account, None).await?;
    new.row.name = old.name;
    new.row.expires = old.expires;
    let good_until = old.expires.map_or(now.plus(grace), |expires| expires.min(now.plus(grace)));
    let audit = audit_log::Entry {
        actor: &caller.actor(),
        action: "api_key.rotate",
        object: &format!("user:{account}"),
        after: object!({
            "api_key_id": new.row.id, "rotated_api_key_id": old.id, "expires_at": good_until.as_millis(),
        }),
    };
    let belongs = vec![
        api_keys::copy_limits(&new.row.id, &old.id),
        api_keys::replace(&old.id, account, good_until, &new.row.id),
    ];
    let mut shown = view(&new);
    shown["rotated_api_key_id"] = old.id.clone().into();
    shown["rotated_expires_at"] = good_until.to_rfc3339().into();
    let making = Making { key: new, shown, belongs, once, audit };
    match making.commit(platform).await? {
        Committed::New(answer) => Ok(answer),
        Committed::Conflict(once) => match once.made(platform).await? {
            Some(made) => repeated(platform, account, made).await,
            None => Err(why_not(platform, &old.id, account).await?.into()),
        },
    }
}

/// Somebody else rotated it meanwhile, or there is no room for one more.
async fn why_not(platform: &impl Platform, key_id: &str, account: AccountId) -> Result<Problem, Failure> {
    let key = api_keys::find_usable(platform, key_id, account, platform.now()).await?;
    let successor = key.ok_or_else(no_usable_key)?.successor;
    Ok(successor.map_or_else(too_many_keys, already_rotated))
}

fn already_rotated(successor: String) -> Problem {
    let message = format!(
        "This key was rotated before: `{successor}` replaced it. Rotate that one if its secret is lost."
    );
    Problem::new(StatusCode::CONFLICT, "invalid_request_error", "already_rotated", message)
        .detail("api_key_id", successor)
}
