use super::create::user_limit;
use crate::budget_view;
use crate::caller::{Caller, Scope, no_such_user};
use crate::ledger::{self, Pushed};
use crate::limit_fields::{self, STATUSES, changed_per_minute, concurrency_max, period, reset_day};
use bytes::Bytes;
use domain::identity::AccountId;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem};
use platform::{Body, Platform, PlatformErrorKind};
use serde_json::json as object;
use store::users::UserChange;
use store::{audit_log, pending_pushes, tenants, users};

const ACTIVE: &str = "active";

const FIELDS: &[&str] = &[
    "name",
    "status",
    "budget_total",
    "reset_day",
    "period_days",
    "period_from",
    "models",
    "requests_per_minute",
    "tokens_per_minute",
    "concurrency_max",
    "clamp",
];
const CLEARABLE: &[&str] = &["period_days", "requests_per_minute", "tokens_per_minute", "concurrency_max"];

/// `PATCH /api/users/{id}` `{name?, status?, budget_total?, reset_day?, period_days?, period_from?, models?,
/// requests_per_minute?, tokens_per_minute?, concurrency_max?, clamp?}`; `null` takes a limit away, or
/// `period_days`. Another `reset_day` or `period_days` takes effect when the present period ends; days are counted
/// from `period_from`, else, if there are other days or none yet, from now. What changes nothing writes nothing. 200
/// with the live figures once the account has acknowledged; 202 when it could not be reached: repeat, or leave it to
/// the scheduler. 403 `user_limit` when the tenant has no room for one more active user. Spend is never touched.
pub async fn update(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsersWrite).await?;
    let change = change(&read(request.body())?)?;
    let (account, tenant_id) = caller.open_user(platform, user_id).await?;
    let current = users::settings(platform, account).await?.ok_or_else(no_such_user)?;
    if change.differs_from(&current) {
        let activates = change.status == Some(ACTIVE) && current.status != Some(ACTIVE);
        store(platform, &caller, account, &change, activates.then_some(&tenant_id)).await?;
    }
    let pushed = ledger::tell(platform, account).await?;
    let body = match &pushed {
        Pushed::Acknowledged(balance) => budget_view::exact(account, balance).into(),
        Pushed::Pending => object!({ "user_id": account.to_string() }),
    };
    Ok(pushed.answer(StatusCode::OK, body))
}

/// The row and what the account must learn, in one commit. `room_in` is the tenant that must have room for it.
async fn store(
    platform: &impl Platform,
    caller: &Caller,
    account: AccountId,
    change: &UserChange,
    room_in: Option<&String>,
) -> Result<(), Failure> {
    let now = platform.now();
    let audit = audit_log::Entry {
        actor: &caller.actor(),
        action: "user.update",
        object: &format!("user:{account}"),
        after: object!({
            "status": change.status,
            "budget_nano_eur": change.budget.map(|budget| budget.get()),
            "models": change.models,
            "period_days": change.period.flatten().map(|period| period.days),
            "requests_per_minute": change.requests_per_minute.flatten(),
            "tokens_per_minute": change.tokens_per_minute.flatten(),
            "concurrency_max": change.concurrency_max.flatten(),
            "clamp": change.clamp,
        }),
    };
    let mut statements = vec![
        users::update(account, change, now),
        pending_pushes::add(account, now),
        audit_log::insert(&audit, now),
    ];
    statements.extend(room_in.map(|tenant_id| tenants::refuse_beyond_max_users(tenant_id)));
    match (platform.commit(statements).await, room_in) {
        (Err(error), Some(tenant_id)) if error.kind == PlatformErrorKind::Conflict => {
            Err(user_limit(platform, tenant_id).await?.about("status").into())
        }
        (done, _) => Ok(done?),
    }
}

fn read(body: &[u8]) -> Result<Fields, Problem> {
    Fields::parse_change(body, FIELDS, CLEARABLE)
}

fn change(fields: &Fields) -> Result<UserChange, Problem> {
    let change = UserChange {
        name: fields.optional_text("name")?.map(str::to_owned),
        status: fields.optional_word("status", STATUSES)?,
        budget: limit_fields::budget(fields, "budget_total")?,
        reset_day: reset_day(fields)?,
        models: fields.optional_texts("models")?,
        requests_per_minute: changed_per_minute(fields, "requests_per_minute")?.into(),
        tokens_per_minute: changed_per_minute(fields, "tokens_per_minute")?.into(),
        concurrency_max: concurrency_max(fields)?.into(),
        clamp: fields.optional_bool("clamp")?,
        period: period(fields)?.into(),
    };
    if change == UserChange::default() {
        return Err(Problem::bad_request(
            "nothing_to_change",
            "Name at least one of `name`, `status`, `budget_total`, `reset_day`, `period_days`, `models`, `requests_per_minute`, `tokens_per_minute`, `concurrency_max`, `clamp`.",
        ));
    }
    Ok(change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::users::DayPeriod;

    fn read(json: &str) -> Result<UserChange, Problem> {
        change(&super::read(json.as_bytes())?)
    }

    #[test]
    fn null_takes_a_limit_away_and_absence_leaves_it() {
        let change = read(r#"{"requests_per_minute": null, "tokens_per_minute": 5}"#).unwrap();
        assert_eq!(change.requests_per_minute, Some(None));
        assert_eq!(change.tokens_per_minute, Some(Some(5)));
        assert_eq!(change.budget, None);
        assert_eq!(read(r#"{"name": "x"}"#).unwrap().requests_per_minute, None);
        assert_eq!(read(r#"{"period_days": null}"#).unwrap().period, Some(None));
        let period = read(r#"{"period_days": 30}"#).unwrap().period;
        assert_eq!(period, Some(Some(DayPeriod { days: 30, from: None })));
    }

    #[test]
    fn nothing_and_nonsense_are_refused() {
        assert_eq!(read("{}").unwrap_err().code, "nothing_to_change");
        for (json, param) in [
            (r#"{"status": "gone"}"#, "status"),
            (r#"{"budget_total": -1}"#, "budget_total"),
            (r#"{"reset_day": 32}"#, "reset_day"),
            (r#"{"models": [1]}"#, "models"),
            (r#"{"name": "x", "budget_total": null}"#, "budget_total"),
            (r#"{"name": "x", "clamp": null}"#, "clamp"),
            (r#"{"period_days": 30, "period_from": null}"#, "period_from"),
            (r#"{"budget": 1}"#, "budget"),
            (r#"{"tokens_per_minute": 1.5}"#, "tokens_per_minute"),
            (r#"{"concurrency_max": 0}"#, "concurrency_max"),
            (r#"{"clamp": 1}"#, "clamp"),
            (r#"{"period_days": 0}"#, "period_days"),
            (r#"{"period_from": "2026-03-01T00:00:00Z"}"#, "period_from"),
        ] {
            assert_eq!(read(json).unwrap_err().param.as_deref(), Some(param), "{json}");
        }
    }
}
