//! An account's money as the API shows it.

use domain::account::Balance;
use domain::identity::AccountId;
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
fn amounts(balance: &Balance) -> [(&'static str, domain::money::NanoEur); 7] {
    [
        ("budget_total", balance.limit),
        ("budget_used", balance.used),
        ("budget_reserved", balance.reserved),
        ("budget_remaining", balance.remaining),
        ("budget_over", balance.over),
        ("plan_budget", balance.budget),
        ("top_up", balance.top_up),
    ]
}

fn identity(account: AccountId, balance: &Balance) -> Map<String, Value> {
    let resets_at = balance.resets_at.to_rfc3339();
    let view = json!({
        "user_id": account.to_string(),
        "tenant_id": balance.tenant_id,
        "user_status": balance.user_status.as_str(),
        "tenant_status": balance.tenant_status.as_str(),
        "currency": "EUR",
        "period_opened_at": balance.period_opened_at.to_rfc3339(),
        "budget_reset_date": resets_at,
        "open_holds": balance.open_holds,
    });
    match view {
        Value::Object(view) => view,
        _ => Map::new(),
    }
}
