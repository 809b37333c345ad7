//! Claims about how an account lies in rows.

mod events;
mod releases;
mod reload;
mod rows;
mod sparse;

use super::*;
use core::time::Duration;
use domain::account::*;
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::price::{NanoUsdPerMillion, Prices, Tariff, Usage};
use domain::rate_limit::RateLimits;

const START: Timestamp = Timestamp::from_millis(1_773_576_000_000);

/// What a host has stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Disk {
    head: Option<Vec<u8>>,
    parts: BTreeMap<PartKey, Vec<u8>>,
    events: BTreeMap<u64, Vec<u8>>,
}

impl Disk {
    fn load(&self) -> Resident<Account> {
        let mut resident = Resident::load(self.head.as_deref()).unwrap();
        for (key, value) in self.parts.iter().filter(|(key, _)| Account::resident(**key)) {
            resident.supply(*key, value).unwrap();
        }
        resident
    }

    fn apply(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Head(value) => self.head = Some(value),
                Write::Put { key, value, .. } => drop(self.parts.insert(key, value)),
                Write::Delete { key } => drop(self.parts.remove(&key)),
                Write::PutEvents { through, value } => drop(self.events.insert(through, value)),
                Write::DeleteEventsThrough { sequence } => self.events.retain(|at, _| *at > sequence),
            }
        }
    }
}

/// One account and its rows.
struct Host {
    disk: Disk,
    resident: Resident<Account>,
    now: Timestamp,
}

impl Host {
    fn empty() -> Self {
        Self { disk: Disk::default(), resident: Disk::default().load(), now: START }
    }

    fn configured() -> Self {
        let mut host = Self::empty();
        host.apply(configure(1, 1_000_000));
        host
    }

    /// The reply, and what the step wrote.
    fn step(&mut self, command: Command) -> (Reply, Vec<Write>) {
        for key in self.resident.missing(&command) {
            if let Some(value) = self.disk.parts.get(&key) {
                self.resident.supply(key, value).unwrap();
            }
        }
        let Stepped { reply, writes } = self.resident.step(command, self.now);
        self.disk.apply(writes.clone());
        (reply, writes)
    }

    fn apply(&mut self, command: Command) -> Reply {
        self.step(command).0
    }

    fn writes(&mut self, command: Command) -> Vec<Write> {
        self.step(command).1
    }

    fn crash(&mut self) {
        self.resident = self.disk.load();
    }

    fn later(&mut self, duration: Duration) -> &mut Self {
        self.now = self.now.plus(duration);
        self
    }

    /// All events that wait, oldest first, each with whether it lies in a row of its own.
    fn waiting(&self) -> Vec<(u64, bool)> {
        let events = |row: &Vec<u8>| decode::<Vec<StoredEvent>>(row).unwrap();
        let rows = self.disk.events.values().flat_map(events).map(|event| (event.sequence, true));
        let inline = self.resident.inline_events.iter().map(|event| (event.sequence, false));
        rows.chain(inline).filter(|(sequence, _)| *sequence > self.resident.acknowledged).collect()
    }
}

fn configure(version: u64, budget: i64) -> Command {
    Command::Configure(Box::new(Configure {
        configuration: Configuration {
            version,
            rates: RateLimits { tokens_per_minute: Some(1_000_000), ..RateLimits::default() },
            routing_version: 1,
            ..Configuration::new("tenant", NanoEur::new(budget).unwrap())
        },
    }))
}

fn request_id(id: u64) -> RequestId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    RequestId(bytes)
}

fn tokens(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

/// An input token costs 1 nano-euro, an output token 2.
fn reserve(now: Timestamp, id: u64) -> Command {
    let prices = Prices {
        input: Some(NanoUsdPerMillion(1_000_000)),
        output: Some(NanoUsdPerMillion(2_000_000)),
        ..Prices::default()
    };
    Command::Reserve(Box::new(Reserve {
        request_id: request_id(id),
        key: None,
        model: "provider/model-of-a-usual-length".into(),
        routing_version: 1,
        worst_case: tokens(100, 100),
        input_estimate: tokens(100, 0),
        tariff: Tariff {
            prices,
            margin_basis_points: 0,
            eur_per_usd_millionths: 1_000_000,
            price_version: 1,
        },
        valid_until: now.plus(RESERVE_VALIDITY),
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
        usage: tokens(90, 20),
        estimated: false,
        served: None,
        outcome: "200".into(),
        latency_ms: 1_234,
        first_token_ms: Some(321),
    }))
}

fn checkpoint(id: u64) -> Command {
    Command::Checkpoint(Checkpoint { request_id: request_id(id), usage: tokens(100, 10) })
}

fn release(now: Timestamp, id: u64) -> Command {
    Command::Release(Release { request_id: request_id(id), valid_until: now.plus(RESERVE_VALIDITY) })
}

fn top_up(id: u64) -> Command {
    Command::TopUp(TopUp { operation_id: request_id(id), amount: NanoEur::new(500).unwrap() })
}

fn adjust(id: u64) -> Command {
    let amount = NanoEur::new(5).unwrap();
    Command::Adjust(Adjust { operation_id: request_id(id), amount, reason: "by hand".into() })
}
