//! Answers on their way out: what a whole one cost, and the headers that say so.

use crate::call::{Bill, Ending, OpenCall};
use bytes::Bytes;
use domain::account::Reserved;
use domain::price::Usage;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_api::{Problem, json_bytes, rate_limit_headers};
use llm_formats::openai_chat::read_completion;
use platform::{Body, Platform};

/// Charges a whole chat completion. One that nobody can read costs nothing.
pub async fn settle<P: Platform>(body: &[u8], call: OpenCall<P>) -> Result<(Usage, Bill), Problem> {
    let Ok(completion) = read_completion(body) else {
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
    let bill = call.settle(Ending { usage, estimated, outcome: "completed" }).await;
    Ok((usage, bill))
}

pub fn whole(body: Bytes, bill: &Bill, reserved: &Reserved) -> Response<Body> {
    let mut response = json_bytes(StatusCode::OK, body);
    let headers = response.headers_mut();
    insert(headers, "x-cost-eur", &bill.cost.to_string());
    insert(headers, "x-budget-remaining-eur", &bill.remaining.to_string());
    headers.extend(rate_limit_headers(&reserved.statuses));
    response
}

pub fn streamed(body: Body, reserved: &Reserved) -> Response<Body> {
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
