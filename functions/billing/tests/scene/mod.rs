//! A billing function on a memory host with a tenant, a priced model and service keys.

#![allow(dead_code, reason = "each test file uses its part of the scene")]

use domain::account::Account;
use domain::account::Command;
use domain::api_key::KeyHash;
use domain::identity::AccountId;
use domain::routing::{PriceFields, RoutingSnapshot, Target, TargetKind};
use domain::state_machine::StateMachine;
use domain::tenant_pool::TenantPool;
use futures_executor::block_on;
use http::{Request, Response, StatusCode};
use platform::{AtomicState, Body, Clock, Database, Platform, PlatformError, Statement};
use platform_memory::{Delivered, MemoryPlatform};
use serde_json::{Value, json};

/// Every scope, every tenant.
pub const KEY: &str = "a service key";
/// Every scope, tenant `other` only.
pub const KEY_OF_OTHER: &str = "another service key";
/// `budget:read` only.
pub const READING_KEY: &str = "a reading key";
pub const MODEL: &str = "priced";

pub struct Scene {
    pub platform: MemoryPlatform,
}

pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub fn expect_code(self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        body
    }
}

pub struct User {
    pub id: String,
    pub key: String,
    pub key_id: String,
}

impl Scene {
    pub fn new() -> Self {
        let platform = MemoryPlatform::new();
        platform.deliver_to(record);
        for tenant in ["demo", "other"] {
            platform.execute_sql(&format!(
                "INSERT INTO tenants (id, slug, name, status, created_at, updated_at)
                 VALUES ('{tenant}', '{tenant}-slug', '{tenant}', 'active', 0, 0)"
            ));
        }
        let all = r#"["budget:read","usage:read","usage:write","users:write","tenants:write","webhooks:write","ledger:write","reconciliation:read","reconciliation:write"]"#;
        service_key(&platform, KEY, "NULL", all);
        service_key(&platform, KEY_OF_OTHER, "'other'", all);
        service_key(&platform, READING_KEY, "NULL", r#"["budget:read"]"#);
        let scene = Self { platform };
        scene.price(
            MODEL,
            PriceFields { input: Some(150_000_000), output: Some(600_000_000), ..PriceFields::default() },
        );
        scene
    }

    /// Gives tenant `demo` a model with these prices, margin 20 %, €0.92 for a dollar.
    pub fn price(&self, model: &str, prices: PriceFields) {
        let target = Target {
            provider: "demo".into(),
            region: "local".into(),
            kind: TargetKind::DemoEcho,
            upstream_model: model.into(),
            prices,
        };
        let snapshot = RoutingSnapshot {
            version: 0,
            model: model.into(),
            owned_by: "demo".into(),
            created: 0,
            targets: vec![target],
            default_max_output: 10,
            max_output: 10,
            margin_basis_points: 2_000,
            eur_per_usd_millionths: 920_000,
            price_version: 1,
        };
        block_on(self.platform.commit(vec![store::routing_snapshots::upsert("demo", &snapshot)])).unwrap();
    }

    pub fn send(&self, key: Option<&str>, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send_text(key, method, path, &body)
    }

    pub fn send_text(&self, key: Option<&str>, method: &str, path: &str, body: &str) -> Answer {
        let (parts, body) = self.raw(key, method, path, body).into_parts();
        let bytes = block_on(body.collect(1 << 20)).unwrap();
        Answer { status: parts.status, body: serde_json::from_slice(&bytes).unwrap() }
    }

    /// The answer as it leaves, its body unread.
    pub fn raw(&self, key: Option<&str>, method: &str, path: &str, body: &str) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let request = request.body(body.to_owned().into()).unwrap();
        let response = block_on(billing::handle(&self.platform, request));
        assert!(response.headers().contains_key("x-request-id"));
        response
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Some(KEY), "POST", path, body)
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Some(KEY), "PATCH", path, body)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send(Some(KEY), "DELETE", path, &Value::Null)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(Some(KEY), "GET", path, &Value::Null)
    }

    /// The user's budget as the API shows it.
    pub fn budget(&self, user: &User) -> Value {
        self.get(&format!("/api/users/{}/budget", user.id)).expect(200)
    }

    pub fn check(&self, user: &User, cost: &str, extra: &Value) -> Answer {
        let mut body = json!({ "user_id": user.id, "estimated_cost": cost });
        for (name, value) in extra.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        self.post("/api/check-budget", &body)
    }

    /// Usage of a stated cost.
    pub fn report(&self, user: &User, id: &str, cost: &str, extra: &Value) -> Answer {
        let mut body = json!({
            "request_id": id, "user_id": user.id, "model": MODEL, "cost": cost, "tokens_input": 1,
            "tokens_output": 1,
        });
        for (name, value) in extra.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        self.post("/api/usage/log", &body)
    }

    /// A whole number that SQL answers as `n`.
    pub fn number(&self, sql: &'static str) -> i64 {
        block_on(self.platform.query(Statement::new(sql))).unwrap()[0].integer("n").unwrap()
    }

    /// What the directory says of the user, as its account learns it.
    pub fn configuration(&self, user: &User) -> domain::account::Configuration {
        let account = AccountId::parse(&user.id).unwrap();
        let now = platform::Clock::now(&self.platform);
        block_on(store::configuration::load(&self.platform, account, now)).unwrap().unwrap()
    }

    pub fn apply(&self, user: &User, command: Command) -> domain::account::Reply {
        block_on(self.platform.apply::<Account>(&user.id, command)).unwrap()
    }

    /// An active user of tenant `demo` with one euro, unless `extra` says otherwise.
    pub fn user(&self, email: &str, extra: &Value) -> User {
        let mut body = serde_json::json!({ "email": email, "tenant_id": "demo", "budget_total": "1" });
        for (name, value) in extra.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let created = self.post("/api/users", &body).expect(201);
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        User { id: text("user_id"), key: text("api_key"), key_id: text("api_key_id") }
    }

    pub fn deliver(&self) {
        block_on(self.platform.deliver_all::<Account>()).unwrap();
        block_on(self.platform.deliver_all::<TenantPool>()).unwrap();
    }

    /// Everything that is due; how many account-hours that was.
    pub fn roll_up(&self) -> usize {
        let mut buckets = 0;
        for _ in 0..100 {
            let now = self.platform.now();
            let slice = block_on(store::usage_rollups::roll_up_slice(&self.platform, now)).unwrap();
            buckets += slice.buckets;
            if !slice.more {
                return buckets;
            }
        }
        panic!("a hundred slices do not end");
    }

    /// Pushes that no account has acknowledged.
    pub fn pending(&self) -> usize {
        block_on(store::pending_pushes::page(&self.platform, None, "", 100)).unwrap().len()
    }
}

pub fn service_key(platform: &MemoryPlatform, key: &str, tenant: &str, scopes: &str) {
    let hash: String = KeyHash::of(key).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    platform.execute_sql(&format!(
        "INSERT INTO service_keys (id, tenant_id, name, hash, scopes, created_at)
         VALUES ('{key}', {tenant}, '', '{hash}', '{scopes}', 0)"
    ));
}

async fn record(platform: MemoryPlatform, batch: Delivered) -> Result<(), PlatformError> {
    if batch.kind == TenantPool::KIND {
        return billing::outbox::of_pool(&platform, &batch.name, batch.events::<TenantPool>()).await;
    }
    billing::outbox::of_account(&platform, &batch.name, batch.events::<Account>()).await
}

pub fn send_on(
    platform: &impl Platform,
    key: Option<&str>,
    method: &str,
    path: &str,
    body: &Value,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = block_on(billing::handle(platform, request.body(body.into()).unwrap()));
    assert!(response.headers().contains_key("x-request-id"));
    let (parts, body) = response.into_parts();
    let bytes = block_on(body.collect(1 << 20)).unwrap();
    Answer { status: parts.status, body: serde_json::from_slice(&bytes).unwrap() }
}
