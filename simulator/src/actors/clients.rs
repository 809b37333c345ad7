//! Callers: they ask, read, leave early, and ask again.

use crate::actors::calls::{Call, KillPoint};
use crate::hosts::mail::{Receiver, Sender, channel};
use crate::hosts::platform::SimulatedPlatform;
use crate::profile::{LARGE_ONE_IN, LARGE_TIMES};
use crate::setting::MODEL;
use crate::world::{NATURE, PROXIES, World};
use bytes::Bytes;
use core::pin::pin;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use http::{HeaderMap, Request, StatusCode};
use platform::Body;
use std::rc::Rc;

/// Tries of one question.
const TRIES_MAX: u64 = 3;
/// Before the next try.
const RETRY_MS: (u64, u64) = (0, 20_000);
/// How long a caller reads before the next piece.
const READ_MS: (u64, u64) = (0, 40);
/// After how long a caller who loses patience leaves, at most.
const PATIENCE_MS: u64 = 3_000;

/// What comes back over the caller's connection.
enum Piece {
    Head(StatusCode, HeaderMap),
    Chunk,
    /// The connection ends early.
    Broken,
}

pub fn start(world: &Rc<World>) {
    let dice = &world.dice.clients;
    let times = if dice.one_in(LARGE_ONE_IN) { LARGE_TIMES } else { 1 };
    for client in 0..dice.between(world.profile.clients) * times {
        world.work(NATURE, Box::pin(converse(world.clone(), client)));
    }
}

async fn converse(world: Rc<World>, client: u64) {
    let account = (client % world.accounts.len() as u64) as usize;
    for _ in 0..world.dice.clients.between(world.profile.calls_per_client) {
        world.executor.sleep_ms(world.dice.clients.between(world.profile.pause_ms)).await;
        for _ in 0..TRIES_MAX {
            if !ask(&world, account).await {
                break;
            }
            world.executor.sleep_ms(world.dice.clients.between(RETRY_MS)).await;
        }
    }
}

/// Whether it makes sense to ask again.
async fn ask(world: &Rc<World>, account: usize) -> bool {
    let dice = &world.dice.clients;
    let host = *dice.pick(&PROXIES);
    let kill_at = world.strikes(dice, world.profile.faults.host_dies).then(|| kill_point(world));
    let number = world.calls.borrow().len() as u64;
    let call = Rc::new(Call::new(number, account, host, kill_at));
    world.calls.borrow_mut().push(call.clone());
    let request = request(world, account);
    world.note(Some(account), "asks", number, || format!("#{number} H{host} {}", said(&request)));
    let (sender, receiver) = channel();
    world.executor.spawn(host, Box::pin(serve(world.clone(), call.clone(), request, sender)));
    let leaves = dice.one_in(world.profile.leaves_one_in);
    let patience = if leaves { dice.below(PATIENCE_MS) } else { u64::MAX };
    let chunks_max = if leaves && dice.one_in(2) { dice.below(8) } else { u64::MAX };
    let read = read(world, &call, receiver, chunks_max);
    match select(pin!(read), pin!(world.executor.sleep_ms(patience))).await {
        Either::Left((again, _)) => again,
        Either::Right(_) => {
            world.note(Some(account), "leaves", number, || call.tag());
            false
        }
    }
}

fn kill_point(world: &World) -> KillPoint {
    let dice = &world.dice.clients;
    match dice.below(5) {
        0 => KillPoint::AfterHold,
        1 => KillPoint::AfterUpstreamSend,
        2 => KillPoint::MidStream(dice.between((1, 4))),
        3 => KillPoint::BeforeSettle,
        _ => KillPoint::AfterSettle,
    }
}

fn request(world: &World, account: usize) -> Request<Bytes> {
    let dice = &world.dice.clients;
    let words = "what is it ".repeat(dice.between((1, 8)) as usize);
    let mut body = format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"{words}"}}]"#);
    if !dice.one_in(4) {
        body += &format!(r#","max_tokens":{}"#, dice.between((1, 120)));
    }
    if dice.one_in(8) {
        body += r#","n":2"#;
    }
    if dice.one_in(2) {
        body += r#","stream":true"#;
        if dice.one_in(2) {
            body += r#","stream_options":{"include_usage":true}"#;
        }
    }
    body.push('}');
    let mut request = Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", dice.pick(&world.accounts[account].keys).text));
    if dice.one_in(4) {
        request = request.header("x-budget-clamp", "allow");
    }
    request.body(body.into()).expect("a valid request")
}

fn said(request: &Request<Bytes>) -> String {
    let clamp = if request.headers().contains_key("x-budget-clamp") { "clamp " } else { "" };
    format!("{clamp}{}", String::from_utf8_lossy(request.body()))
}

/// The host's side of the connection: works until the answer is out or the caller has gone.
async fn serve(world: Rc<World>, call: Rc<Call>, request: Request<Bytes>, sender: Sender<Piece>) {
    let platform = SimulatedPlatform::of_call(world, call);
    let answer = async {
        let (parts, body) = proxy::handle(&platform, request).await.into_parts();
        sender.send(Piece::Head(parts.status, parts.headers));
        if !matches!(body, Body::Full(_)) {
            let mut stream = body.into_stream(&platform);
            while let Some(chunk) = stream.next().await {
                sender.send(if chunk.is_ok() { Piece::Chunk } else { Piece::Broken });
            }
        }
    };
    // Whatever is not finished is dropped here, as hosts do when their caller leaves.
    select(pin!(answer), pin!(sender.closed())).await;
}

/// The caller's side. Whether it makes sense to ask again.
async fn read(world: &World, call: &Call, receiver: Receiver<Piece>, chunks_max: u64) -> bool {
    let mut chunks = 0;
    let mut status = None;
    while let Some(piece) = receiver.next().await {
        match piece {
            Piece::Head(head, headers) => {
                status = Some(head);
                world.statistics.count(outcome(head));
                if head == StatusCode::SERVICE_UNAVAILABLE && world.profile.only_clocks_differ() {
                    // P31.
                    let claim = format!("{} was shut out, though nothing failed", call.tag());
                    world.violated(Some(call.account), claim);
                }
                world.note(Some(call.account), "answered", head.as_u16().into(), || {
                    format!("{} {head}", call.tag())
                });
                let cost = headers.get("x-cost-eur").and_then(|cost| cost.to_str().ok());
                call.facts.borrow_mut().told_cost = cost.map(str::to_owned);
            }
            Piece::Chunk => {
                chunks += 1;
                if chunks >= chunks_max {
                    world.note(Some(call.account), "leaves", call.number, || {
                        format!("{} after {chunks} chunks", call.tag())
                    });
                    return false;
                }
                world.executor.sleep_ms(world.dice.clients.between(READ_MS)).await;
            }
            Piece::Broken => return true,
        }
    }
    status.is_none_or(|status| status.is_server_error())
}

fn outcome(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "answers 200",
        402 | 403 => "answers 403",
        429 => "answers 429",
        503 => "answers 503",
        500..=599 => "answers 5xx",
        _ => "other answers",
    }
}
