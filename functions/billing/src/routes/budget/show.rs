use super::check::pool_of;
use crate::budget_view;
use crate::caller::{Caller, Scope};
use crate::ledger;
use bytes::Bytes;
use domain::account::LimitFigures;
use http::{Request, Response, StatusCode};
use http_api::{Failure, json};
use platform::{Body, Platform};

/// `GET /api/users/{id}/budget`: the account's live figures, decimal euros as texts; the limit that leaves least,
/// as `limit_source`, `limit`, `used`, `reserved`, `remaining`, `over`, `resets_at`; and the tenant's budget, if it
/// has one, as `tenant`.
pub async fn show(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::BudgetRead).await?;
    let (account, _) = caller.account(platform, user_id).await?;
    let balance = ledger::balance(platform, account).await?;
    let pool = pool_of(platform, &balance).await?;
    let mut view = budget_view::exact(account, &balance);
    let tightest = budget_view::tightest(&balance, pool.as_ref());
    let LimitFigures { source, limit, used, reserved, remaining, over, resets_at } = tightest;
    let amounts =
        [("limit", limit), ("used", used), ("reserved", reserved), ("remaining", remaining), ("over", over)];
    view.insert("limit_source".into(), source.as_str().into());
    view.extend(amounts.map(|(name, amount)| (name.to_owned(), amount.to_string().into())));
    view.insert("resets_at".into(), resets_at.to_rfc3339().into());
    view.insert("tenant".into(), pool.as_ref().map(budget_view::of_pool).into());
    Ok(json(StatusCode::OK, &view))
}
