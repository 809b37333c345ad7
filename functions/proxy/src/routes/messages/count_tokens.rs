//! `POST /v1/messages/count_tokens`

use crate::admission::{input_estimate, unusable};
use crate::caller::Caller;
use crate::directory;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_api::{BODY_BYTES_MAX, Problem};
use llm_formats::Asked;
use llm_formats::anthropic_messages::request as messages;
use platform::{Body, Platform};

/// Answers without a provider and without a charge: a token for each four bytes of content, as no tokenizer is at hand.
pub async fn count<P: Platform>(platform: &P, request: &Request<Bytes>) -> Result<Response<Body>, Problem> {
    let caller = Caller::from_headers(platform, request.headers()).await?;
    http_api::check_body(request, BODY_BYTES_MAX)?;
    caller.authorize(platform).await?;
    let conversation = messages::read_to_count(request.body()).map_err(unusable)?;
    let asked = Asked::of(&conversation, messages::name_of).map_err(unusable)?;
    if directory::route(platform, caller.account, &asked.model, false).await?.is_none() {
        return Err(Problem::model_not_found(&asked.model));
    }
    let count = serde_json::json!({ "input_tokens": input_estimate(&asked) });
    Ok(http_api::json(StatusCode::OK, &count))
}
