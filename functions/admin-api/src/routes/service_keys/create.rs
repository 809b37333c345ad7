use super::{require_admin, view};
use crate::session;
use bytes::Bytes;
use domain::api_key::KeyHash;
use domain::time::Timestamp;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, Query, json};
use platform::{Body, Platform, PlatformErrorKind, Randomness};
use serde_json::json as object;
use store::service_keys::{self, SCOPES, SERVICE_KEYS_MAX, ServiceKey, ServiceKeyRow};
use store::{audit_log, tenants};

const FIELDS: &[&str] = &["name", "scopes", "tenant_id", "expires_at"];

/// `POST /admin/service-keys` `{name, scopes, tenant_id?, expires_at?}`: 201 with `key`, which is shown only now: the
/// `X-API-Key` of a client of billing, for one tenant or, without `tenant_id`, for all. For administrators.
pub async fn create(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let caller = session::user(platform, request.headers()).await?;
    require_admin(&caller)?;
    Query::none(request.uri())?;
    let fields = Fields::parse(request.body(), FIELDS)?;
    let now = platform.now();
    let row = ServiceKeyRow {
        key: ServiceKey {
            id: format!("service_{}", random_hex::<12>(platform)),
            tenant_id: tenant_id(platform, &fields).await?,
            scopes: scopes(&fields)?,
        },
        name: fields.text("name")?.to_owned(),
        created: now,
        expires: expires(&fields, now)?,
    };
    let key = format!("cf-billing-{}", random_hex::<24>(platform));
    let audit = audit_log::Entry {
        actor: &format!("user:{}", caller.id),
        action: "service_key.create",
        object: &format!("service_key:{}", row.key.id),
        after: object!({ "tenant_id": row.key.tenant_id, "scopes": row.key.scopes }),
    };
    let statements = vec![service_keys::insert(&row, &KeyHash::of(&key)), audit_log::insert(&audit, now)];
    match platform.commit(statements).await {
        Err(error) if error.kind == PlatformErrorKind::Conflict => return Err(too_many().into()),
        result => result?,
    }
    let mut body = view(&row);
    body["key"] = key.into();
    Ok(json(StatusCode::CREATED, &body))
}

async fn tenant_id(platform: &impl Platform, fields: &Fields) -> Result<Option<String>, Failure> {
    let Some(id) = fields.optional_text("tenant_id")? else { return Ok(None) };
    let tenant = tenants::find(platform, id).await?;
    let tenant = tenant.ok_or_else(|| fields.refuse("tenant_id", "the id or slug of a tenant"))?;
    Ok(Some(tenant.id))
}

/// Each once, in the order of [`SCOPES`].
fn scopes(fields: &Fields) -> Result<Vec<String>, Problem> {
    let wanted = fields.required("scopes", fields.optional_texts("scopes")?)?;
    let known = wanted.iter().all(|scope| SCOPES.contains(&scope.as_str()));
    if wanted.is_empty() || !known {
        return Err(fields.refuse("scopes", &format!("a list of some of `{}`", SCOPES.join("`, `"))));
    }
    Ok(SCOPES
        .iter()
        .filter(|scope| wanted.iter().any(|it| it == *scope))
        .map(|it| (*it).to_owned())
        .collect())
}

fn expires(fields: &Fields, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    match fields.optional_instant("expires_at")? {
        Some(expires) if expires <= now => Err(fields.refuse("expires_at", "an instant in the future")),
        expires => Ok(expires),
    }
}

fn random_hex<const N: usize>(platform: &impl Randomness) -> String {
    let mut random = [0; N];
    platform.fill(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn too_many() -> Problem {
    let message =
        format!("There are {SERVICE_KEYS_MAX} usable service keys, which is the limit. Revoke one first.");
    Problem::new(StatusCode::CONFLICT, "invalid_request_error", "too_many_service_keys", message)
}
