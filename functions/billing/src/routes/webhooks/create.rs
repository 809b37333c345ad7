use super::{refuse_events, view};
use crate::caller::{Caller, Scope};
use crate::once::Once;
use bytes::Bytes;
use domain::webhook_address::{self, Reach};
use domain::{provider_key, webhook_signature};
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, json};
use platform::{Body, Platform, PlatformError, PlatformErrorKind};
use serde_json::json as object;
use store::audit_log;
use store::webhook_endpoints::{self, ENDPOINTS_MAX, Endpoint, NewEndpoint, sealing_name};

/// What stands for all types of notices.
const ALL: &str = "*";
const NONCE_BYTES: usize = 24;

/// `POST /api/tenants/{id}/webhooks` `{url, events?}`: 201 with the secret, which is shown only now. A repetition
/// under the same `Idempotency-Key` is 200 with `repeated` and without the secret. 409 `too_many_webhooks`.
pub async fn create(
    platform: &impl Platform,
    request: &Request<Bytes>,
    tenant_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::WebhooksWrite).await?;
    let fields = Fields::parse(request.body(), &["url", "events"])?;
    let url = fields.text("url")?;
    let reach = reach(platform).await?;
    webhook_address::check(url, &reach).map_err(|error| fields.refuse("url", &error.to_string()))?;
    let events = fields.optional_texts("events")?.unwrap_or_else(|| vec![ALL.to_owned()]);
    refuse_events(&fields, &events)?;
    let tenant = caller.tenant(platform, tenant_id).await?;
    let once = Once::of(request, &format!("{}/webhooks", tenant.id))?;
    if let Some(made) = once.made(platform).await? {
        return Ok(json(StatusCode::OK, &made));
    }
    let id = new_id(platform);
    let secret = new_secret(platform);
    let sealed_secret = seal(platform, &id, &secret).await?;
    let now = platform.now();
    let row =
        NewEndpoint { id: &id, tenant_id: &tenant.id, url, events: &events, sealed_secret: &sealed_secret };
    let audit = audit_log::Entry {
        actor: &caller.actor(),
        action: "webhook.create",
        object: &format!("tenant:{}", tenant.id),
        after: object!({ "webhook_id": row.id, "url": url, "events": events }),
    };
    let mut statements = vec![webhook_endpoints::insert(&row, now), audit_log::insert(&audit, now)];
    let endpoint = Endpoint { id, url: url.to_owned(), events, active: true, created_at: now };
    let mut body = view(&endpoint);
    statements.extend(once.statement(&body, now));
    match platform.commit(statements).await {
        // Another request made it meanwhile; or there is one too many.
        Err(error) if error.kind == PlatformErrorKind::Conflict => {
            let made = once.made(platform).await?.ok_or_else(too_many_webhooks)?;
            return Ok(json(StatusCode::OK, &made));
        }
        done => done?,
    }
    body["secret"] = secret.into();
    Ok(json(StatusCode::CREATED, &body))
}

fn too_many_webhooks() -> Problem {
    let message = format!("This tenant has {ENDPOINTS_MAX} webhooks, which is the limit. Delete one first.");
    Problem::new(StatusCode::CONFLICT, "invalid_request_error", "too_many_webhooks", message)
}

/// Where webhooks may go. While that cannot be told, none is saved.
async fn reach(platform: &impl Platform) -> Result<Reach, PlatformError> {
    let setting = platform.setting("WEBHOOK_ADDRESSES").await?;
    Reach::of_setting(setting.as_ref().map(platform::Secret::expose))
        .map_err(|error| PlatformError::malformed(format!("WEBHOOK_ADDRESSES: {error}")))
}

fn new_id(platform: &impl Platform) -> String {
    let mut random = [0; 12];
    platform.fill(&mut random);
    random.iter().fold("wh_".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

fn new_secret(platform: &impl Platform) -> String {
    let mut random = [0; webhook_signature::SECRET_BYTES];
    platform.fill(&mut random);
    webhook_signature::new_secret(&random)
}

async fn seal(platform: &impl Platform, id: &str, secret: &str) -> Result<String, PlatformError> {
    let hex = platform.secret("PROVIDER_KEYS_KEY_1").await?;
    let master = provider_key::master_key(hex.expose())
        .map_err(|error| PlatformError::malformed(format!("PROVIDER_KEYS_KEY_1: {error}")))?;
    let mut nonce = [0; NONCE_BYTES];
    platform.fill(&mut nonce);
    Ok(provider_key::seal(&master, &sealing_name(id), secret, &nonce))
}
