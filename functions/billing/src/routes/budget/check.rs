use crate::budget_view;
use crate::caller::{Caller, Scope};
use crate::ledger;
use bytes::Bytes;
use domain::account::{Balance, Status};
use domain::identity::AccountId;
use domain::money::NanoEur;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, json};
use platform::{Body, Platform};
use serde_json::Value;

/// `POST /api/check-budget` `{user_id, estimated_cost}`: whether a call of that cost would be allowed now.
/// It reserves nothing. 200 with `allowed: true`, or 403 with the reason, both with the live figures.
pub async fn check(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::BudgetRead).await?;
    let fields = Fields::parse(request.body())?;
    let estimated = fields.required("estimated_cost", fields.optional_euros("estimated_cost")?)?;
    let (account, _) = caller.account(platform, fields.text("user_id")?).await?;
    let balance = ledger::balance(platform, account).await?;
    match refusal(&balance, estimated) {
        None => Ok(json(StatusCode::OK, &view(account, &balance, estimated, true))),
        Some(problem) => {
            let mut problem = problem;
            problem.details.extend(view(account, &balance, estimated, false));
            Err(problem.into())
        }
    }
}

/// The original rule: more is left than the call may cost, and user and tenant are active.
fn refusal(balance: &Balance, estimated: NanoEur) -> Option<Problem> {
    if balance.user_status != Status::Active {
        Some(Problem::user_inactive())
    } else if balance.tenant_status != Status::Active {
        Some(Problem::tenant_inactive())
    } else if balance.remaining <= estimated {
        let message = format!(
            "Budget exceeded: €{} of €{} is left until {}, and more than €{estimated} is needed.",
            balance.remaining,
            balance.limit,
            balance.resets_at.to_rfc3339(),
        );
        Some(Problem::new(StatusCode::FORBIDDEN, "budget_error", "budget_exceeded", message))
    } else {
        None
    }
}

fn view(
    account: AccountId,
    balance: &Balance,
    estimated: NanoEur,
    allowed: bool,
) -> serde_json::Map<String, Value> {
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
            reserved: NanoEur::ZERO,
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
        }
    }

    #[test]
    fn a_call_must_leave_something() {
        let cost = NanoEur::saturating(100);
        assert!(refusal(&balance(101), cost).is_none());
        assert_eq!(refusal(&balance(100), cost).unwrap().code, "budget_exceeded");
        assert_eq!(refusal(&balance(0), NanoEur::ZERO).unwrap().code, "budget_exceeded");
    }

    #[test]
    fn only_active_users_of_active_tenants_are_allowed() {
        for status in [Status::Pending, Status::Suspended] {
            let user = Balance { user_status: status, ..balance(1_000) };
            assert_eq!(refusal(&user, NanoEur::ZERO).unwrap().code, "user_inactive");
            let tenant = Balance { tenant_status: status, ..balance(1_000) };
            assert_eq!(refusal(&tenant, NanoEur::ZERO).unwrap().code, "tenant_inactive");
        }
    }
}
