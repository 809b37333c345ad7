use crate::budget_view;
use crate::caller::{Caller, Scope};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, json};
use platform::{Body, Platform};
use store::tenant_pools;

/// `GET /api/tenants/{id}/budget`: the live figures of what all users of the tenant share, decimal euros as
/// texts. Without a budget `limit` and the figures beside it are null.
pub async fn budget(
    platform: &impl Platform,
    request: &Request<Bytes>,
    id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::BudgetRead).await?;
    let tenant = caller.tenant(platform, id).await?;
    let pool = tenant_pools::name(tenant.home, &tenant.id);
    let mut body = budget_view::of_pool(&store::leases::balance(platform, &pool).await?);
    body["tenant_id"] = tenant.id.into();
    body["slug"] = tenant.slug.into();
    body["tenant_status"] = tenant.status.into();
    Ok(json(StatusCode::OK, &body))
}
