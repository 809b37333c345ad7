use super::outstanding::Outstanding;
use crate::caller::{Caller, Scope};
use crate::limit_fields::{STATUSES, changed_budget, changed_per_minute, reset_day, time_zone};
use bytes::Bytes;
use domain::tenant_pool;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, json};
use platform::{Body, Platform, PlatformError};
use serde_json::{Value, json as object};
use store::tenant_pools::{self, TenantLimits};
use store::tenants::{self, Tenant};
use store::{audit_log, leases, pending_pushes};

/// Accounts told within one request; the scheduler tells the rest.
const ACCOUNTS_PER_REQUEST_MAX: i64 = 100;
/// Accounts told at the same time.
const AT_ONCE: usize = 6;

const FIELDS: &[&str] = &[
    "status",
    "budget_total",
    "reset_day",
    "time_zone",
    "requests_per_minute",
    "tokens_per_minute",
    "clamp",
];
const CLEARABLE: &[&str] = &["budget_total", "requests_per_minute", "tokens_per_minute"];

/// `PATCH /api/tenants/{id}` `{status?, budget_total?, reset_day?, time_zone?, requests_per_minute?,
/// tokens_per_minute?, clamp?}`: what all users of the tenant share; `null` takes a limit away. Another `reset_day` or
/// `time_zone` takes effect when a present period ends; spend is never touched.
///
/// 200 once no call passes under the old limits: the tenant's pool and every account that must know of the change have
/// acknowledged it, and what accounts leased before is given back. Else 202 with how many are `outstanding`; repeat to
/// go on.
pub async fn update(
    platform: &impl Platform,
    request: &Request<Bytes>,
    id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::TenantsWrite).await?;
    let fields = Fields::parse_change(request.body(), FIELDS, CLEARABLE)?;
    let status = fields.optional_word("status", STATUSES)?;
    let change = limits(&fields)?;
    if status.is_none() && change == TenantLimits::default() {
        return Err(nothing_to_change().into());
    }
    let tenant = caller.tenant(platform, id).await?;
    caller.check_may_limit_tenant(&fields)?;
    let current = tenant_pools::limits(platform, &tenant.id).await?.unwrap_or_default();
    let differs = status.is_some_and(|status| tenant.status != status) || changes(&current, &change);
    if differs {
        store(platform, &caller, &tenant, status, &change).await?;
    }
    // The pool first: it must know its limits before accounts ask it.
    if tenant_pools::is_pending(platform, &tenant.id).await? {
        tell_pool(platform, &tenant.id).await;
    }
    tell_accounts(platform, &tenant.id).await?;
    let leases = recall(platform, &tenant_pools::name(tenant.home, &tenant.id)).await;
    let outstanding = Outstanding::of(platform, &tenant.id, leases.as_ref()).await?;
    let code = if outstanding.count == 0 { StatusCode::OK } else { StatusCode::ACCEPTED };
    let now = tenant_pools::limits(platform, &tenant.id).await?.unwrap_or_default();
    let mut body = view(&tenant, status.unwrap_or(&tenant.status), &now);
    outstanding.show(&mut body);
    Ok(json(code, &body))
}

fn limits(fields: &Fields) -> Result<TenantLimits, Problem> {
    Ok(TenantLimits {
        budget: changed_budget(fields, "budget_total")?.into(),
        reset_day: reset_day(fields)?,
        time_zone: time_zone(fields)?,
        requests_per_minute: changed_per_minute(fields, "requests_per_minute")?.into(),
        tokens_per_minute: changed_per_minute(fields, "tokens_per_minute")?.into(),
        clamp: fields.optional_bool("clamp")?,
    })
}

/// Whether any stated limit is another than it was.
fn changes(current: &TenantLimits, change: &TenantLimits) -> bool {
    fn other<T: PartialEq>(current: &Option<T>, change: &Option<T>) -> bool {
        change.is_some() && current != change
    }
    let TenantLimits { budget, reset_day, time_zone, requests_per_minute, tokens_per_minute, clamp } = change;
    other(&current.budget, budget)
        || other(&current.reset_day, reset_day)
        || other(&current.time_zone, time_zone)
        || other(&current.requests_per_minute, requests_per_minute)
        || other(&current.tokens_per_minute, tokens_per_minute)
        || other(&current.clamp, clamp)
}

