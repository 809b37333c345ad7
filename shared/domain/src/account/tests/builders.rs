//! An account at hand, and commands with what a test does not care about filled in.
//!
//! Prices make sums easy: an input token costs 1 nano-euro, an output token 2.

use super::super::state::{hold_key, operation_key};
use super::super::*;
use crate::api_key::KeyHash;
use crate::identity::RequestId;
use crate::price::{NanoUsdPerMillion, Prices, Tariff, Usage};

/// 2026-03-15T12:00:00Z; the period ends at 2026-03-31T22:00:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_773_576_000_000);
pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(86_400);

pub struct Ledger {
    pub state: State<Head, Part>,
    pub now: Timestamp,
    pub rows: Vec<UsageRow>,
    pub notices: Vec<crate::notice::Notice>,
    pub wants: Vec<crate::lease::Want>,
}

impl Ledger {
    pub fn unconfigured() -> Self {
        Self { state: State::default(), now: START, rows: Vec::new(), notices: Vec::new(), wants: Vec::new() }
    }

    /// With this budget in nano-euros, and nothing else limited.
    pub fn with_budget(nano: i64) -> Self {
        Self::configured(configuration(nano))
    }

    pub fn configured(configuration: Configuration) -> Self {
        let mut ledger = Self::unconfigured();
        ledger.configure(configuration);
        ledger
    }

    pub fn configure(&mut self, configuration: Configuration) -> Reply {
        self.apply(Command::Configure(Box::new(Configure { configuration })))
    }

    pub fn apply(&mut self, command: impl Into<Command>) -> Reply {
        let outcome = Account::step(&mut self.state, command.into(), self.now);
        self.state.take_changed();
        for event in outcome.events {
            match event {
                Event::Usage(row) => self.rows.push(*row),
                Event::Notice(notice) => self.notices.push(*notice),
                Event::Pool(_, want) => self.wants.push(*want),
            }
        }
        outcome.reply
    }

    pub fn later(&mut self, duration: Duration) -> &mut Self {
        self.now = self.now.plus(duration);
        self
    }

    pub fn balance(&mut self) -> Balance {
        match self.apply(Command::Inspect) {
            Reply::Balance(balance) => *balance,
            other => panic!("{other:?}"),
        }
    }

    /// Used, reserved and remaining, in nano-euros.
    pub fn money(&mut self) -> (i64, i64, i64) {
        let balance = self.balance();
        (balance.used.get(), balance.reserved.get(), balance.remaining.get())
    }

    pub fn hold(&self, id: u64) -> Option<&Part> {
        self.state.part(hold_key(request_id(id)))
    }

    pub fn operation(&self, id: u64) -> Option<&Part> {
        self.state.part(operation_key(request_id(id)))
    }

    pub fn row(&self) -> &UsageRow {
        self.rows.last().expect("a row was written")
    }
}

pub fn configuration(budget: i64) -> Configuration {
    Configuration { routing_version: 1, ..Configuration::new("tenant", nano(budget)) }
}

pub fn nano(nano: i64) -> NanoEur {
    NanoEur::new(nano).unwrap()
}

pub fn request_id(id: u64) -> RequestId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    RequestId(bytes)
}

pub fn tariff() -> Tariff {
    Tariff {
        prices: Prices {
            input: Some(NanoUsdPerMillion(1_000_000)),
            output: Some(NanoUsdPerMillion(2_000_000)),
            ..Prices::default()
        },
        margin_basis_points: 0,
        eur_per_usd_millionths: 1_000_000,
        price_version: 7,
    }
}

