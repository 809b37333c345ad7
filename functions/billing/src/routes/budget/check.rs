use super::hold;
use crate::budget_view;
use crate::caller::{Caller, Scope};
use crate::ledger;
use bytes::Bytes;
use domain::account::{Balance, LimitFigures, Status};
use domain::identity::AccountId;
use domain::money::NanoEur;
use domain::tenant_pool::PoolBalance;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, json};
use platform::{Body, Platform};
use serde_json::{Map, Value};

const FIELDS: &[&str] = &["user_id", "estimated_cost", "hold", "request_id", "model"];

/// `POST /api/check-budget` `{user_id, estimated_cost, hold?, request_id?, model?}`: whether a call of that cost
/// would be allowed now. 200 with `allowed: true`, or 403 with the limit that stops it, both with the live
/// figures.
///
/// Reserves nothing, unless `hold` is true: then the money is set aside for ten minutes; see [`hold::open`].
pub async fn check(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::BudgetRead).await?;
    let fields = Fields::parse(request.body(), FIELDS)?;
    let estimated = fields.required("estimated_cost", fields.optional_euros("estimated_cost")?)?;
    let hold = fields.optional_bool("hold")?.unwrap_or(false);
    let (own_id, model) = (fields.optional_text("request_id")?, fields.optional_text("model")?);
    let (account, _) = caller.account(platform, fields.text("user_id")?).await?;
    if hold {
        caller.require(Scope::UsageWrite)?;
        return hold::open(platform, account, own_id, model.unwrap_or_default(), estimated).await;
    }
    let balance = ledger::balance(platform, account).await?;
    let pool = pool_of(platform, &balance).await?;
    let refusal = match refusal(&balance, pool.as_ref(), estimated) {
        Some(_) if is_perhaps_leased(&balance, pool.as_ref(), estimated) => {
            let more = estimated.saturating_add(NanoEur::saturating(1));
            hold::probe(platform, account, more).await?.map(|figures| exceeded(&figures, estimated))
        }
        refusal => refusal,
    };
    match refusal {
        None => Ok(json(StatusCode::OK, &view(account, &balance, estimated, true))),
        Some(problem) => Err(with_view(problem, account, &balance, estimated).into()),
    }
}

/// The tenant's live budget, if it has one.
pub(super) async fn pool_of(
    platform: &impl Platform,
    balance: &Balance,
) -> Result<Option<PoolBalance>, Failure> {
    match balance.pool.as_ref().filter(|pool| pool.money) {
        Some(pool) => Ok(Some(store::leases::balance(platform, &pool.name).await?)),
        None => Ok(None),
    }
}

/// The original rule at every level: more is left than the call may cost, and user and tenant are active.
fn refusal(balance: &Balance, pool: Option<&PoolBalance>, estimated: NanoEur) -> Option<Problem> {
    if balance.user_status != Status::Active || balance.closed {
        return Some(user_inactive());
    }
    if balance.tenant_status != Status::Active {
        return Some(tenant_inactive());
    }
    let figures = budget_view::tightest(balance, pool);
    (figures.remaining <= estimated).then(|| exceeded(&figures, estimated))
}

/// Whether only the tenant's budget is short, and only because of what others have leased: they may not need it,
/// which asking for a hold finds out.
fn is_perhaps_leased(balance: &Balance, pool: Option<&PoolBalance>, estimated: NanoEur) -> bool {
    let active =
        balance.user_status == Status::Active && balance.tenant_status == Status::Active && !balance.closed;
    let unused = pool.and_then(|pool| Some(pool.limit?.saturating_sub(pool.used)));
    active && balance.remaining > estimated && unused.is_some_and(|unused| unused > estimated)
}

pub(super) fn user_inactive() -> Problem {
    Problem::user_inactive().detail("limit_source", "user")
}

pub(super) fn tenant_inactive() -> Problem {
    Problem::tenant_inactive().detail("limit_source", "tenant")
}

pub(super) fn exceeded(figures: &LimitFigures, needed: NanoEur) -> Problem {
    let LimitFigures { source, limit, remaining, resets_at, .. } = figures;
    let message = format!(
        "Budget exceeded: €{remaining} of €{limit} of the {}'s budget is left until {}; €{needed} is too much.",
        source.as_str(),
        resets_at.to_rfc3339(),
    );
    Problem::new(StatusCode::FORBIDDEN, "budget_error", "budget_exceeded", message)
        .figures(figures)
        .detail("needed", needed.to_string())
}

