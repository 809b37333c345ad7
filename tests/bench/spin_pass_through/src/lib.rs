//! The yardstick on Spin: the least that a component in front of a provider can do, as its SDK has it.

#![cfg(target_os = "wasi")]
#![allow(unsafe_code, reason = "spin-sdk generates the export")]

use futures_util::{SinkExt, StreamExt};
use spin_sdk::http::{IncomingRequest, IncomingResponse, OutgoingResponse, Request, ResponseOutparam};
use spin_sdk::{http, http_component, variables};

#[http_component]
async fn pass_on(request: IncomingRequest, answer_to: ResponseOutparam) {
    let upstream = variables::get("upstream").expect("where the provider is");
    let url = format!("{upstream}{}", request.path_with_query().unwrap_or_default());
    let method = request.method();
    let body = request.into_body().await.expect("a body");
    let onward = Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", "application/json")
        .body(body)
        .build();
    let answer: IncomingResponse = http::send(onward).await.expect("an answer");
    let head = OutgoingResponse::new(answer.headers().clone());
    head.set_status_code(answer.status()).expect("a status");
    let mut out = head.take_body();
    answer_to.set(head);
    let mut chunks = answer.take_body_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        if out.send(chunk).await.is_err() {
            return;
        }
    }
}
