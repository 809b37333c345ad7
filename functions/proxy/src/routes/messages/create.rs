//! `POST /v1/messages`

use crate::admission::{admit, input_estimate, unusable};
use crate::answering;
use crate::call::OpenCall;
use crate::caller::Caller;
use crate::directory::Route;
use crate::relay;
use crate::upstream::{self, Answer};
use bytes::Bytes;
use core::cell::Cell;
use domain::identity::RequestId;
use http::{Request, Response};
use http_api::{BODY_BYTES_MAX, Problem};
use llm_formats::anthropic_messages::{answer, request as messages, stream};
use llm_formats::conversation::Conversation;
use llm_formats::exchange::{Head, Wish};
use llm_formats::openai_chat;
use llm_formats::passage::{EventMeter, EventPassage};
use llm_formats::{Asked, RequestError};
use platform::{Body, Platform};

/// Reserves the worst case, asks the target in its own format, charges what it reports.
pub async fn create<P: Platform>(
    platform: &P,
    request: &Request<Bytes>,
    request_id: &Cell<RequestId>,
) -> Result<Response<Body>, Problem> {
    let caller = Caller::from_headers(platform, request.headers()).await?;
    http_api::check_body(request, BODY_BYTES_MAX)?;
    let conversation = messages::read(request.body()).map_err(unusable)?;
    let asked = Asked::of(&conversation, messages::name_of).map_err(unusable)?;
    let (route, mut call, reserved) = admit(platform, &caller, &asked, request.headers(), request_id).await?;
    let sent = send(platform, &route, &call, &conversation, reserved.output_ceiling).await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(problem) => {
            call.release_later();
            return Err(problem);
        }
    };
    call.accepted();
    let head = Head {
        id: call.request_id().to_string(),
        created: u64::try_from(platform.now().as_secs()).unwrap_or(0),
        input_estimate: input_estimate(&asked),
        model: asked.model,
        include_usage: true,
        choices: 1,
    };
    if answer.is_stream {
        let reader = Box::new(openai_chat::stream::Reader::default());
        let writer = Box::new(stream::Writer::new(head));
        let meter = EventMeter::new(1, Some(reserved.output_ceiling));
        let passage = EventPassage::translated(reader, writer, meter);
        let body = relay::body(answer.chunks(), call, route, Box::new(passage));
        return Ok(answering::streamed(body, &reserved));
    }
    let body = match answer.whole(platform).await {
        Ok(body) => body,
        Err(problem) => {
            call.release_later();
            return Err(problem);
        }
    };
    let read = openai_chat::answer::read(&body).unwrap_or_default();
    let (usage, bill) = answering::settle(&body, call).await?;
    Ok(answering::whole(answer::write(&head, &read, &usage).into(), &bill, &reserved))
}

async fn send<P: Platform>(
    platform: &P,
    route: &Route,
    call: &OpenCall<P>,
    conversation: &Conversation,
    output_tokens_max: u64,
) -> Result<Answer, Problem> {
    let target = route.target();
    let wish = Wish { model: upstream::model_at(target, &conversation.model), output_tokens_max };
    let body = openai_chat::request::write(conversation, &wish, &target.server()).map_err(|unsupported| {
        unusable(RequestError::unsupported(messages::name_of(unsupported.feature), unsupported))
    })?;
    let id = format!("chatcmpl-{}", call.request_id());
    upstream::send(platform, route, body.into(), conversation.stream, &id).await
}
