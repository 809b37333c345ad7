//! From a request that has been read to an open call.

use crate::call::OpenCall;
use crate::caller::Caller;
use crate::directory::{self, Route};
use crate::ledger::{self, Admission, Demand};
use core::cell::Cell;
use domain::account::Reserved;
use domain::identity::RequestId;
use http::HeaderMap;
use http_api::{Problem, comma_free_header, list_header};
use llm_formats::{Asked, RequestError};
use platform::Platform;
use std::rc::Rc;

/// `allow` lets the gateway lower the output ceiling to what the budget pays.
const CLAMP_HEADER: &str = "x-budget-clamp";
/// Words for the usage row, separated by commas.
const TAGS_HEADER: &str = "x-usage-tags";
const TAGS_MAX: usize = 8;
const TAG_BYTES_MAX: usize = 64;
/// Content bytes per input token, for the estimate that an abandoned call is charged by.
const BYTES_PER_TOKEN: u64 = 4;

/// Times that an account is asked to admit a call: it may know newer prices, count with another time than this host, and,
/// if it ends hundreds of calls a second, take what waited for its turn for too old.
const ADMIT_TRIES: usize = 8;

/// The route, the open call and what was reserved for it. Asks again if the routing or the time is out of date.
pub async fn admit<P: Platform>(
    platform: &P,
    caller: &Caller,
    asked: &Asked,
    headers: &HeaderMap,
    request_id: &Cell<RequestId>,
) -> Result<(Rc<Route>, OpenCall<P>, Reserved), Problem> {
    let (mut moment, mut is_stale) = (None, false);
    for _ in 0..ADMIT_TRIES {
        let Some(route) = directory::route(platform, caller.account, &asked.model, is_stale).await? else {
            // Only who has a good key learns which models there are.
            caller.authorize(platform).await?;
            return Err(Problem::model_not_found(&asked.model));
        };
        let demand = match demand(asked, &route, headers) {
            Ok(demand) => demand,
            Err(problem) => {
                caller.authorize(platform).await?;
                return Err(problem);
            }
        };
        match ledger::reserve(platform, caller, &route, &demand, request_id.get(), moment).await? {
            Admission::Open(call, reserved) => return Ok((route, *call, reserved)),
            Admission::Stale => is_stale = true,
            Admission::TooLate(of_account) => {
                is_stale = false;
                moment = Some(of_account);
                request_id.set(http_api::new_request_id(platform));
            }
        }
    }
    Err(Problem::ledger_unavailable())
}

fn demand(asked: &Asked, route: &Route, headers: &HeaderMap) -> Result<Demand, Problem> {
    let snapshot = &route.snapshot;
    let output_tokens_max = asked.output_tokens_max.unwrap_or(snapshot.default_max_output);
    if output_tokens_max > snapshot.max_output {
        return Err(Problem::invalid_field(
            "max_tokens",
            format!(
                "`max_tokens` is {output_tokens_max}, but {} gives at most {}.",
                snapshot.model, snapshot.max_output
            ),
        ));
    }
    if !snapshot.tariff(route.target()).prices_text() {
        return Err(Problem::unpriced_model(&snapshot.model));
    }
    Ok(Demand {
        input_tokens_max: asked.input.tokens_max(),
        input_estimate: input_estimate(asked),
        output_tokens_max,
        choices: asked.choices,
        clamp: flag(headers, CLAMP_HEADER, "allow")?,
        tags: tags(headers)?,
    })
}

/// Whether a header is there that has one meaning only.
pub fn flag(headers: &HeaderMap, name: &'static str, set: &str) -> Result<bool, Problem> {
    match comma_free_header(headers, name)? {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(set) => Ok(true),
        Some(_) => {
            let message = format!("The header `{name}` must be `{set}`, or left out.");
            Err(Problem::invalid_field(name, message))
        }
    }
}

fn tags(headers: &HeaderMap) -> Result<Vec<String>, Problem> {
    let tags = list_header(headers, TAGS_HEADER)?;
    if tags.len() > TAGS_MAX || tags.iter().any(|tag| tag.len() > TAG_BYTES_MAX) {
        let message = format!(
            "The header `{TAGS_HEADER}` must be at most {TAGS_MAX} tags, separated by commas, of at most {TAG_BYTES_MAX} bytes each."
        );
        return Err(Problem::invalid_field(TAGS_HEADER, message));
    }
    Ok(tags.into_iter().map(str::to_owned).collect())
}

/// Tokens of the content, by its length.
pub fn input_estimate(asked: &Asked) -> u64 {
    asked.content_bytes.div_ceil(BYTES_PER_TOKEN).max(1)
}

pub fn unusable(error: RequestError) -> Problem {
    let problem = Problem::bad_request(error.code, error.message);
    match error.param {
        Some(param) => problem.about(param),
        None => problem,
    }
}
