use crate::caller::{Caller, Scope};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, json};
use platform::{Body, Platform, PlatformError};
use serde_json::json as object;
use store::{audit_log, pending_pushes, tenants, users};

/// Accounts told within one request; the scheduler tells the rest.
const ACCOUNTS_PER_REQUEST_MAX: i64 = 200;
/// Accounts told at the same time.
const AT_ONCE: usize = 6;

/// `PATCH /api/tenants/{id}` `{status}`: 200 once every account of the tenant has acknowledged, else 202
/// with how many are `outstanding`; repeat to go on.
pub async fn update(
    platform: &impl Platform,
    request: &Request<Bytes>,
    id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::TenantsWrite).await?;
    let fields = Fields::parse(request.body())?;
    let status = fields.optional_word("status", &["pending", "active", "suspended"])?;
    let status = fields.required("status", status)?;
    let tenant = caller.tenant(platform, id).await?;
    if tenant.status != status {
        let now = platform.now();
        let audit = audit_log::Entry {
            actor: &caller.actor(),
            action: "tenant.update",
            object: &format!("tenant:{}", tenant.id),
            after: object!({ "status": status }),
        };
        platform
            .commit(vec![
                tenants::set_status(&tenant.id, status, now),
                users::configuration_changed_in_tenant(&tenant.id),
                pending_pushes::add_for_tenant(&tenant.id, now),
                audit_log::insert(&audit, now),
            ])
            .await?;
    }
    let outstanding = tell_accounts(platform, &tenant.id).await?;
    let code = if outstanding == 0 { StatusCode::OK } else { StatusCode::ACCEPTED };
    let body = object!({
        "tenant_id": tenant.id, "slug": tenant.slug, "status": status, "outstanding": outstanding,
    });
    Ok(json(code, &body))
}

/// How many accounts have not acknowledged yet.
async fn tell_accounts(platform: &impl Platform, tenant_id: &str) -> Result<u64, PlatformError> {
    let accounts = pending_pushes::page(platform, Some(tenant_id), "", ACCOUNTS_PER_REQUEST_MAX).await?;
    stream::iter(accounts)
        .for_each_concurrent(AT_ONCE, |account| async move {
            // One that cannot be reached stays pending and is counted below.
            let _ = pending_pushes::push(platform, account).await;
        })
        .await;
    pending_pushes::count_of_tenant(platform, tenant_id).await
}
