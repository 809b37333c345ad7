//! `POST /v1/chat/completions`

use crate::admission::{admit, flag, unusable};
use crate::answering;
use crate::caller::Caller;
use crate::relay;
use crate::upstream;
use bytes::Bytes;
use core::cell::Cell;
use domain::identity::RequestId;
use http::{Request, Response};
use http_api::{BODY_BYTES_MAX, Problem};
use llm_formats::openai_chat::same_format::ChatPassage;
use llm_formats::openai_chat::{ChatRequest, StreamOptions};
use platform::{Body, Platform};

/// `include` adds `cost_eur` to the chunk with a stream's usage. Such a stream is rewritten on its way.
const COST_HEADER: &str = "x-usage-cost";

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
    let (route, mut call, reserved) =
        admit(platform, &caller, &chat.asked, request.headers(), request_id).await?;
    let ceiling = reserved.output_ceiling / chat.asked.choices;
    let id = format!("chatcmpl-{}", call.request_id());
    let body = upstream::rewritten(route.target(), &chat, ceiling);
    let sent = upstream::send(platform, &route, body, chat.asked.stream, &id).await;
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
        let body = relay::body(answer.chunks(), call, route, Box::new(passage));
        return Ok(answering::streamed(body, &reserved));
    }
    match answer.whole(platform).await {
        Ok(body) => {
            let (_, bill) = answering::settle(&body, call).await?;
            Ok(answering::whole(body, &bill, &reserved))
        }
        Err(problem) => {
            call.release_later();
            Err(problem)
        }
    }
}
