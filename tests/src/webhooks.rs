//! A receiver of the product's webhooks: a scripted server, and their signatures as Standard Webhooks defines
//! them, without the product's code.

use crate::client::header;
use crate::upstream::{Call, Reply, Upstream};
use crate::{Scene, fixtures::TENANT};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

/// A webhook of the seeded tenant, and who answers there.
pub struct Receiver {
    server: Upstream,
    id: String,
    secret: String,
}

impl Receiver {
    /// Answers 204 to everything.
    pub async fn register(scene: &Scene) -> Self {
        let server = Upstream::start();
        server.always("", answer(204));
        let url = format!("{}/notices", server.base_url());
        let path = format!("/api/tenants/{TENANT}/webhooks");
        let created = scene.billing("POST", &path, &json!({"url": url})).await.expect(201).json();
        let text = |field: &str| created[field].as_str().expect("a text").to_owned();
        Self { server, id: text("webhook_id"), secret: text("secret") }
    }

    /// The next message gets this status instead.
    pub fn answer_next(&self, status: u16) {
        self.server.next("", answer(status));
    }

    /// What arrived so far, each with a valid signature under its own id.
    #[track_caller]
    pub fn messages(&self) -> Vec<Message> {
        self.server.calls().iter().map(|call| self.verified(call)).collect()
    }

    #[track_caller]
    fn verified(&self, call: &Call) -> Message {
        let text = |name| header(&call.headers, name).unwrap_or_else(|| panic!("no {name}")).to_owned();
        let (id, timestamp) = (text("webhook-id"), text("webhook-timestamp"));
        let key = self.secret.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.expect("a secret in base64")).expect("any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&call.bytes);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(text("webhook-signature"), expected);
        assert_eq!(call.body["id"], id);
        assert_eq!(call.path, "/v1/notices");
        Message { id, sent_at: timestamp.parse().expect("seconds"), call: call.clone() }
    }

    pub async fn delete(self, scene: &Scene) {
        let path = format!("/api/tenants/{TENANT}/webhooks/{}", self.id);
        scene.billing("DELETE", &path, &json!({})).await;
    }
}

/// One try of one notice.
#[derive(Debug)]
pub struct Message {
    pub id: String,
    /// Unix seconds.
    pub sent_at: i64,
    pub call: Call,
}

fn answer(status: u16) -> Reply {
    Reply::Exactly { status, headers: Vec::new(), body: String::new() }
}
