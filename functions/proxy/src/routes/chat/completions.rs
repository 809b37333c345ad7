//! `POST /v1/chat/completions`

use crate::call::{Bill, Ending, OpenCall};
use crate::caller::Caller;
use crate::directory::{self, Route};
use crate::ledger::{self, Admission, Demand};
use crate::relay;
use crate::upstream;
use bytes::Bytes;
use core::cell::Cell;
use domain::account::Reserved;
use domain::identity::RequestId;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_api::{BODY_BYTES_MAX, Problem, comma_free_header, json_bytes, list_header, rate_limit_headers};
use llm_formats::RequestError;
use llm_formats::openai_chat::same_format::ChatPassage;
use llm_formats::openai_chat::{ChatRequest, StreamOptions, read_completion};
use platform::{Body, Platform};
use std::rc::Rc;

/// `allow` lets the gateway lower the output ceiling to what the budget pays.
const CLAMP_HEADER: &str = "x-budget-clamp";
/// `include` adds `cost_eur` to the chunk with a stream's usage. Such a stream is rewritten on its way.
const COST_HEADER: &str = "x-usage-cost";
/// Words for the usage row, separated by commas.
const TAGS_HEADER: &str = "x-usage-tags";
const TAGS_MAX: usize = 8;
const TAG_BYTES_MAX: usize = 64;
/// Content bytes per input token, for the estimate that an abandoned call is charged by.
const BYTES_PER_TOKEN: u64 = 4;

/// Reserves the worst case, calls the target, charges what it reports.
pub async fn create<P: Platform>(
    platform: &P,
    request: &Request<Bytes>,
    request_id: &Cell<RequestId>,
) -> Result<Response<Body>, Problem> {
    let caller = Caller::from_headers(platform, request.headers()).await?;
    http_api::check_body(request, BODY_BYTES_MAX)?;
    let chat = ChatRequest::scan(request.body()).map_err(unusable)?;
    let cost_in_usage = match flag(request.headers(), COST_HEADER, "include") {
        Ok(cost_in_usage) => cost_in_usage,
        Err(problem) => {
            caller.authorize(platform).await?;
            return Err(problem);
        }
    };
    let (route, mut call, reserved) = admit(platform, &caller, &chat, request.headers(), request_id).await?;
    let ceiling = reserved.output_ceiling / chat.asked.choices;
    let id = format!("chatcmpl-{}", call.request_id());
    let sent = upstream::send(platform, &route, &chat, ceiling, &id).await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(problem) => {
            call.release_later();
            return Err(problem);
        }
    };
    call.accepted();
    if answer.is_stream {
        let format = StreamOptions {
            client_wants_usage: chat.asked.include_usage,
            choices: chat.asked.choices,
            output_tokens_max: Some(reserved.output_ceiling),
        };
        let members = call.members_of_usage(cost_in_usage);
        let passage = ChatPassage::new(format, route.reports_usage.get() && !cost_in_usage, members);
        return Ok(streamed(relay::body(answer.chunks(), call, route, Box::new(passage)), &reserved));
    }
    match answer.whole(platform).await {
        Ok(body) => whole(body, call, &reserved).await,
        Err(problem) => {
            call.release_later();
            Err(problem)
        }
    }
}

/// Times that an account is asked to admit a call: it may know newer prices, count with another time than this host, and,
/// if it ends hundreds of calls a second, take what waited for its turn for too old.
const ADMIT_TRIES: usize = 8;

/// The route, the open call and what was reserved for it. Asks again if the routing or the time is out of date.
async fn admit<P: Platform>(
    platform: &P,
    caller: &Caller,
    chat: &ChatRequest,
    headers: &HeaderMap,
    request_id: &Cell<RequestId>,
) -> Result<(Rc<Route>, OpenCall<P>, Reserved), Problem> {
    let (mut moment, mut is_stale) = (None, false);
    for _ in 0..ADMIT_TRIES {
        let Some(route) = directory::route(platform, caller.account, &chat.asked.model, is_stale).await?
        else {
            // Only who has a good key learns which models there are.
            caller.authorize(platform).await?;
            return Err(Problem::model_not_found(&chat.asked.model));
        };
        let demand = match demand(chat, &route, headers) {
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

fn demand(chat: &ChatRequest, route: &Route, headers: &HeaderMap) -> Result<Demand, Problem> {
    let snapshot = &route.snapshot;
    let output_tokens_max = chat.asked.output_tokens_max.unwrap_or(snapshot.default_max_output);
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
        input_tokens_max: chat.asked.input.tokens_max(),
        input_estimate: chat.asked.content_bytes.div_ceil(BYTES_PER_TOKEN).max(1),
        output_tokens_max,
        choices: chat.asked.choices,
        clamp: flag(headers, CLAMP_HEADER, "allow")?,
        tags: tags(headers)?,
    })
}

/// Whether a header is there that has one meaning only.
fn flag(headers: &HeaderMap, name: &'static str, set: &str) -> Result<bool, Problem> {
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

async fn whole<P: Platform>(
    body: Bytes,
    call: OpenCall<P>,
    reserved: &Reserved,
) -> Result<Response<Body>, Problem> {
    let Ok(completion) = read_completion(&body) else {
        log::warn!("{}: the provider's answer cannot be read", call.request_id());
        call.release_later();
        return Err(Problem::upstream_failed(
            "The model's provider sent an answer that cannot be read. Nothing was charged; retry.",
        ));
    };
    if completion.choices == 0 && completion.usage.is_none() {
        log::warn!("{}: the provider's answer has no choices", call.request_id());
        call.release_later();
        return Err(Problem::upstream_failed(
            "The model's provider sent no answer. Nothing was charged; retry.",
        ));
    }
    // A report of nothing, beside an answer, is no report.
    let reported = completion.usage.filter(|usage| usage.total() > 0 || completion.output_estimate == 0);
    let estimated = reported.is_none();
    let usage = reported.unwrap_or_else(|| call.estimate(completion.output_estimate));
    let Bill { cost, remaining } = call.settle(Ending { usage, estimated, outcome: "completed" }).await;
    let mut response = json_bytes(StatusCode::OK, body);
    let headers = response.headers_mut();
    insert(headers, "x-cost-eur", &cost.to_string());
    insert(headers, "x-budget-remaining-eur", &remaining.to_string());
    headers.extend(rate_limit_headers(&reserved.statuses));
    Ok(response)
}

fn streamed(body: Body, reserved: &Reserved) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    insert(headers, "x-budget-held-eur", &reserved.hold.to_string());
    insert(headers, "x-budget-remaining-eur", &reserved.remaining.to_string());
    headers.extend(rate_limit_headers(&reserved.statuses));
    response
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn unusable(error: RequestError) -> Problem {
    let problem = Problem::bad_request(error.code, error.message);
    match error.param {
        Some(param) => problem.about(param),
        None => problem,
    }
}
