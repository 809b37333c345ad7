//! A user as the API shows one. Never the password's hash.

use domain::account::Balance;
use serde_json::{Value, json};
use store::users::User;

/// The directory's part.
pub fn profile(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "tenant_id": user.tenant_id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "status": user.status.as_str(),
        "product_id": user.product_id,
        "created": user.created_at.to_rfc3339(),
    })
}

/// With the account's live money, decimal euros as texts. An account that cannot be reached has none:
/// `budget_live` says so, and `budget_total` is the plan's.
pub fn with_budget(user: &User, balance: Option<&Balance>) -> Value {
    let mut view = profile(user);
    view["budget_live"] = balance.is_some().into();
    match balance {
        Some(balance) => {
            view["budget_total"] = balance.limit.to_string().into();
            view["budget_used"] = balance.used.to_string().into();
            view["budget_reserved"] = balance.reserved.to_string().into();
            view["budget_remaining"] = balance.remaining.to_string().into();
            view["budget_reset_date"] = balance.resets_at.to_rfc3339().into();
        }
        None => {
            view["budget_total"] = user.budget.to_string().into();
            for name in ["budget_used", "budget_reserved", "budget_remaining"] {
                view[name] = Value::Null;
            }
            view["budget_reset_date"] = user.budget_reset_at.to_rfc3339().into();
        }
    }
    view
}
