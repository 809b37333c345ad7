use super::check::{exceeded, pool_of, tenant_inactive, user_inactive, view, with_view};
use crate::budget_view;
use crate::caller::no_such_user;
use crate::ledger;
use domain::account::{
    Command, LimitFigures, Moment, RESERVE_VALIDITY, Refusal, Release, Reply, Reserve, Reserved, Served,
};
use domain::identity::AccountId;
use domain::money::NanoEur;
use domain::price::{Tariff, Usage};
use http::{Response, StatusCode};
use http_api::{Failure, Problem, json};
use platform::{Body, Platform, PlatformError};
use store::pending_pushes;

/// A hold is asked for again if the account had to be told of its user, and under the account's time if that is another
/// than ours, or if it had forgotten ours.
const TRIES: usize = 4;

/// Sets `estimated` aside, up to all that every level has left. The answer names the hold and when it ends by
/// itself, without charge; `POST /api/usage/log` with its `hold_id` ends it with what was used.
///
/// A caller's own id names the hold, so that while it is open a repetition is the same hold, at its
/// first amount. With a `model`, the user must be allowed that model.
pub async fn open(
    platform: &impl Platform,
    account: AccountId,
    own_id: Option<&str>,
    model: &str,
    estimated: NanoEur,
) -> Result<Response<Body>, Failure> {
    let hold_id = own_id.map_or_else(|| http_api::new_request_id(platform).to_string(), str::to_owned);
    let opened = match reserve(platform, account, &hold_id, model, estimated).await {
        Ok(Ok(reserved)) => ledger::balance(platform, account).await.map(|balance| (reserved, balance)),
        Ok(Err(refusal)) => return Err(refused(platform, account, &refusal, model, estimated).await),
        Err(failure) => Err(failure),
    };
    match opened {
        Ok((reserved, balance)) => {
            let mut view = view(account, &balance, estimated, true);
            view.insert("hold_id".into(), hold_id.into());
            view.insert("held".into(), reserved.hold.to_string().into());
            view.insert("expires_at".into(), reserved.expires_at.to_rfc3339().into());
            Ok(json(StatusCode::OK, &view))
        }
        Err(failure) => {
            if own_id.is_none() {
                // Nobody else can end what may be open; if this fails as well, it runs out.
                let _ = release(platform, account, &hold_id).await;
            }
            Err(failure)
        }
    }
}

/// Whether `amount` could be held now: it is, and released at once. If not, the limit that stops it. It counts as a
/// request; one that the rates do not let pass is refused for what the tenant has
/// left without asking anybody.
pub async fn probe(
    platform: &impl Platform,
    account: AccountId,
    amount: NanoEur,
) -> Result<Option<LimitFigures>, Failure> {
    let hold_id = http_api::new_request_id(platform).to_string();
    let reply = reserve(platform, account, &hold_id, "", amount).await;
    if !matches!(reply, Ok(Err(_))) {
        // If this fails, it runs out.
        let _ = release(platform, account, &hold_id).await;
    }
    match reply? {
        Ok(_) => Ok(None),
        Err(Refusal::Budget(refusal)) => Ok(Some(refusal.figures)),
        Err(_) => {
            let balance = ledger::balance(platform, account).await?;
            let pool = pool_of(platform, &balance).await?;
            Ok(Some(budget_view::tightest(&balance, pool.as_ref())))
        }
    }
}

/// Ends the hold without charge, or forestalls its opening. Safe to repeat.
pub async fn release(platform: &impl Platform, account: AccountId, hold_id: &str) -> Result<Reply, Failure> {
    let valid_until = platform.now().plus(RESERVE_VALIDITY);
    let command = Release { request_id: ledger::hold(account, hold_id), valid_until };
    ledger::ask(platform, account, Command::Release(command)).await
}

async fn reserve(
    platform: &impl Platform,
    account: AccountId,
    hold_id: &str,
    model: &str,
    amount: NanoEur,
) -> Result<Result<Reserved, Refusal>, Failure> {
    let mut moment: Option<Moment> = None;
    for _ in 0..TRIES {
        let command = Reserve {
            request_id: ledger::hold(account, hold_id),
            key: None,
            model: model.to_owned(),
            // Neither price nor target is used.
            routing_version: u64::MAX,
            worst_case: Usage::default(),
            input_estimate: Usage::default(),
            tariff: Tariff::default(),
            valid_until: moment
                .map_or_else(|| platform.now().plus(RESERVE_VALIDITY), |moment| moment.valid_until()),
            clamp: false,
            choices: 1,
            served: Served::default(),
            tags: Vec::new(),
            grant: None,
            amount: Some(amount),
            asked: 0,
            after_ends: moment.map(|moment| moment.ends),
        };
        match store::ledger::reserve(platform, account, command).await.reply? {
            Reply::Reserved(reserved) => return Ok(Ok(reserved)),
            // No key was named: the account does not know its user yet.
            Reply::Refused(Refusal::InvalidKey) => {
                pending_pushes::push(platform, account).await?.ok_or_else(no_such_user)?;
            }
            Reply::Refused(Refusal::TooLate(of_account)) => moment = Some(of_account),
            Reply::Refused(refusal) => return Ok(Err(refusal)),
            other => return Err(ledger::unexpected(&other)),
        }
    }
    match moment {
        Some(moment) => Ok(Err(Refusal::TooLate(moment))),
        None => Err(PlatformError::unavailable("the account does not take its configuration").into()),
    }
}

async fn refused(
    platform: &impl Platform,
    account: AccountId,
    refusal: &Refusal,
    model: &str,
    estimated: NanoEur,
) -> Failure {
    let problem = match refusal {
        Refusal::UserInactive => user_inactive(),
        Refusal::TenantInactive => tenant_inactive(),
        Refusal::ModelNotAllowed => Problem::model_not_found(model),
        Refusal::Budget(refusal) => exceeded(&refusal.figures, estimated),
        Refusal::Rate(refusal) => Problem::rate_limited(refusal, None),
        Refusal::TooManyHolds(max) => Problem::too_many_holds(*max),
        Refusal::TooLate(_) => hold_ended(),
        Refusal::Backlogged => Problem::ledger_unavailable(),
        other => return PlatformError::malformed(format!("a hold was refused: {other:?}")).into(),
    };
    match ledger::balance(platform, account).await {
        Ok(balance) => with_view(problem, account, &balance, estimated).into(),
        Err(_) => problem.detail("allowed", false).into(),
    }
}

fn hold_ended() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "invalid_request_error",
        "hold_ended",
        "The hold of this `request_id` has ended. Use another `request_id` for another hold.",
    )
    .about("request_id")
}
