use super::create::{store, view};
use super::update::no_usable_key;
use crate::caller::{Caller, Scope};
use crate::ledger;
use crate::new_api_key;
use bytes::Bytes;
use core::time::Duration;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields};
use platform::{Body, Platform};
use serde_json::json as object;
use store::{api_keys, audit_log};

const GRACE_SECONDS_MAX: i64 = 30 * 24 * 60 * 60;

/// `POST /api/users/{id}/keys/{key_id}/rotate` `{grace_seconds}`: 201 with a new key of the same name, expiry and
/// limits; the old one is good for `grace_seconds` more, 0 for not at all. What was spent with the old key does
/// not count against the new one's `budget`; the user's own budget counts both. 202 as for a new key.
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
    let now = platform.now();
    let old = api_keys::find_usable(platform, key_id, account, now).await?.ok_or_else(no_usable_key)?;
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
    let belongs =
        vec![api_keys::copy_limits(&new.row.id, &old.id), api_keys::expire(&old.id, account, good_until)];
    store(platform, account, &new, belongs, &audit).await?;
    let mut body = view(&new);
    body["rotated_api_key_id"] = old.id.into();
    body["rotated_expires_at"] = good_until.to_rfc3339().into();
    Ok(ledger::push(platform, account).await.answer(StatusCode::CREATED, body))
}
