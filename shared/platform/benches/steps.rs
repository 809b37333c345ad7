//! What a call costs the ledger, by the number of other calls that are open: `cargo bench -p platform`.
#![allow(clippy::disallowed_methods, reason = "measures real time")]

use domain::account::{Account, Command, Configuration, Configure, Key, Reply, Reserve, Served, Settle};
use domain::api_key::KeyHash;
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::price::{NanoUsdPerMillion, Prices, Tariff, Usage};
use domain::time::Timestamp;
use platform::resident::{Resident, Write, decode, encode};
use std::time::{Duration, Instant};

const START: Timestamp = Timestamp::from_millis(1_773_576_000_000);
const CALLS: u64 = 20_000;
/// Short, so that the ids of ended calls are few, as at a usual pace.
const VALIDITY: Duration = Duration::from_millis(1);

fn main() {
    println!("| open calls | reserve + settle, µs | rows written | bytes written |");
    println!("|---|---|---|---|");
    for open in [0, 1, 10, 100, 1_000] {
        let mut ledger = Ledger::new();
        for id in 0..open {
            ledger.call(&reserve(u64::MAX - id, ledger.now));
        }
        ledger.rows = 0;
        ledger.bytes = 0;
        let started = Instant::now();
        for id in 0..CALLS {
            ledger.call(&reserve(id, ledger.now));
            ledger.call(&settle(id));
            ledger.now = ledger.now.plus(VALIDITY * 2);
            // As a host does every two seconds, here far more often than a busy account's would.
            if id % 100 == 99 {
                ledger.deliver();
            }
        }
        let micros = started.elapsed().as_secs_f64() * 1e6 / CALLS as f64;
        let per_call = |total: usize| total as f64 / CALLS as f64;
        println!("| {open} | {micros:.1} | {:.2} | {:.0} |", per_call(ledger.rows), per_call(ledger.bytes));
    }
}

struct Ledger {
    resident: Resident<Account>,
    now: Timestamp,
    rows: usize,
    bytes: usize,
}

impl Ledger {
    fn new() -> Self {
        let resident = Resident::load(None).expect("nothing to read");
        let mut ledger = Self { resident, now: START, rows: 0, bytes: 0 };
        let configuration = Configuration {
            keys: vec![Key::new("key", KeyHash::of("key"))],
            ..Configuration::new("tenant", NanoEur::euros(1_000_000))
        };
        ledger.apply(&Command::Configure(Box::new(Configure { configuration })));
        ledger
    }

    /// With the command's and the reply's way through bytes, as they travel on a real host.
    fn apply(&mut self, command: &Command) -> Reply {
        let command: Command = decode(&encode(command)).expect("its own bytes");
        let stepped = self.resident.step(command, self.now);
        self.count(&stepped.writes);
        decode(&encode(&stepped.reply)).expect("its own bytes")
    }

    fn call(&mut self, command: &Command) {
        let reply = self.apply(command);
        assert!(matches!(reply, Reply::Reserved(_) | Reply::Settled(_)), "{reply:?}");
    }

    fn deliver(&mut self) {
        let writes = self.resident.acknowledge(u64::MAX);
        self.count(&writes);
    }

    fn count(&mut self, writes: &[Write]) {
        self.rows += writes.len();
        self.bytes += writes.iter().map(size).sum::<usize>();
    }
}

fn size(write: &Write) -> usize {
    match write {
        Write::Head(value) | Write::Put { value, .. } | Write::PutEvents { value, .. } => value.len(),
        Write::Delete { .. } | Write::DeleteEventsThrough { .. } => 0,
    }
}

fn request_id(id: u64) -> RequestId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    RequestId(bytes)
}

fn reserve(id: u64, now: Timestamp) -> Command {
    let price = |price| Some(NanoUsdPerMillion(price));
    Command::Reserve(Box::new(Reserve {
        request_id: request_id(id),
        key: Some(KeyHash::of("key")),
        model: "provider/model-of-a-usual-length".into(),
        routing_version: 0,
        worst_case: Usage { input: 100, output: 4_096, ..Usage::default() },
        input_estimate: Usage { input: 40, ..Usage::default() },
        tariff: Tariff {
            prices: Prices { input: price(150_000_000), output: price(600_000_000), ..Prices::default() },
            margin_basis_points: 2_000,
            eur_per_usd_millionths: 920_000,
            price_version: 1,
        },
        valid_until: now.plus(VALIDITY),
        clamp: false,
        choices: 1,
        served: Served {
            provider: "provider".into(),
            region: "region".into(),
            upstream_model: "model-of-a-usual-length".into(),
        },
        tags: Vec::new(),
        grant: None,
        amount: None,
        asked: 0,
        after_ends: None,
    }))
}

fn settle(id: u64) -> Command {
    Command::Settle(Box::new(Settle {
        request_id: request_id(id),
        usage: Usage { input: 90, output: 200, ..Usage::default() },
        estimated: false,
        served: None,
        outcome: "completed".into(),
        latency_ms: 1_234,
        first_token_ms: Some(321),
    }))
}
