//! A proxy on a memory host: one tenant, one priced model at a scripted provider, one user with a key.

#![allow(dead_code, reason = "each test file uses its part of the scene")]

pub mod provider;

use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use domain::account::{Account, Balance, Command, Configuration, Configure, Event, Key, Reply, UsageRow};
use domain::api_key::{KeyHash, Pepper, issue};
use domain::identity::{AccountId, Home};
use domain::money::NanoEur;
use domain::provider_key;
use domain::routing::{CeilingField, OpenAiVendor, PriceFields, RoutingSnapshot, Target, TargetKind};
use futures_executor::block_on;
use futures_util::{FutureExt, StreamExt};
use http::{HeaderMap, Request, Response, StatusCode};
use platform::{AtomicState, Body, Clock, Database, Secrets};
use platform_memory::MemoryPlatform;
use serde_json::{Value, json};
use store::users::NewUser;

pub const MODEL: &str = "priced";
/// The model's name at the provider.
pub const UPSTREAM_MODEL: &str = "priced-2026";
pub const PROVIDER_KEY: &str = "a fake provider key";
/// Until the provider's status line.
const FIRST_BYTE_TIMEOUT_MS: u64 = 1_000;
/// How far the clock moves when everything waits for it.
const TICK: Duration = Duration::from_millis(100);
/// More than any wait of the proxy takes.
const TICKS_MAX: usize = 1_000;

/// The routes that the proxy keeps in memory are by account, so no two scenes share one.
static ACCOUNTS: AtomicU64 = AtomicU64::new(1);

pub struct Scene {
    pub platform: MemoryPlatform,
    pub account: AccountId,
    pub key: String,
}

/// A response whose body has come to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    pub fn money(&self, name: &str) -> NanoEur {
        NanoEur::parse_euros(self.header(name)).unwrap()
    }

    /// The error object of a refusal with this status and code.
    #[track_caller]
    pub fn expect_error(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let error = self.json()["error"].clone();
        assert_eq!(error["code"], code, "{error}");
        error
    }

    #[track_caller]
    pub fn expect_ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self
    }
}

impl Scene {
    /// An active user with this budget, and [`MODEL`] at prices of a small real model.
    pub fn with_budget(budget: NanoEur) -> Self {
        let platform = MemoryPlatform::new();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&ACCOUNTS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let account = AccountId::new(Home::Eu, id);
        let key = issue_key(&platform, account, 1);
        let scene = Self { platform, account, key };
        scene.insert_user(budget);
        scene.configure(1, budget, vec![scene.key_entry(&scene.key)]);
        scene.price(
            MODEL,
            PriceFields { input: Some(150_000_000), output: Some(600_000_000), ..PriceFields::default() },
        );
        scene
    }

    /// With a euro: enough for thousands of calls.
    pub fn new() -> Self {
        Self::with_budget(NanoEur::euros(1))
    }

    fn insert_user(&self, budget: NanoEur) {
        self.platform.execute_sql(
            "INSERT INTO tenants (id, slug, name, status, created_at, updated_at)
             VALUES ('demo', 'demo', 'demo', 'active', 0, 0)",
        );
        let user = NewUser {
            id: self.account,
            tenant_id: "demo".into(),
            email: "user@demo.test".into(),
            name: String::new(),
            role: "user",
            status: "active",
            product_id: None,
            budget,
            reset_day: 1,
            models: vec!["all".into()],
            requests_per_minute: None,
            tokens_per_minute: None,
            budget_reset_at: self.platform.now(),
        };
        let insert = store::users::insert(&user, self.platform.now());
        block_on(self.platform.commit(vec![insert])).unwrap();
    }

    /// Tells the account who it is.
    pub fn configure(&self, version: u64, budget: NanoEur, keys: Vec<Key>) {
        self.configure_routing(version, budget, keys, 0);
    }

    /// The same; routes older than `routing_version` must not be used any more.
    pub fn configure_routing(&self, version: u64, budget: NanoEur, keys: Vec<Key>, routing_version: u64) {
        let configuration =
            Configuration { version, keys, routing_version, ..Configuration::new("demo", budget) };
        let command = Command::Configure(Box::new(Configure { configuration }));
        block_on(self.platform.apply::<Account>(&self.name(), command)).unwrap();
    }

    /// Gives the tenant a model with these prices, margin 20 %, €0.92 for a dollar.
    pub fn price(&self, model: &str, prices: PriceFields) {
        let master = block_on(self.platform.secret("PROVIDER_KEYS_KEY_1")).unwrap();
        let master = provider_key::master_key(master.expose()).unwrap();
        let target = Target {
            provider: "scripted".into(),
            region: "local".into(),
            kind: TargetKind::OpenAiCompatible {
                vendor: OpenAiVendor::Compatible,
                base_url: "http://provider.test/v1".into(),
                sealed_key: Some(provider_key::seal(&master, "scripted", PROVIDER_KEY, &[7; 24])),
                ceiling_field: CeilingField::MaxTokens,
                first_byte_timeout_ms: FIRST_BYTE_TIMEOUT_MS,
                pins_service_tier: false,
            },
            upstream_model: UPSTREAM_MODEL.into(),
            prices,
        };
        let snapshot = RoutingSnapshot {
            version: 0,
            model: model.into(),
            owned_by: "scripted".into(),
            created: 0,
            targets: vec![target],
            default_max_output: 100,
            max_output: 1_000,
            margin_basis_points: 2_000,
            eur_per_usd_millionths: 920_000,
            price_version: 1,
        };
        block_on(self.platform.commit(vec![store::routing_snapshots::upsert("demo", &snapshot)])).unwrap();
    }

