use crate::caller::{Caller, Scope, no_such_user, user_closed};
use crate::ledger;
use crate::limit_fields::AMOUNT_MAX;
use bytes::Bytes;
use domain::money::NanoEur;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, idempotency_key, json};
use platform::{Body, Platform};
use serde_json::{Value, json as object};
use store::operations::{Done, Operation, OperationKind, Performed, most_that_fits, perform};

/// `POST /api/users/{id}/adjustments` `{amount, reason, operation_id?}`: corrects the current period, signed
/// euros: positive charges, negative credits.
///
/// As for all orders here, the id may come as the header `Idempotency-Key`, takes effect once for ever, and is
/// made up if absent. 200, with `repeated` and the first answer when it took effect before; 409
/// `operation_id_reused` when it named something else; 202 when the account could not be reached: repeat, or leave
/// it to the scheduler.
pub async fn adjust(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    order(platform, request, user_id, OperationKind::Adjustment).await
}

/// `POST /api/users/{id}/resets` `{reason, operation_id?}`: opens a new period now. Open calls settle in the old
/// one. 409 `too_many_resets` while open calls keep too many periods.
pub async fn reset(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    order(platform, request, user_id, OperationKind::Reset).await
}

/// `POST /api/users/{id}/top-ups` `{amount, reason, operation_id}`: money that carries over. It pays debt first.
pub async fn top_up(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    order(platform, request, user_id, OperationKind::TopUp).await
}

/// `POST /api/users/{id}/refunds` `{amount, reason, operation_id}`: takes back what is free of the top-up; the rest
/// is debt, which the next top-up pays.
pub async fn refund(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
) -> Result<Response<Body>, Failure> {
    order(platform, request, user_id, OperationKind::Refund).await
}

async fn order(
    platform: &impl Platform,
    request: &Request<Bytes>,
    user_id: &str,
    kind: OperationKind,
) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::LedgerWrite).await?;
    let known = match kind {
        OperationKind::Reset => &["reason", "operation_id"][..],
        _ => &["amount", "reason", "operation_id"],
    };
    let fields = Fields::parse(request.body(), known)?;
    let amount = amount(&fields, kind)?;
    let reason = fields.text("reason")?.to_owned();
    let stated = stated_id(request, &fields)?;
    if matches!(kind, OperationKind::TopUp | OperationKind::Refund) {
        fields.required("operation_id", stated.as_ref())?;
    }
    let (account, _) = caller.account(platform, user_id).await?;
    let operation_id = stated.unwrap_or_else(|| http_api::new_request_id(platform).to_string());
    let operation = Operation { account, operation_id, kind, amount, reason, actor: caller.actor() };
    match perform(platform, &operation).await? {
        Performed::New(done) => answer(&operation, done, false),
        Performed::Repeated(done) => answer(&operation, done, true),
        Performed::Pending(error) => {
            log::warn!("account {account} has an open operation {}: {error}", operation.id());
            let mut body = view(&operation);
            body["pending"] = true.into();
            Ok(json(StatusCode::ACCEPTED, &body))
        }
        Performed::OtherContent => Err(id_reused().into()),
    }
}

/// Signed for an adjustment, positive for the others, none for a reset.
fn amount(fields: &Fields, kind: OperationKind) -> Result<NanoEur, Problem> {
    let least = match kind {
        OperationKind::Reset => return Ok(NanoEur::ZERO),
        OperationKind::Adjustment => NanoEur::ZERO.saturating_sub(AMOUNT_MAX),
        OperationKind::TopUp | OperationKind::Refund => NanoEur::ZERO,
    };
    let amount = fields.required("amount", fields.euros_within("amount", least, AMOUNT_MAX)?)?;
    if amount.is_zero() { Err(fields.refuse("amount", "other than zero")) } else { Ok(amount) }
}

fn stated_id(request: &Request<Bytes>, fields: &Fields) -> Result<Option<String>, Problem> {
    let of_field = fields.optional_text("operation_id")?;
    let of_header = idempotency_key(request.headers())?;
    match (of_field, of_header) {
        (Some(field), Some(header)) if field != header => {
            Err(fields.refuse("operation_id", "equal to the header `Idempotency-Key`, or absent"))
        }
        (field, header) => Ok(field.or(header).map(str::to_owned)),
    }
}

fn answer(operation: &Operation, done: Done, repeated: bool) -> Result<Response<Body>, Failure> {
    let (charged, remaining) = match done {
        Done::TookEffect { charged, remaining } => (charged, remaining),
        Done::Refused(refusal) => return Err(refused(operation.kind, &refusal).into()),
    };
    let mut body = view(operation);
    body["charged"] = charged.to_string().into();
    body["budget_remaining"] = remaining.to_string().into();
    body["repeated"] = repeated.into();
    body["pending"] = false.into();
    Ok(json(StatusCode::OK, &body))
}

fn view(operation: &Operation) -> Value {
    object!({
        "user_id": operation.account.to_string(),
        "operation_id": operation.operation_id,
        "kind": operation.kind.as_str(),
        "amount": operation.amount.to_string(),
        "reason": operation.reason,
        "currency": "EUR",
    })
}

fn refused(kind: OperationKind, refusal: &str) -> Problem {
    if let Some(most) = most_that_fits(refusal) {
        let sign = if kind == OperationKind::Adjustment { ", in this direction" } else { "" };
        return ledger::does_not_fit("amount", &format!("{most}{sign}"));
    }
    match refusal {
        "closed" => user_closed(),
        "too_many_resets" => conflict(
            "too_many_resets",
            "Open calls keep too many periods. Reset again, under another `operation_id`, when some have ended.",
        ),
        _ => no_such_user(),
    }
}

fn id_reused() -> Problem {
    conflict(
        "operation_id_reused",
        "This `operation_id` was used for another operation of this user. Use one of its own.",
    )
    .about("operation_id")
}

fn conflict(code: &'static str, message: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "invalid_request_error", code, message)
}
