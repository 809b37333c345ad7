//! The scene of a test: a host, a scripted provider behind it, users in front of it.

use crate::client::{Answer, Client, Request};
use crate::hosts::Host;
use crate::money::nano;
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex as Shared, PoisonError};
use tokio::sync::{Mutex, OwnedMutexGuard};
use xtask::local::DevFacts;

/// A priced model that the scripted provider serves on every host.
pub const MODEL: &str = "gpt-4o-mini";

/// The seeded tenant, which is active.
pub const TENANT: &str = "demo";

/// The host and the provider of this test binary; one test at a time has them.
struct Stage {
    host: Host,
    upstream: Upstream,
}

static STAGE: LazyLock<Arc<Mutex<Option<Stage>>>> = LazyLock::new(Arc::default);

/// A test's hold on the stage. Ends with [`Scene::end`]: exactly the declared calls reached the provider, and
/// no hold of the scene's users is left.
pub struct Scene {
    stage: OwnedMutexGuard<Option<Stage>>,
    users: Shared<Vec<User>>,
    ended: bool,
}

impl Scene {
    pub async fn start() -> Self {
        Self::start_on(Host::start).await
    }

    /// On a host that may end a request's work with its caller. All tests of a binary share their host.
    pub async fn start_ending_with_callers() -> Self {
        Self::start_on(Host::start_ending_with_callers).await
    }

    async fn start_on(host: impl FnOnce(&str) -> Host) -> Self {
        let mut stage = STAGE.clone().lock_owned().await;
        let stage_now = stage.get_or_insert_with(|| {
            let upstream = Upstream::start();
            Stage { host: host(&upstream.base_url()), upstream }
        });
        stage_now.upstream.begin().await;
        Self { stage, users: Shared::default(), ended: false }
    }

    fn stage(&self) -> &Stage {
        self.stage.as_ref().expect("a scene has a stage")
    }

    pub fn host(&self) -> &Host {
        &self.stage().host
    }

    pub fn host_mut(&mut self) -> &mut Host {
        &mut self.stage.as_mut().expect("a scene has a stage").host
    }

    pub fn facts(&self) -> &DevFacts {
        self.host().facts()
    }

    pub fn upstream(&self) -> &Upstream {
        &self.stage().upstream
    }

    pub fn client(&self) -> Client {
        self.host().client()
    }

    /// Provisions an active user of the seeded tenant; `budget` in decimal euros.
    pub async fn user_with_budget(&self, budget: &str) -> User {
        self.user(json!({"budget_total": budget})).await
    }

    /// Provisions a user; `extra` is merged into the request.
    pub async fn user(&self, extra: Value) -> User {
        let mut body = json!({"email": unique_email(), "name": "A Test", "tenant_id": TENANT});
        for (field, value) in extra.as_object().expect("an object of fields") {
            body[field] = value.clone();
        }
        let created = self.billing("POST", "/api/users", &body).await.expect(201).json();
        let text = |field: &str| {
            created[field].as_str().unwrap_or_else(|| panic!("no {field}: {created}")).to_owned()
        };
        let user = User {
            id: text("user_id"),
            key: text("api_key"),
            key_id: text("api_key_id"),
            client: self.client(),
            billing_api_key: self.facts().billing_api_key.clone(),
        };
        self.users.lock().unwrap_or_else(PoisonError::into_inner).push(user.clone());
        user
    }

    /// A call to a billing route with the service key; `GET` sends no body.
    pub async fn billing(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = match method {
            "GET" => self.client().get(path),
            method => {
                let method = method.parse().expect("an HTTP method");
                self.client().request(method, path).body("application/json", body.to_string())
            }
        };
        request.header("x-api-key", &self.facts().billing_api_key).send().await
    }

    /// Ends the test: verifies the provider's calls and that every user's reserved money is back to 0.
    pub async fn end(mut self) {
        self.ended = true;
        let users = std::mem::take(&mut *self.users.lock().unwrap_or_else(PoisonError::into_inner));
        for user in users {
            crate::eventually("the user's holds to end", async || {
                (user.money().await.reserved == 0).then_some(())
            })
            .await;
        }
        self.upstream().verify();
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.ended, "a test ends its scene with `scene.end().await`");
        }
    }
}

/// A provisioned user and one of its keys.
#[derive(Clone, Debug)]
pub struct User {
    pub id: String,
    pub key: String,
    pub key_id: String,
    client: Client,
    billing_api_key: String,
}

/// A user's money at one instant, in nano-euros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    pub limit: i64,
    pub used: i64,
    pub reserved: i64,
    pub remaining: i64,
}

impl User {
    /// The same user, calling with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.into(), ..self.clone() }
    }

    pub fn get(&self, path: &str) -> Request {
        self.client.get(path).bearer(&self.key)
    }

    pub fn post(&self, path: &str, body: &Value) -> Request {
        self.client.post(path, body).bearer(&self.key)
    }

    pub fn chat(&self, body: &Value) -> Request {
        self.post("/v1/chat/completions", body)
    }

    /// Changes the user through the billing API, as an administrator would.
    pub async fn change(&self, fields: &Value) -> Answer {
        let path = format!("/api/users/{}", self.id);
        let request = self.client.request("PATCH".parse().expect("a method"), &path);
        let request = request.body("application/json", fields.to_string());
        request.header("x-api-key", &self.billing_api_key).send().await.expect(200)
    }

    /// As the billing API tells it, which also works for a user who may not call models.
    pub async fn money(&self) -> Money {
        let path = format!("/api/users/{}/budget", self.id);
        let view =
            self.client.get(&path).header("x-api-key", &self.billing_api_key).send().await.expect(200).json();
        Money {
            limit: nano(&view["budget_total"]),
            used: nano(&view["budget_used"]),
            reserved: nano(&view["budget_reserved"]),
            remaining: nano(&view["budget_remaining"]),
        }
    }

    /// The usage row of one of the user's calls, as soon as it is delivered.
    pub async fn usage(&self, request_id: &str) -> Value {
        let path = format!("/v1/usage/{request_id}");
        crate::eventually("the usage row", async || {
            let answer = self.get(&path).send().await;
            (answer.status == 200).then(|| answer.json()["rows"][0].take())
        })
        .await
    }

    /// What a call like this one holds, in nano-euros. Makes one call, of `demo/echo` prices or the
    /// provider's, whose reply the script must have ready.
    pub async fn learn_hold(&self, body: &Value) -> i64 {
        let mut body = body.clone();
        body["stream"] = true.into();
        let stream = self.chat(&body).stream().await;
        assert_eq!(stream.status, 200);
        let hold = crate::money::nano_of(stream.header("x-budget-held-eur"));
        stream.rest().await.expect("a complete stream");
        hold
    }
}

/// A plain chat request with an output ceiling of 50 tokens.
pub fn chat_body(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Say hello"}], "max_tokens": 50})
}

/// The same, with these fields set or replaced.
pub fn chat_with(fields: Value) -> Value {
    let mut body = chat_body(MODEL);
    for (field, value) in fields.as_object().expect("an object of fields") {
        body[field] = value.clone();
    }
    body
}

fn unique_email() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("user{}@tests.example", NEXT.fetch_add(1, Ordering::Relaxed))
}