    pub fn name(&self) -> String {
        self.account.to_string()
    }

    /// As the account knows a good key.
    pub fn key_entry(&self, key: &str) -> Key {
        Key::new("key", KeyHash::of(key))
    }

    /// A chat request under the user's key, as it goes in.
    pub fn request(&self, body: &Value) -> Request<bytes::Bytes> {
        chat_request(Some(&self.key), body.to_string())
    }

    /// Until the response's head; the clock moves on while everything waits for it.
    pub fn open(&self, request: Request<bytes::Bytes>) -> Response<Body> {
        let response = self.drive(proxy::handle(&self.platform, request));
        response.map(|body| match body {
            Body::Full(_) => body,
            other => Body::stream(other.into_stream(&self.platform)),
        })
    }

    /// Until the response's end.
    pub fn send(&self, request: Request<bytes::Bytes>) -> Answer {
        let (parts, body) = self.open(request).into_parts();
        let bytes = self.drive(body.collect(1 << 24)).unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub fn chat(&self, body: &Value) -> Answer {
        self.send(self.request(body))
    }

    /// Runs all that was left for after the response.
    pub fn finish_background(&self) {
        self.drive(self.platform.run_background());
    }

    /// Polls to the end and moves the clock whenever that is what is waited for.
    pub fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        for _ in 0..TICKS_MAX {
            if let Some(done) = work.as_mut().now_or_never() {
                return done;
            }
            self.platform.advance(TICK);
        }
        panic!("still waiting after {TICKS_MAX} ticks of {TICK:?}");
    }

    /// The account as it is now. Asks again while injected faults are left.
    pub fn balance(&self) -> Balance {
        let ask = || block_on(self.platform.apply::<Account>(&self.name(), Command::Inspect));
        match (0..100).find_map(|_| ask().ok()) {
            Some(Reply::Balance(balance)) => *balance,
            other => panic!("no balance: {other:?}"),
        }
    }

    /// All usage rows that the account has told.
    pub fn rows(&self) -> Vec<UsageRow> {
        block_on(self.platform.deliver_all::<Account>()).unwrap();
        let events = self.platform.delivered::<Account>(&self.name());
        let row = |event| match event {
            Event::Usage(row) => Some(*row),
            Event::Notice(_) | Event::Pool(..) => None,
        };
        events.into_iter().filter_map(row).collect()
    }

    /// The only usage row; nothing is reserved any more, and the counter is the row's cost.
    #[track_caller]
    pub fn only_row(&self) -> UsageRow {
        let (balance, mut rows) = (self.balance(), self.rows());
        assert_eq!(rows.len(), 1, "{rows:?}");
        let row = rows.remove(0);
        assert_eq!((balance.reserved, balance.open_holds), (NanoEur::ZERO, 0));
        assert_eq!(balance.used, row.cost);
        row
    }

    /// Nothing is reserved, nothing was charged, and no row says otherwise.
    #[track_caller]
    pub fn expect_untouched(&self) {
        let balance = self.balance();
        assert_eq!((balance.used, balance.reserved, balance.open_holds), (NanoEur::ZERO, NanoEur::ZERO, 0));
        assert_eq!(self.rows(), []);
    }
}

/// A key of the account that its pepper vouches for; whether the account knows it is another matter.
pub fn issue_key(platform: &MemoryPlatform, account: AccountId, secret: u8) -> String {
    let pepper = block_on(platform.secret("API_KEY_PEPPER_1")).unwrap();
    issue(account, &[secret; 24], &Pepper { version: 1, secret: pepper.expose().as_bytes() })
}

pub fn chat_request(key: Option<&str>, body: impl Into<bytes::Bytes>) -> Request<bytes::Bytes> {
    let mut request = Request::post("/v1/chat/completions").header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    request.body(body.into()).unwrap()
}

pub fn question(max_tokens: u64) -> Value {
    json!({
        "model": MODEL,
        "messages": [{ "role": "user", "content": "How many words are in this sentence of yours?" }],
        "max_tokens": max_tokens,
    })
}

pub fn streamed_question(max_tokens: u64) -> Value {
    let mut body = question(max_tokens);
    body["stream"] = true.into();
    body
}

/// Takes at most `count` chunks, and fewer if no more come at present.
pub fn pull(body: &mut Body, count: usize) -> Vec<bytes::Bytes> {
    let Body::Stream(stream) = body else { panic!("the answer is not streamed") };
    let next = |_| stream.next().now_or_never().flatten().map(Result::unwrap);
    (0..count).map_while(next).collect()
}