pub(super) fn with_view(
    mut problem: Problem,
    account: AccountId,
    balance: &Balance,
    estimated: NanoEur,
) -> Problem {
    problem.details.extend(view(account, balance, estimated, false));
    problem
}

pub(super) fn view(
    account: AccountId,
    balance: &Balance,
    estimated: NanoEur,
    allowed: bool,
) -> Map<String, Value> {
    let mut view = budget_view::numbers(account, balance);
    view.insert("allowed".into(), allowed.into());
    view.insert("estimated_cost".into(), estimated.as_euros_f64().into());
    view.insert("reset_date".into(), balance.resets_at.to_rfc3339().into());
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::Timestamp;

    fn balance(remaining: i64) -> Balance {
        Balance {
            budget: NanoEur::euros(1),
            top_up: NanoEur::ZERO,
            limit: NanoEur::euros(1),
            used: NanoEur::ZERO,
            reserved: NanoEur::saturating(NanoEur::euros(1).get() - remaining),
            remaining: NanoEur::saturating(remaining),
            over: NanoEur::ZERO,
            period_opened_at: Timestamp::EPOCH,
            resets_at: Timestamp::EPOCH,
            open_holds: 0,
            user_status: Status::Active,
            tenant_status: Status::Active,
            tenant_id: "t".into(),
            configuration_version: 1,
            debt: NanoEur::ZERO,
            closed: false,
            pool: None,
            tenant_free: NanoEur::ZERO,
        }
    }

    fn pool(limit: Option<i64>, leased: i64) -> PoolBalance {
        let remaining = NanoEur::saturating(limit.unwrap_or(0) - leased).at_least_zero();
        PoolBalance {
            limit: limit.map(NanoEur::saturating),
            used: NanoEur::ZERO,
            leased: NanoEur::saturating(leased),
            remaining,
            over: NanoEur::ZERO,
            period_opened_at: Timestamp::EPOCH,
            resets_at: Timestamp::EPOCH,
            configuration_version: 1,
            recalling: false,
        }
    }

    #[test]
    fn a_call_must_leave_something() {
        let cost = NanoEur::saturating(100);
        assert!(refusal(&balance(101), None, cost).is_none());
        assert_eq!(refusal(&balance(100), None, cost).unwrap().code, "budget_exceeded");
        assert_eq!(refusal(&balance(0), None, NanoEur::ZERO).unwrap().code, "budget_exceeded");
    }

    #[test]
    fn only_active_users_of_active_tenants_are_allowed() {
        for status in [Status::Pending, Status::Suspended] {
            let user = Balance { user_status: status, ..balance(1_000) };
            assert_eq!(refusal(&user, None, NanoEur::ZERO).unwrap().code, "user_inactive");
            let tenant = Balance { tenant_status: status, ..balance(1_000) };
            assert_eq!(refusal(&tenant, None, NanoEur::ZERO).unwrap().code, "tenant_inactive");
        }
        let closed = Balance { closed: true, ..balance(1_000) };
        assert_eq!(refusal(&closed, None, NanoEur::ZERO).unwrap().code, "user_inactive");
    }

    #[test]
    fn what_others_have_leased_is_only_asked_for_where_it_decides() {
        let asked = |balance: &Balance, pool: &PoolBalance| {
            is_perhaps_leased(balance, Some(pool), NanoEur::saturating(100))
        };
        assert!(asked(&balance(1_000), &pool(Some(500), 450)));
        assert!(!asked(&balance(100), &pool(Some(500), 450)), "the user has too little");
        assert!(!asked(&balance(1_000), &pool(Some(100), 0)), "there is not that much");
        assert!(!asked(&Balance { closed: true, ..balance(1_000) }, &pool(Some(500), 450)));
    }

    #[test]
    fn p15_the_limit_that_leaves_less_is_named() {
        let source = |own, pool: &PoolBalance, leased| {
            let own = Balance { tenant_free: NanoEur::saturating(leased), ..balance(own) };
            let problem = refusal(&own, Some(pool), NanoEur::saturating(100))?;
            Some(problem.details["limit_source"].as_str().unwrap().to_owned())
        };
        assert_eq!(source(1_000, &pool(Some(500), 400), 0).as_deref(), Some("tenant"));
        // What this user has leased already is left to it.
        assert_eq!(source(1_000, &pool(Some(500), 400), 1), None);
        assert_eq!(source(50, &pool(Some(500), 400), 0).as_deref(), Some("user"));
        assert_eq!(source(1_000, &pool(None, 400), 0), None);
    }
}
