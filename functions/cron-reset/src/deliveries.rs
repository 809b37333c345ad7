//! Notices leave: one try of each delivery that is due.
//!
//! A try is claimed before it is made and written down after it. A run that dies in between leaves a
//! claim that ends by itself; then the message is sent again, under the same id.

use crate::AT_ONCE;
use crate::jobs::Slice;
use crate::mail::Mailer;
use crate::webhook::Webhooks;
use core::time::Duration;
use domain::delivery::{Answer, Verdict, WITHOUT_PROVIDER_MAX, judge, may_try};
use domain::time::Timestamp;
use futures_util::{StreamExt, stream};
use http::header::RETRY_AFTER;
use http::{Request, Response};
use platform::{Body, Platform, PlatformError, Statement};
use store::deliveries::{self, End, Message, Recipient};
use store::webhook_endpoints;

const PAGE: usize = 12;
/// What was given up for want of a provider, the claim, what is claimed, each message, and what came of it in two
/// statements at most.
pub const QUESTIONS: usize = 3 + 3 * PAGE;

/// A receiver that says nothing for so long has not answered.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than a slice with its time-outs.
const CLAIM: Duration = Duration::from_secs(5 * 60);

/// How one try went.
pub enum Tried {
    Answered(Answer, String),
    /// Nothing was sent, and nothing ever will be.
    Ended(End, &'static str),
    /// The mail was written down instead.
    Captured(Statement),
}

impl Tried {
    /// What stands in the way may be put right before the next try.
    pub fn not_sent(reason: impl Into<String>) -> Self {
        Self::Answered(Answer::Nothing, reason.into())
    }
}

/// What is tried is no longer due, so every slice begins at the start.
pub async fn slice(platform: &impl Platform, _cursor: &str) -> Result<Slice, PlatformError> {
    let now = platform.now();
    let mailer = &Mailer::of(platform).await;
    if mailer.can_send() {
        let after = now.minus(WITHOUT_PROVIDER_MAX);
        platform.commit(vec![deliveries::revive(now, after, PAGE as i64)]).await?;
    }
    let claimed = deliveries::claim(platform, now, now.plus(CLAIM), PAGE as i64).await?;
    if claimed.is_empty() {
        return Ok(Slice::default());
    }
    let messages = deliveries::load(platform, &claimed).await?;
    let webhooks = &Webhooks::of(platform).await;
    let tries = messages
        .iter()
        .map(|message| async move { (message, attempt(platform, mailer, webhooks, message).await) });
    let tried: Vec<_> = stream::iter(tries).buffer_unordered(AT_ONCE).collect().await;
    let mut slice = Slice { next: (claimed.len() == PAGE).then(String::new), ..Slice::default() };
    let mut statements = Vec::new();
    for (message, tried) in tried {
        slice.done +=
            u64::from(write_down(message, tried, platform.now(), chance(platform), &mut statements));
    }
    if let Some(error) = mailer.misconfigured().or_else(|| webhooks.misconfigured()) {
        slice.failures += 1;
        slice.error = Some(error.to_owned());
    }
    platform.commit(statements).await?;
    Ok(slice)
}

async fn attempt(platform: &impl Platform, mailer: &Mailer, webhooks: &Webhooks, message: &Message) -> Tried {
    if !may_try(message.claimed.tries) {
        return Tried::Ended(End::Failed, "no try of many was seen to end");
    }
    match &message.recipient {
        Recipient::Person { email, name } => mailer.send(platform, message, email, name).await,
        Recipient::Endpoint { id, url, sealed_secret } => {
            webhooks.send(platform, message, id, url, sealed_secret).await
        }
        Recipient::Gone => Tried::Ended(End::Undeliverable, "the recipient is gone"),
    }
}

/// Sends, and waits for the answer's status within bounds. Redirects are not followed, the body is not read.
pub async fn sent(platform: &impl Platform, request: Request<bytes::Bytes>) -> Tried {
    match platform.within(SEND_TIMEOUT, platform.send(request)).await {
        Some(Ok(response)) => {
            let code = response.status().as_u16();
            Tried::Answered(Answer::Status { code, retry_after: retry_after(&response) }, code.to_string())
        }
        Some(Err(error)) => Tried::not_sent(format!("no answer: {}", error.kind)),
        None => Tried::not_sent("no answer in time"),
    }
}

/// Seconds; the form with a date is not read.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// Whether it was delivered.
fn write_down(
    message: &Message,
    tried: Tried,
    now: Timestamp,
    chance: u64,
    statements: &mut Vec<Statement>,
) -> bool {
    let claimed = &message.claimed;
    let mut ended = |end, answer: &str| statements.push(deliveries::ended(claimed, end, answer, now));
    match tried {
        Tried::Ended(end, reason) => ended(end, reason),
        Tried::Captured(mail) => {
            ended(End::Delivered, "captured");
            statements.push(mail);
            return true;
        }
        Tried::Answered(answer, text) => match judge(claimed.channel, answer, claimed.tries, now, chance) {
            Verdict::Delivered => {
                ended(End::Delivered, &text);
                return true;
            }
            Verdict::Failed => ended(End::Failed, &text),
            Verdict::Gone => {
                ended(End::Failed, &text);
                statements.push(webhook_endpoints::switch_off(&claimed.target));
            }
            Verdict::Again(at) => statements.push(deliveries::again(claimed, at, &text)),
        },
    }
    false
}

fn chance(platform: &impl Platform) -> u64 {
    let mut random = [0; 8];
    platform.fill(&mut random);
    u64::from_le_bytes(random)
}
