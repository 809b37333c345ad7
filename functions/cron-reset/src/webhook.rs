//! Webhooks, signed as Standard Webhooks says.

use crate::deliveries::{Tried, sent};
use crate::mail::setting;
use domain::webhook_address::{self, Reach};
use domain::{provider_key, webhook_signature};
use http::Request;
use http::header::{CONTENT_TYPE, USER_AGENT};
use platform::Platform;
use serde::Serialize;
use serde_json::value::RawValue;
use store::deliveries::{End, Message};
use store::webhook_endpoints::sealing_name;

/// The body. Its bytes are the same in every try.
#[derive(Serialize)]
struct Payload<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    notice_type: &'a str,
    timestamp: String,
    data: &'a RawValue,
}

pub struct Webhooks {
    /// Where they may go, or why that cannot be told.
    reach: Result<Reach, String>,
    /// Opens the endpoints' secrets; or why there is none.
    master_key: Result<[u8; 32], String>,
}

impl Webhooks {
    /// From the setting `WEBHOOK_ADDRESSES` and the secret `PROVIDER_KEYS_KEY_1`.
    pub async fn of(platform: &impl Platform) -> Self {
        let reach = setting(platform, "WEBHOOK_ADDRESSES").await.and_then(|setting| {
            let reach = Reach::of_setting(setting.as_deref());
            reach.map_err(|error| format!("WEBHOOK_ADDRESSES: {error}"))
        });
        let master_key = match setting(platform, "PROVIDER_KEYS_KEY_1").await {
            Ok(Some(hex)) => provider_key::master_key(&hex).map_err(|error| error.to_string()),
            Ok(None) => Err("PROVIDER_KEYS_KEY_1 is not set".to_owned()),
            Err(error) => Err(error),
        };
        Self { reach, master_key }
    }

    pub fn misconfigured(&self) -> Option<&str> {
        self.reach.as_ref().err().or(self.master_key.as_ref().err()).map(String::as_str)
    }

    pub async fn send(
        &self,
        platform: &impl Platform,
        message: &Message,
        endpoint: &str,
        url: &str,
        sealed_secret: &str,
    ) -> Tried {
        let Ok(reach) = &self.reach else {
            return Tried::not_sent("where webhooks may go is not configured");
        };
        if webhook_address::check(url, reach).is_err() {
            return Tried::Ended(End::Failed, "webhooks may not be sent to this address");
        }
        let Ok(master_key) = &self.master_key else {
            return Tried::not_sent("the endpoint's secret cannot be opened");
        };
        let Ok(secret) = provider_key::open(master_key, &sealing_name(endpoint), sealed_secret) else {
            return Tried::not_sent("the endpoint's secret cannot be opened");
        };
        match request(platform, message, url, &secret) {
            Some(request) => sent(platform, request).await,
            None => Tried::Ended(End::Failed, "the message cannot be written"),
        }
    }
}

fn request(
    platform: &impl Platform,
    message: &Message,
    url: &str,
    secret: &str,
) -> Option<Request<bytes::Bytes>> {
    let id = message.claimed.notice_id.as_str();
    let data: &RawValue = serde_json::from_str(&message.data).ok()?;
    let payload = Payload { id, notice_type: &message.notice_type, timestamp: message.at.to_rfc3339(), data };
    let body = serde_json::to_vec(&payload).ok()?;
    let now = platform.now();
    let signature = webhook_signature::sign(secret, id, now, &body).ok()?;
    Request::post(url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "cloudfreedom")
        .header("webhook-id", id)
        .header("webhook-timestamp", now.as_secs())
        .header("webhook-signature", signature)
        .body(body.into())
        .ok()
}
