//! The benchmark: which subjects, in which order, and what is measured of each.

mod price;
mod report;
mod workerd;

pub use report::Report;

use crate::fixtures::{MODEL, TENANT};
use crate::hosts::{Billed, Host};
use crate::load::{self, Load, Measured, Until};
use crate::upstream::fixed;
use serde_json::json;
use std::time::Duration;
use workerd::cpu_seconds;

/// The name of the worker that only passes on.
pub const PASS_THROUGH: &str = "pass-through";

/// Before anything counts, each subject is driven this long: code is compiled, caches fill.
const WARM_UP: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub struct Plan {
    /// Of one measurement: all rounds together.
    pub duration: Duration,
    /// Each measurement is cut into so many parts, and the subjects take turns.
    pub rounds: u32,
    pub connections: Vec<usize>,
    pub shapes: Vec<Shape>,
    /// How many accounts share the proxy's load; one number after the other.
    pub accounts: Vec<usize>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(6),
            rounds: 3,
            connections: vec![1, 16, 64],
            shapes: SHAPES.to_vec(),
            accounts: vec![1, 64],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Plain,
    /// 50 chunks, back to back or [`fixed::PACE`] apart. A caller who did not ask for usage must not see its chunk.
    Stream {
        asks_for_usage: bool,
        paced: bool,
    },
}

pub const SHAPES: [Shape; 5] = [
    Shape::Plain,
    Shape::Stream { asks_for_usage: false, paced: false },
    Shape::Stream { asks_for_usage: true, paced: false },
    Shape::Stream { asks_for_usage: false, paced: true },
    Shape::Stream { asks_for_usage: true, paced: true },
];

impl Shape {
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Stream { asks_for_usage: false, paced: false } => "stream",
            Self::Stream { asks_for_usage: true, paced: false } => "stream-with-usage",
            Self::Stream { asks_for_usage: false, paced: true } => "paced-stream",
            Self::Stream { asks_for_usage: true, paced: true } => "paced-stream-with-usage",
        }
    }

    pub const fn is_paced(self) -> bool {
        matches!(self, Self::Stream { paced: true, .. })
    }

    pub fn named(name: &str) -> Option<Self> {
        SHAPES.into_iter().find(|shape| shape.name() == name)
    }

    fn body(self) -> String {
        let mut body = json!({
            "model": MODEL, "max_tokens": 100,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant. Answer briefly and to the point."},
                {"role": "user", "content": if self.is_paced() { fixed::PACED } else { fixed::AT_ONCE }},
            ],
        });
        if let Self::Stream { asks_for_usage, .. } = self {
            body["stream"] = true.into();
            if asks_for_usage {
                body["stream_options"] = json!({"include_usage": true});
            }
        }
        body.to_string()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The provider itself.
    Direct,
    PassThrough,
    Proxy,
}

pub const SUBJECTS: [Subject; 3] = [Subject::Direct, Subject::PassThrough, Subject::Proxy];

impl Subject {
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "provider direct",
            Self::PassThrough => "pass-through",
            Self::Proxy => "proxy",
        }
    }
}

/// What one subject did in one shape at one number of connections.
#[derive(Clone, Debug)]
pub struct Row {
    pub subject: Subject,
    pub shape: Shape,
    pub connections: usize,
    /// Behind the proxy.
    pub accounts: usize,
    pub measured: Measured,
    /// Of the whole workerd process.
    pub cpu_seconds: f64,
    pub billed: Billed,
}

/// Where a subject listens and which key each connection sends.
struct Target {
    subject: Subject,
    authority: String,
    keys: Vec<String>,
}

pub async fn run(plan: &Plan) -> Report {
    let upstream = fixed::start();
    let host = Host::start_with_pass_through(&upstream, PASS_THROUGH);
    let mut keys = Vec::new();
    for index in 0..plan.accounts.iter().copied().max().unwrap_or(1) {
        keys.push(account_key(&host, index).await);
    }
    let mut rows = Vec::new();
    for &accounts in &plan.accounts {
        let targets = targets(&upstream, &host, &keys[..accounts]);
        for target in &targets {
            for &shape in plan.shapes.iter().filter(|shape| !shape.is_paced()) {
                load::run(&load_on(target, shape, 16, WARM_UP)).await;
            }
        }
        for &shape in &plan.shapes {
            for &connections in &plan.connections {
                eprintln!("{} at {connections} connections, {accounts} accounts …", shape.name());
                let measured = measure(plan, &host, &targets, shape, connections).await;
                rows.extend(measured.into_iter().map(|row| Row { accounts, ..row }));
            }
        }
    }
    Report { rows }
}

fn targets(upstream: &str, host: &Host, keys: &[String]) -> Vec<Target> {
    let authority = |url: &str| crate::client::Client::new(url).authority().to_owned();
    let nobody = vec!["no-key-is-looked-at".to_owned()];
    vec![
        Target { subject: Subject::Direct, authority: authority(upstream), keys: nobody.clone() },
        Target {
            subject: Subject::PassThrough,
            authority: format!("127.0.0.1:{}", host.port(PASS_THROUGH)),
            keys: nobody,
        },
        Target { subject: Subject::Proxy, authority: authority(&host.facts().url), keys: keys.to_vec() },
    ]
}

/// A user with more budget than any run spends.
async fn account_key(host: &Host, index: usize) -> String {
    let user = json!({
        "email": format!("bench{index}@tests.example"), "name": "Bench", "tenant_id": TENANT,
        "budget_total": "1000000",
    });
    let request = host.client().post("/api/users", &user).header("x-api-key", &host.facts().billing_api_key);
    let created = request.send().await.expect(201).json();
    created["api_key"].as_str().expect("a key").to_owned()
}

fn load_on(target: &Target, shape: Shape, connections: usize, duration: Duration) -> Load {
    let body = shape.body();
    let request = |key: &String| {
        let bearer = format!("Bearer {key}");
        load::post(&target.authority, "/v1/chat/completions", &[("authorization", &bearer)], &body)
    };
    Load {
        authority: target.authority.clone(),
        requests: target.keys.iter().map(request).collect(),
        connections,
        until: Until::Time(duration),
    }
}

async fn measure(plan: &Plan, host: &Host, targets: &[Target], shape: Shape, connections: usize) -> Vec<Row> {
    let mut rows: Vec<Row> =
        targets.iter().map(|target| empty_row(target.subject, shape, connections)).collect();
    for _ in 0..plan.rounds {
        for (target, row) in targets.iter().zip(&mut rows) {
            let (cpu, billed) = (cpu_seconds(host.workerd_pid()), host.billed().await);
            let load = load_on(target, shape, connections, plan.duration / plan.rounds);
            row.measured.add(load::run(&load).await);
            if target.subject == Subject::Proxy {
                until_all_is_delivered(host).await;
            }
            row.cpu_seconds += cpu_seconds(host.workerd_pid()) - cpu;
            row.billed = row.billed.plus(host.billed().await.since(billed));
        }
    }
    rows
}

/// What waits in outboxes leaves seconds later, and is part of what was measured.
async fn until_all_is_delivered(host: &Host) {
    let mut seen = host.billed().await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = host.billed().await;
        if now == seen {
            return;
        }
        seen = now;
    }
}

fn empty_row(subject: Subject, shape: Shape, connections: usize) -> Row {
    let measured = Measured::default();
    Row { subject, shape, connections, accounts: 0, measured, cpu_seconds: 0.0, billed: Billed::default() }
}
