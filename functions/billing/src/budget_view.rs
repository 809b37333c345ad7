//! Money as the API shows it.

use domain::account::{Balance, LimitFigures, LimitSource, PoolTerms};
use domain::identity::AccountId;
use domain::money::NanoEur;
use domain::tenant_pool::PoolBalance;
use serde_json::{Map, Value, json};

/// Decimal euros as texts.
pub fn exact(account: AccountId, balance: &Balance) -> Map<String, Value> {
    let mut view = identity(account, balance);
    for (name, amount) in amounts(balance) {
        view.insert(name.into(), amount.to_string().into());
    }
    view
}

/// Decimal euros as numbers, for the endpoints that had them so before. Display only.
pub fn numbers(account: AccountId, balance: &Balance) -> Map<String, Value> {
    let mut view = identity(account, balance);
    for (name, amount) in amounts(balance) {
        view.insert(name.into(), amount.as_euros_f64().into());
    }
    view
}

/// `budget_total = budget_used + budget_reserved + budget_remaining - budget_over`.
fn amounts(balance: &Balance) -> [(&'static str, NanoEur); 8] {
    [
        ("budget_total", balance.limit),
        ("budget_used", balance.used),
        ("budget_reserved", balance.reserved),
        ("budget_remaining", balance.remaining),
        ("budget_over", balance.over),
        ("plan_budget", balance.budget),
        ("top_up", balance.top_up),
        ("debt", balance.debt),
    ]
}

fn identity(account: AccountId, balance: &Balance) -> Map<String, Value> {
    let resets_at = balance.resets_at.to_rfc3339();
    let view = json!({
        "user_id": account.to_string(),
        "tenant_id": balance.tenant_id,
        "user_status": balance.user_status.as_str(),
        "tenant_status": balance.tenant_status.as_str(),
        "closed": balance.closed,
        "currency": "EUR",
        "period_opened_at": balance.period_opened_at.to_rfc3339(),
        "budget_reset_date": resets_at,
        "open_holds": balance.open_holds,
        "tenant_limits": balance.pool.as_ref().map(limit_names),
    });
    match view {
        Value::Object(view) => view,
        _ => Map::new(),
    }
}

/// The names of the limits that the tenant shares among its users.
fn limit_names(pool: &PoolTerms) -> Vec<&'static str> {
    let PoolTerms { name: _, money, requests, tokens, period: _ } = pool;
    [(*money, "budget_total"), (*requests, "requests_per_minute"), (*tokens, "tokens_per_minute")]
        .into_iter()
        .filter_map(|(limited, name)| limited.then_some(name))
        .collect()
}

/// Decimal euros as texts. `limit = used + leased + remaining - over`, where there is a limit.
pub fn of_pool(balance: &PoolBalance) -> Value {
    let PoolBalance { limit, used, leased, remaining, over, period_opened_at, resets_at, .. } = balance;
    let of_limit = |amount: &NanoEur| limit.map(|_| amount.to_string());
    json!({
        "limit": limit.map(|limit| limit.to_string()),
        "used": of_limit(used),
        "leased": of_limit(leased),
        "remaining": of_limit(remaining),
        "over": of_limit(over),
        "currency": "EUR",
        "period_opened_at": period_opened_at.to_rfc3339(),
        "resets_at": resets_at.to_rfc3339(),
    })
}

/// The user's own limit, or the tenant's where that leaves this user less.
pub fn tightest(balance: &Balance, pool: Option<&PoolBalance>) -> LimitFigures {
    let own = LimitFigures::of_user(balance);
    let of_tenant = pool.and_then(|pool| tenant_figures(balance, pool));
    of_tenant.filter(|tenant| tenant.remaining < own.remaining).unwrap_or(own)
}

/// The tenant's limit as this user meets it: what the user has leased and not used counts as remaining.
fn tenant_figures(balance: &Balance, pool: &PoolBalance) -> Option<LimitFigures> {
    let limit = pool.limit?;
    let others = pool.leased.saturating_sub(balance.tenant_free).at_least_zero();
    Some(LimitFigures::new(LimitSource::Tenant, limit, pool.used, others, pool.resets_at))
}
