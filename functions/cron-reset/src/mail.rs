//! Mails, by an HTTP provider.
//!
//! The request is that of Resend's `POST /emails`, which others speak too: a bearer key, the header
//! `Idempotency-Key`, and a JSON object of `from`, `to`, `subject`, `text` and `html`.
//! Source: Resend's API reference, "Send Email".

use crate::deliveries::{Tried, sent};
use domain::threshold_message::{MailText, ThresholdReached};
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use platform::Platform;
use serde_json::json;
use store::deliveries::{End, Message};
use store::outbox_mails;

/// The setting `MAIL_URL` that captures mails in the table `outbox_mails`. Only xtask sets it.
const CAPTURE: &str = "capture:";
/// Who mails are from where nothing is sent.
const CAPTURED_FROM: &str = "CloudFreedom <notices@localhost>";

pub enum Mailer {
    /// `MAIL_URL` is empty or absent: nobody is told by mail.
    Unconfigured,
    Capture {
        from: String,
    },
    Provider {
        url: String,
        key: String,
        from: String,
    },
    /// What is missing.
    Misconfigured(String),
}

impl Mailer {
    /// From the settings `MAIL_URL`, `MAIL_FROM` and the secret `MAIL_API_KEY`.
    pub async fn of(platform: &impl Platform) -> Self {
        let url = match setting(platform, "MAIL_URL").await {
            Ok(None) => return Self::Unconfigured,
            Ok(Some(url)) => url,
            Err(error) => return Self::Misconfigured(error),
        };
        let from = setting(platform, "MAIL_FROM").await;
        if url == CAPTURE {
            return Self::Capture { from: from.ok().flatten().unwrap_or_else(|| CAPTURED_FROM.into()) };
        }
        match (from, setting(platform, "MAIL_API_KEY").await) {
            (Ok(Some(from)), Ok(Some(key))) => Self::Provider { url, key, from },
            (Ok(None), _) => Self::Misconfigured("MAIL_URL is set and MAIL_FROM is not".into()),
            (_, Ok(None)) => Self::Misconfigured("MAIL_URL is set and MAIL_API_KEY is not".into()),
            (Err(error), _) | (_, Err(error)) => Self::Misconfigured(error),
        }
    }

    /// Whether what waits for a provider need wait no longer.
    pub const fn can_send(&self) -> bool {
        matches!(self, Self::Capture { .. } | Self::Provider { .. })
    }

    pub fn misconfigured(&self) -> Option<&str> {
        match self {
            Self::Misconfigured(reason) => Some(reason),
            _ => None,
        }
    }

    pub async fn send(&self, platform: &impl Platform, message: &Message, email: &str, name: &str) -> Tried {
        let Some(mail) = mail_text(message, name) else {
            return Tried::Ended(End::Failed, "this type of notice has no mail");
        };
        let id = message.claimed.id().to_string();
        match self {
            Self::Unconfigured => Tried::Ended(End::Unconfigured, "MAIL_URL is not set"),
            Self::Misconfigured(reason) => Tried::not_sent(reason.as_str()),
            Self::Capture { from } => {
                Tried::Captured(outbox_mails::insert(&id, email, from, &mail, platform.now()))
            }
            Self::Provider { url, key, from } => match request(url, key, from, email, &mail, &id) {
                Ok(request) => sent(platform, request).await,
                Err(_) => Tried::not_sent("MAIL_URL or MAIL_API_KEY is malformed"),
            },
        }
    }
}

fn mail_text(message: &Message, name: &str) -> Option<MailText> {
    match message.notice_type.as_str() {
        ThresholdReached::TYPE => {
            serde_json::from_str::<ThresholdReached>(&message.data).ok().map(|data| data.mail(name))
        }
        _ => None,
    }
}

fn request(
    url: &str,
    key: &str,
    from: &str,
    email: &str,
    mail: &MailText,
    id: &str,
) -> Result<Request<bytes::Bytes>, http::Error> {
    let MailText { subject, text, html } = mail;
    let body = json!({ "from": from, "to": [email], "subject": subject, "text": text, "html": html });
    Request::post(url)
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "cloudfreedom")
        .header("idempotency-key", id)
        .body(body.to_string().into())
}

/// A setting that may be left out; empty is absent.
pub async fn setting(platform: &impl Platform, name: &str) -> Result<Option<String>, String> {
    let value = platform.setting(name).await;
    let value = value.map_err(|error| format!("{name} cannot be read: {}", error.kind))?;
    Ok(value.map(|value| value.expose().to_owned()))
}
