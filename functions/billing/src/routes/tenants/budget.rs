use super::outstanding::Outstanding;
use crate::budget_view;
use crate::caller::{Caller, Scope};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{Failure, json};
use platform::{Body, Platform};
use store::tenant_pools;

/// `GET /api/tenants/{id}/budget`: the live figures of what all users of the tenant share, decimal euros as
/// texts. Without a budget `limit` and the figures beside it are null. `outstanding` is 0 once nobody lets calls pass
/// under earlier limits.
pub async fn budget(
    platform: &impl Platform,
    request: &Request<Bytes>,
    id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::BudgetRead).await?;
    let tenant = caller.tenant(platform, id).await?;
    let pool = tenant_pools::name(tenant.home, &tenant.id);
    let balance = store::leases::balance(platform, &pool).await?;
    let leases = match balance.recalling {
        true => store::leases::outstanding(platform, &pool, None).await?,
        false => domain::tenant_pool::Outstanding::default(),
    };
    let mut body = budget_view::of_pool(&balance);
    Outstanding::of(platform, &tenant.id, Some(&leases)).await?.show(&mut body);
    body["tenant_id"] = tenant.id.into();
    body["slug"] = tenant.slug.into();
    body["tenant_status"] = tenant.status.into();
    Ok(json(StatusCode::OK, &body))
}