pub fn tokens(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

pub fn key_hash(name: &str) -> KeyHash {
    KeyHash::of(name)
}

/// A call that uses `input + 2 × output` nano-euros at worst.
pub fn reserve(id: u64, input: u64, output: u64) -> Reserve {
    Reserve {
        request_id: request_id(id),
        key: None,
        model: "model".into(),
        routing_version: 1,
        worst_case: tokens(input, output),
        input_estimate: tokens(input, 0),
        tariff: tariff(),
        valid_until: START.plus(RESERVE_VALIDITY),
        clamp: false,
        choices: 1,
        served: Served::default(),
        tags: Vec::new(),
        grant: None,
        amount: None,
        asked: 0,
        after_ends: None,
    }
}

/// As [`reserve`], issued at `now`.
pub fn reserve_at(now: Timestamp, id: u64, input: u64, output: u64) -> Reserve {
    Reserve { valid_until: now.plus(RESERVE_VALIDITY), ..reserve(id, input, output) }
}

pub fn settle(id: u64, input: u64, output: u64) -> Settle {
    Settle {
        request_id: request_id(id),
        usage: tokens(input, output),
        estimated: false,
        served: None,
        outcome: "200".into(),
        latency_ms: 1,
        first_token_ms: None,
    }
}

pub fn checkpoint(id: u64, input: u64, output: u64) -> Checkpoint {
    Checkpoint { request_id: request_id(id), usage: tokens(input, output) }
}

pub fn release(id: u64) -> Release {
    Release { request_id: request_id(id), valid_until: START.plus(RESERVE_VALIDITY) }
}

pub fn top_up(id: u64, amount: i64) -> TopUp {
    TopUp { operation_id: request_id(id), amount: nano(amount) }
}

pub fn refund(id: u64, amount: i64) -> Refund {
    Refund { operation_id: request_id(id), amount: nano(amount) }
}

pub fn reset(id: u64) -> Reset {
    Reset { operation_id: request_id(id) }
}

pub fn adjust(id: u64, amount: i64) -> Adjust {
    Adjust { operation_id: request_id(id), amount: nano(amount), reason: "by hand".into() }
}

pub fn report(id: u64, input: u64, output: u64) -> Report {
    Report {
        operation_id: request_id(id),
        model: "model".into(),
        usage: tokens(input, output),
        cost: None,
        tariff: tariff(),
        served: Served::default(),
        tags: Vec::new(),
        foreign_id: id.to_string(),
        hold: None,
    }
}

pub fn refusal(reply: Reply) -> Refusal {
    match reply {
        Reply::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// What the account says of its own time.
#[track_caller]
pub fn too_late(reply: Reply) -> Moment {
    match refusal(reply) {
        Refusal::TooLate(moment) => moment,
        other => panic!("another refusal: {other:?}"),
    }
}

pub fn reserved(reply: Reply) -> Reserved {
    match reply {
        Reply::Reserved(reserved) => reserved,
        other => panic!("not reserved: {other:?}"),
    }
}

pub fn budget_refusal(reply: Reply) -> BudgetRefusal {
    match refusal(reply) {
        Refusal::Budget(refusal) => *refusal,
        other => panic!("another refusal: {other:?}"),
    }
}

/// What the command was charged, whether now or before.
pub fn charged(reply: &Reply) -> i64 {
    match reply {
        Reply::Settled(settled) | Reply::Repeated(settled) => settled.charged.get(),
        other => panic!("nothing settled: {other:?}"),
    }
}

impl From<Reserve> for Command {
    fn from(command: Reserve) -> Self {
        Self::Reserve(Box::new(command))
    }
}

impl From<Settle> for Command {
    fn from(command: Settle) -> Self {
        Self::Settle(Box::new(command))
    }
}

impl From<Checkpoint> for Command {
    fn from(command: Checkpoint) -> Self {
        Self::Checkpoint(command)
    }
}

impl From<Release> for Command {
    fn from(command: Release) -> Self {
        Self::Release(command)
    }
}

impl From<TopUp> for Command {
    fn from(command: TopUp) -> Self {
        Self::TopUp(command)
    }
}

impl From<Adjust> for Command {
    fn from(command: Adjust) -> Self {
        Self::Adjust(command)
    }
}

impl From<Refund> for Command {
    fn from(command: Refund) -> Self {
        Self::Refund(command)
    }
}

impl From<Reset> for Command {
    fn from(command: Reset) -> Self {
        Self::Reset(command)
    }
}

impl From<Report> for Command {
    fn from(command: Report) -> Self {
        Self::Report(Box::new(command))
    }
}
