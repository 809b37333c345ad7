//! The benchmark: which subjects, in which order, and what is measured of each.

mod report;
mod workerd;

pub use report::Report;

use crate::fixtures::{MODEL, TENANT};
use crate::hosts::Host;
use crate::load::{self, Load, Measured};
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
    /// Accounts that share the proxy's load.
    pub accounts: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(6),
            rounds: 3,
            connections: vec![1, 16, 64],
            shapes: vec![Shape::Plain, Shape::Stream],
            accounts: 1,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Plain,
    /// 50 chunks.
    Stream,
}

impl Shape {
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Stream => "stream",
        }
    }

    fn body(self) -> String {
        let mut body = json!({
            "model": MODEL, "max_tokens": 100,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant. Answer briefly and to the point."},
                {"role": "user", "content": "What is the capital of France, and since when?"},
            ],
        });
        if self == Self::Stream {
            body["stream"] = true.into();
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
    pub measured: Measured,
    /// Of the whole workerd process.
    pub cpu_seconds: f64,
    /// By the ledger.
    pub rows_written: u64,
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
    let targets = targets(plan, &upstream, &host).await;
    for target in &targets {
        for &shape in &plan.shapes {
            load::run(&load_on(target, shape, 16, WARM_UP)).await;
        }
    }
    let mut rows = Vec::new();
    for &shape in &plan.shapes {
        for &connections in &plan.connections {
            eprintln!("{} at {connections} connections …", shape.name());
            rows.extend(measure(plan, &host, &targets, shape, connections).await);
        }
    }
    Report { rows, accounts: plan.accounts }
}

async fn targets(plan: &Plan, upstream: &str, host: &Host) -> Vec<Target> {
    let authority = |url: &str| crate::client::Client::new(url).authority().to_owned();
    let mut keys = Vec::new();
    for index in 0..plan.accounts {
        keys.push(account_key(host, index).await);
    }
    let nobody = vec!["no-key-is-looked-at".to_owned()];
    vec![
        Target { subject: Subject::Direct, authority: authority(upstream), keys: nobody.clone() },
        Target {
            subject: Subject::PassThrough,
            authority: format!("127.0.0.1:{}", host.port(PASS_THROUGH)),
            keys: nobody,
        },
        Target { subject: Subject::Proxy, authority: authority(&host.facts().url), keys },
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
        duration,
    }
}

async fn measure(plan: &Plan, host: &Host, targets: &[Target], shape: Shape, connections: usize) -> Vec<Row> {
    let mut rows: Vec<Row> =
        targets.iter().map(|target| empty_row(target.subject, shape, connections)).collect();
    for _ in 0..plan.rounds {
        for (target, row) in targets.iter().zip(&mut rows) {
            let (cpu, written) = (cpu_seconds(host.workerd_pid()), host.ledger_rows_written().await);
            let load = load_on(target, shape, connections, plan.duration / plan.rounds);
            row.measured.add(load::run(&load).await);
            row.cpu_seconds += cpu_seconds(host.workerd_pid()) - cpu;
            row.rows_written += host.ledger_rows_written().await - written;
        }
    }
    rows
}

fn empty_row(subject: Subject, shape: Shape, connections: usize) -> Row {
    Row { subject, shape, connections, measured: Measured::default(), cpu_seconds: 0.0, rows_written: 0 }
}