/// The rows and whoever must learn of them, in one commit.
async fn store(
    platform: &impl Platform,
    caller: &Caller,
    tenant: &Tenant,
    status: Option<&'static str>,
    change: &TenantLimits,
) -> Result<(), Failure> {
    let now = platform.now();
    let TenantLimits { budget, reset_day, time_zone, requests_per_minute, tokens_per_minute, clamp } = change;
    let audit = audit_log::Entry {
        actor: &caller.actor(),
        action: "tenant.update",
        object: &format!("tenant:{}", tenant.id),
        after: object!({
            "status": status,
            "budget_nano_eur": budget.flatten().map(|budget| budget.get()),
            "reset_day": reset_day,
            "time_zone": time_zone,
            "requests_per_minute": requests_per_minute.flatten(),
            "tokens_per_minute": tokens_per_minute.flatten(),
            "clamp": clamp,
        }),
    };
    let mut statements = tenant_pools::accounts_to_tell(&tenant.id, change, status, now).to_vec();
    if *change != TenantLimits::default() {
        statements
            .extend([tenant_pools::set_limits(&tenant.id, change, now), tenant_pools::add(&tenant.id, now)]);
    }
    statements.extend(status.map(|status| tenants::set_status(&tenant.id, status, now)));
    statements.push(audit_log::insert(&audit, now));
    Ok(platform.commit(statements).await?)
}

async fn tell_pool(platform: &impl Platform, tenant_id: &str) {
    if let Err(error) = tenant_pools::push(platform, tenant_id).await {
        // It stays pending. An account that asks it before it was told, tells it.
        log::warn!("the pool of tenant {tenant_id} has pending limits: {error}");
    }
}

async fn tell_accounts(platform: &impl Platform, tenant_id: &str) -> Result<(), PlatformError> {
    let accounts = pending_pushes::page(platform, Some(tenant_id), "", ACCOUNTS_PER_REQUEST_MAX).await?;
    stream::iter(accounts)
        .for_each_concurrent(AT_ONCE, |account| async move {
            // One that cannot be reached stays pending, and is counted.
            let Ok(Some(balance)) = pending_pushes::push(platform, account).await else { return };
            // What it spent before the tenant had a budget counts: the pool hears of it before it grants to others.
            if let Some(pool) = balance.pool.filter(|pool| pool.money) {
                let _ = leases::recall_all(platform, &pool.name, &[account], 0).await;
            }
        })
        .await;
    Ok(())
}

/// Who keeps what was leased under the old limits; none if the pool cannot be asked.
async fn recall(platform: &impl Platform, pool: &str) -> Option<tenant_pool::Outstanding> {
    let left = leases::recall_outstanding(platform, pool).await;
    left.inspect_err(|error| log::warn!("{pool} does not say who has leased under old limits: {error}")).ok()
}

fn view(tenant: &Tenant, status: &str, limits: &TenantLimits) -> Value {
    let TenantLimits { budget, reset_day, time_zone, requests_per_minute, tokens_per_minute, clamp } = limits;
    object!({
        "tenant_id": tenant.id,
        "slug": tenant.slug,
        "status": status,
        "budget_total": budget.flatten().map(|budget| budget.to_string()),
        "reset_day": reset_day,
        "time_zone": time_zone,
        "requests_per_minute": requests_per_minute.flatten(),
        "tokens_per_minute": tokens_per_minute.flatten(),
        "clamp": clamp,
    })
}

fn nothing_to_change() -> Problem {
    Problem::bad_request(
        "nothing_to_change",
        "Name at least one of `status`, `budget_total`, `reset_day`, `time_zone`, `requests_per_minute`, `tokens_per_minute`, `clamp`.",
    )
}
