//! The two ledger calls around every paid call.

use crate::call::OpenCall;
use crate::caller::Caller;
use crate::directory::Route;
use domain::account::{Moment, RESERVE_VALIDITY, Refusal, Reply, Reserve, Reserved, Served};
use domain::identity::RequestId;
use domain::price::Usage;
use http_api::Problem;
use platform::{Platform, PlatformError};
use std::rc::Rc;
use store::ledger::Asked;

/// What a call may use at most, and what the caller said about its budget.
pub struct Demand {
    pub input_tokens_max: u64,
    /// What an abandoned call is charged for without any other sign: its input, estimated.
    pub input_estimate: u64,
    /// For each choice.
    pub output_tokens_max: u64,
    pub choices: u64,
    pub clamp: bool,
    pub tags: Vec<String>,
}

pub enum Admission<P: Platform> {
    Open(Box<OpenCall<P>>, Reserved),
    /// The directory has newer routing than `route`: load it and ask again.
    Stale,
    /// The account counts with another time than this host, or has forgotten that time: ask again under the account's,
    /// and under an id that no message of before bears.
    TooLate(Moment),
}

/// Authenticates, checks and reserves in one call. Fails closed.
pub async fn reserve<P: Platform>(
    platform: &P,
    caller: &Caller,
    route: &Rc<Route>,
    demand: &Demand,
    request_id: RequestId,
    moment: Option<Moment>,
) -> Result<Admission<P>, Problem> {
    let target = route.target();
    let valid_until =
        moment.map_or_else(|| platform.now().plus(RESERVE_VALIDITY), |moment| moment.valid_until());
    let tariff = route.snapshot.tariff(target);
    let command = Reserve {
        request_id,
        key: Some(caller.key),
        model: route.snapshot.model.clone(),
        routing_version: route.snapshot.version,
        worst_case: Usage {
            input: demand.input_tokens_max,
            output: demand.output_tokens_max.saturating_mul(demand.choices),
            ..Usage::default()
        },
        input_estimate: Usage { input: demand.input_estimate, ..Usage::default() },
        tariff,
        valid_until,
        clamp: demand.clamp,
        choices: u32::try_from(demand.choices).unwrap_or(u32::MAX),
        served: Served {
            provider: target.provider.clone(),
            region: target.region.clone(),
            upstream_model: target.upstream_model.clone(),
        },
        tags: demand.tags.clone(),
        grant: None,
        amount: None,
        asked: 0,
        after_ends: moment.map(|moment| moment.ends),
    };
    let call = OpenCall::new(
        platform.clone(),
        caller.name.clone(),
        request_id,
        valid_until,
        tariff,
        demand.input_estimate,
    );
    let Asked { reply, repeated } = store::ledger::reserve(platform, caller.account, command).await;
    let refusal = match reply {
        Ok(Reply::Reserved(reserved)) => {
            return Ok(Admission::Open(Box::new(call.opened(&reserved)), reserved));
        }
        Ok(Reply::Refused(refusal)) => refusal,
        Ok(_) => Refusal::InvalidKey,
        Err(error) => {
            // The hold may be open all the same: it is released, or its `Reserve` forestalled.
            call.release_later();
            return Err(unavailable(&caller.name, &error));
        }
    };
    if repeated {
        // The first try may have opened a hold, whatever the second one met.
        call.release_later();
    } else {
        call.never_opened();
    }
    match refusal {
        Refusal::Stale(_) if !repeated => Ok(Admission::Stale),
        Refusal::TooLate(moment) => Ok(Admission::TooLate(moment)),
        refusal => Err(refused(refusal, route, demand)),
    }
}

fn refused(refusal: Refusal, route: &Route, demand: &Demand) -> Problem {
    let model = &route.snapshot.model;
    let for_each = |output: Option<u64>| output.map(|output| output / demand.choices.max(1));
    match refusal {
        Refusal::InvalidKey => Problem::invalid_api_key(),
        Refusal::UserInactive => Problem::user_inactive(),
        Refusal::TenantInactive => Problem::tenant_inactive(),
        Refusal::ModelNotAllowed => Problem::model_not_found(model),
        Refusal::Budget(refusal) => Problem::budget_exceeded(&refusal, for_each(refusal.affordable_output)),
        Refusal::Rate(refusal) => Problem::rate_limited(&refusal, for_each(refusal.affordable_output)),
        Refusal::TooManyHolds(max) => Problem::too_many_holds(max),
        Refusal::Unpriced => Problem::unpriced_model(model),
        // No `Reserve` is answered with the last two.
        Refusal::Stale(_)
        | Refusal::Backlogged
        | Refusal::TooLate(_)
        | Refusal::TooManyResets
        | Refusal::Closed
        | Refusal::DoesNotFit(_) => Problem::ledger_unavailable(),
    }
}

/// Logged once, here; the caller learns only that the ledger is out of reach.
pub fn unavailable(account: &str, error: &PlatformError) -> Problem {
    log::error!("account {account}: the ledger did not answer: {error}");
    Problem::ledger_unavailable()
}
