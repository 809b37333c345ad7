//! A provider as providers are: it streams over time, fails, hangs, breaks off, bills too much, and does
//! as it likes with `max_tokens`. It writes down what it really handed out.

use crate::actors::calls::{Answered, Call, KillPoint};
use crate::actors::script::{Delta, Ending, Script};
use crate::dice::Dice;
use crate::world::World;
use bytes::Bytes;
use core::future::pending;
use domain::price::Usage;
use futures_util::stream::{self, LocalBoxStream, StreamExt};
use http::{Request, Response};
use platform::{Body, PlatformError, StreamError};
use serde_json::Value;
use std::collections::VecDeque;
use std::rc::Rc;

/// Until the status line, of a provider that is in no trouble.
const STATUS_MS: (u64, u64) = (5, 600);

/// Answers one request. `sent` is the moment at which the request has left.
pub async fn send(
    world: &Rc<World>,
    call: &Rc<Call>,
    request: &Request<Bytes>,
    sent: impl AsyncFnOnce(),
) -> Result<Response<Body>, PlatformError> {
    let asked: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    check_that_it_is_paid(world, call);
    call.facts.borrow_mut().sent_upstream = true;
    let dice = &world.dice.upstream;
    let odd = dice.one_in(world.profile.odd_answer_one_in);
    let script = Script::roll(dice, odd, asked["stream"] == true, ceiling(&asked));
    world.statistics.count(script.name());
    world.note(Some(call.account), "upstream", call.number, || format!("{}: {script:?}", call.tag()));
    sent().await;
    world.executor.sleep_ms(dice.between(STATUS_MS)).await;
    perform(world, call, script).await
}

fn ceiling(asked: &Value) -> u64 {
    asked["max_tokens"].as_u64().unwrap_or(0)
}

/// Nothing leaves without a hold behind it.
fn check_that_it_is_paid(world: &World, call: &Call) {
    let request_id = call.facts.borrow().request_id;
    let books = world.books.borrow();
    let books = &books[&world.accounts[call.account].name];
    if !request_id.is_some_and(|id| books.has_held(id)) {
        let claim = format!("#{} was sent upstream, but no hold is stored for it", call.number);
        world.violated(Some(call.account), claim);
    }
}

async fn perform(
    world: &Rc<World>,
    call: &Rc<Call>,
    script: Script,
) -> Result<Response<Body>, PlatformError> {
    let useless = || call.facts.borrow_mut().answer = Answered::Useless;
    match script {
        Script::Refused => {
            useless();
            Err(PlatformError::unavailable("connection refused"))
        }
        Script::Status(status) => {
            useless();
            Ok(response(status, "application/json", Body::Full("{}".into())))
        }
        Script::Hangs => {
            useless();
            pending().await
        }
        Script::Garbage(body) => {
            useless();
            Ok(response(200, "application/json", Body::Full(body.into())))
        }
        Script::BreaksOff => {
            useless();
            let broken = stream::iter([
                Ok(Bytes::from_static(b"{\"choices\":[")),
                Err(StreamError::Broken("reset".into())),
            ]);
            Ok(response(200, "application/json", Body::stream(broken)))
        }
        Script::Whole { output, report } => {
            let mut facts = call.facts.borrow_mut();
            facts.answer = Answered::Whole;
            facts.delivered_output = output;
            facts.reported = report;
            facts.complete = true;
            Ok(response(200, "application/json", Body::Full(completion(output, report).into())))
        }
        Script::Stream { deltas, ending } => {
            call.facts.borrow_mut().answer = Answered::Stream;
            let body = stream_of(world.clone(), call.clone(), deltas, ending);
            Ok(response(200, "text/event-stream", Body::stream(body)))
        }
    }
}

fn response(status: u16, content_type: &str, body: Body) -> Response<Body> {
    let builder = Response::builder().status(status).header("content-type", content_type);
    builder.body(body).expect("a valid response")
}

/// What the stream still has to say.
struct Rest {
    world: Rc<World>,
    call: Rc<Call>,
    deltas: VecDeque<Delta>,
    ending: Option<Ending>,
    chunks: u64,
}

fn stream_of(
    world: Rc<World>,
    call: Rc<Call>,
    deltas: VecDeque<Delta>,
    ending: Ending,
) -> LocalBoxStream<'static, Result<Bytes, StreamError>> {
    let rest = Rest { world, call, deltas, ending: Some(ending), chunks: 0 };
    stream::unfold(rest, |mut rest| async move { Some((rest.next().await?, rest)) }).boxed_local()
}

impl Rest {
    async fn next(&mut self) -> Option<Result<Bytes, StreamError>> {
        if self.call.kill_at == Some(KillPoint::MidStream(self.chunks)) && !self.world.healed.get() {
            self.world.kill_host(self.call.host, "host died in mid-stream");
            pending::<()>().await;
        }
        self.chunks += 1;
        if let Some(delta) = self.deltas.pop_front() {
            self.world.executor.sleep_ms(delta.after_ms).await;
            let mut facts = self.call.facts.borrow_mut();
            facts.delivered_output += delta.tokens;
            return Some(Ok(delta_event(delta.tokens).into()));
        }
        match self.ending.take()? {
            Ending::Orderly(report) => {
                let mut facts = self.call.facts.borrow_mut();
                facts.reported = report;
                facts.complete = true;
                Some(Ok(orderly_end(report).into()))
            }
            Ending::Cut => None,
            Ending::Broken => Some(Err(StreamError::Broken("reset by the provider".into()))),
            Ending::Hangs => pending().await,
        }
    }
}

fn completion(output: u64, report: Option<Usage>) -> String {
    format!(
        r#"{{"id":"c","object":"chat.completion","choices":[{{"index":0,"finish_reason":"stop","message":{{"role":"assistant","content":"{}"}}}}],"usage":{}}}"#,
        text(output),
        usage(report)
    )
}

fn delta_event(tokens: u64) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}},\"finish_reason\":null}}]}}\n\n",
        text(tokens)
    )
}

fn orderly_end(report: Option<Usage>) -> String {
    let finish = r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let usage = match report {
        None => String::new(),
        Some(_) => format!("data: {{\"id\":\"c\",\"choices\":[],\"usage\":{}}}\n\n", usage(report)),
    };
    format!("data: {finish}\n\n{usage}data: [DONE]\n\n")
}

/// Counted as `tokens` by its length.
fn text(tokens: u64) -> String {
    "word".repeat(usize::try_from(tokens).unwrap_or(0))
}

fn usage(report: Option<Usage>) -> String {
    report.map_or_else(
        || "null".into(),
        |usage| {
            let (input, output) = (usage.total_input(), usage.total_output());
            format!(
                r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{}}}"#,
                input + output
            )
        },
    )
}

/// A usage of so many tokens in and out.
pub fn plain(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

/// What the provider counted as the request's input.
pub fn input_tokens(dice: &Dice) -> u64 {
    dice.between((4, 40))
}
