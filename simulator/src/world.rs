//! One world: everything that a seed makes, under one clock.

use crate::actors::calls::Call;
use crate::actors::webhooks::Received;
use crate::checks::books::Books;
use crate::checks::pool_books::PoolBooks;
use crate::dice::Dice;
use crate::hosts::database;
use crate::hosts::executor::{Executor, Group};
use crate::hosts::machines::{Key, Machine};
use crate::mutants::Mutant;
use crate::profile::Profile;
use crate::setting;
use crate::statistics::Statistics;
use crate::trace::Trace;
use core::cell::{Cell, RefCell};
use core::time::Duration;
use domain::account::HOLD_TTL;
use domain::identity::{AccountId, RequestId};
use domain::time::Timestamp;
use futures_util::future::LocalBoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The network, the clients, the weather: what no crash ends.
pub const NATURE: Group = 0;
pub const PROXIES: [Group; 2] = [1, 2];
pub const CRON: Group = 10;
pub const OPERATOR: Group = 11;
/// Machines' hosts are numbered from here.
pub const MACHINES: Group = 100;

/// In some worlds clocks are nearly right.
const SMALL_SKEW_ONE_IN: u64 = 4;
const SMALL_SKEW_TIMES_LESS: u64 = 100;
/// Between two checkpoints of a stream, at most.
const CHECKPOINT_PAUSE: Duration = Duration::from_secs(60);

pub struct World {
    pub profile: &'static Profile,
    pub mutant: &'static Mutant,
    pub executor: Executor,
    pub trace: Trace,
    pub database: database::World,
    pub database_down: Cell<bool>,
    pub dice: AllDice,
    pub accounts: Vec<Customer>,
    pub tenants: Vec<Tenant>,
    /// Machines that cannot be reached for a while.
    pub cut_off: RefCell<BTreeSet<Key>>,
    pub machines: RefCell<BTreeMap<Key, Machine>>,
    pub books: RefCell<BTreeMap<String, Books>>,
    /// By the pools' names.
    pub pools: RefCell<BTreeMap<String, PoolBooks>>,
    pub calls: RefCell<Vec<Rc<Call>>>,
    pub statistics: Statistics,
    pub webhooks: RefCell<Received>,
    /// Faults happen as long as this is false.
    pub healed: Cell<bool>,
    /// Clients, operators and disasters that are not done yet.
    pub at_work: Cell<u64>,
    /// The wall clock at the world's beginning, plus all jumps since.
    wall_start_ms: Cell<i64>,
    /// How far this world's clocks are off at most.
    skew_ms: u64,
    skews: RefCell<BTreeMap<Group, i64>>,
    violation: RefCell<Option<Violation>>,
}

/// A customer of ours with users of its own, and with limits that they share, if it has any.
pub struct Tenant {
    pub id: String,
    /// Its pool's name.
    pub pool: String,
    pub zone: &'static str,
    pub reset_day: i64,
    pub budget_at_first: Option<i64>,
    pub requests_per_minute: Option<i64>,
    pub tokens_per_minute: Option<i64>,
}

/// A user with keys, and an account that they share with nobody but their own clients.
pub struct Customer {
    pub id: AccountId,
    pub name: String,
    pub tenant: usize,
    pub keys: Vec<CustomersKey>,
    pub budget_at_first: i64,
}

pub struct CustomersKey {
    pub text: String,
    pub budget: Option<i64>,
    pub requests_per_minute: Option<i64>,
    pub clamp: bool,
}

/// A promise that this world broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub account: Option<usize>,
    pub claim: String,
    /// A request that the trace should tell of, if it is about one.
    pub request: Option<String>,
}

pub struct AllDice {
    pub network: Dice,
    pub machines: Dice,
    pub database: Dice,
    pub upstream: Dice,
    pub ids: Dice,
    pub clients: Dice,
    pub disasters: Dice,
}

impl AllDice {
    fn new(seed: u64) -> Self {
        let dice = |purpose| Dice::new(seed, purpose);
        Self {
            network: dice("network"),
            machines: dice("machines"),
            database: dice("database"),
            upstream: dice("upstream"),
            ids: dice("ids"),
            clients: dice("clients"),
            disasters: dice("disasters"),
        }
    }
}

pub struct Setting {
    pub seed: u64,
    pub profile: &'static Profile,
    pub mutant: &'static Mutant,
    pub recording: bool,
}

impl World {
    pub fn new(setting: &Setting, database: database::World, begins: setting::Setting) -> Rc<Self> {
        let (seed, dice) = (setting.seed, AllDice::new(setting.seed));
        let setting::Setting { start, tenants, customers: accounts } = begins;
        let skew_ms = setting.profile.faults.skew_ms;
        let is_small = dice.machines.one_in(SMALL_SKEW_ONE_IN);
        let skew_ms = if is_small { skew_ms / SMALL_SKEW_TIMES_LESS } else { skew_ms };
        Rc::new(Self {
            profile: setting.profile,
            mutant: setting.mutant,
            executor: Executor::new(Dice::new(seed, "schedule")),
            trace: Trace::new(setting.recording),
            database,
            database_down: Cell::new(false),
            dice,
            skew_ms,
            books: RefCell::new(accounts.iter().map(|a| (a.name.clone(), Books::default())).collect()),
            pools: RefCell::new(tenants.iter().map(|t| (t.pool.clone(), PoolBooks::default())).collect()),
            accounts,
            tenants,
            cut_off: RefCell::default(),
            machines: RefCell::default(),
            calls: RefCell::default(),
            statistics: Statistics::default(),
            webhooks: RefCell::default(),
            healed: Cell::new(false),
            at_work: Cell::new(0),
            wall_start_ms: Cell::new(start.as_millis()),
            skews: RefCell::default(),
            violation: RefCell::default(),
        })
    }

    /// What the clock on the wall says, where no host has it wrong.
    pub fn wall(&self) -> Timestamp {
        let virtual_ms = i64::try_from(self.executor.now_ms()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.wall_start_ms.get().saturating_add(virtual_ms))
    }

    /// As a host's clock has it.
    pub fn wall_at(&self, host: Group) -> Timestamp {
        let skew = *self.skews.borrow_mut().entry(host).or_insert_with(|| self.new_skew());
        Timestamp::from_millis(self.wall().as_millis() + skew)
    }

    pub fn jump(&self, ahead: Duration) {
        let millis = i64::try_from(ahead.as_millis()).unwrap_or(0);
        self.wall_start_ms.set(self.wall_start_ms.get() + millis);
        for call in self.calls.borrow().iter() {
            call.disturb();
        }
        self.statistics.count("clock jumps");
        self.note(None, "clock jumps", millis.unsigned_abs(), || {
            format!("by {} hours", ahead.as_secs() / 3_600)
        });
    }

    /// A host that starts again may come up elsewhere, with another clock.
    pub fn forget_skew(&self, host: Group) {
        self.skews.borrow_mut().remove(&host);
    }

    fn new_skew(&self) -> i64 {
        let most = self.skew_ms;
        i64::try_from(self.dice.machines.below(2 * most + 1)).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
    }

    /// How far two hosts' clocks are apart at most.
    pub fn skew_between_ms(&self) -> u64 {
        2 * self.skew_ms
    }

    /// A machine that starts again on a host whose clock is further ahead may find a hold's deadline passed between
    /// two checkpoints, which are a minute apart. What the time of a machine is ahead by at most, see `HostClocks`.
    pub fn clocks_may_end_holds(&self) -> bool {
        Duration::from_millis(self.skew_between_ms() * 3 / 2) + CHECKPOINT_PAUSE >= HOLD_TTL
    }

    /// Whether a fault of this frequency strikes now.
    pub fn strikes(&self, dice: &Dice, one_in: u64) -> bool {
        dice.one_in(one_in) && !self.healed.get()
    }

    /// A proxy's host dies, and starts again with nothing.
    pub fn kill_host(&self, host: Group, why: &'static str) {
        self.statistics.host_died(why);
        for call in self.calls.borrow().iter().filter(|call| call.host == host) {
            call.disturb();
        }
        self.note(None, "host dies", u64::from(host), || format!("H{host}: {why}"));
        self.forget_skew(host);
        self.executor.kill(host);
    }

    pub fn accounts_of(&self, tenant: usize) -> impl Iterator<Item = &Customer> {
        self.accounts.iter().filter(move |account| account.tenant == tenant)
    }

    pub fn account_of(&self, name: &str) -> Option<usize> {
        self.accounts.iter().position(|account| account.name == name)
    }

    pub fn note(
        &self,
        account: Option<usize>,
        what: &'static str,
        detail: u64,
        text: impl FnOnce() -> String,
    ) {
        self.trace.note(self.executor.now_ms(), account, what, detail, text);
    }

    /// The first one counts; the world ends with it.
    pub fn violated(&self, account: Option<usize>, claim: String) {
        self.note(account, "VIOLATION", 0, || claim.clone());
        self.violation.borrow_mut().get_or_insert(Violation { account, claim, request: None });
    }

    /// The same, of a single call.
    pub fn violated_for(&self, account: usize, request: RequestId, claim: String) {
        self.note(Some(account), "VIOLATION", 0, || claim.clone());
        let request = Some(request.to_string());
        self.violation.borrow_mut().get_or_insert(Violation { account: Some(account), claim, request });
    }

    pub fn check(&self, account: Option<usize>, result: Result<(), String>) {
        if let Err(claim) = result {
            self.violated(account, claim);
        }
    }

    pub fn violation(&self) -> Option<Violation> {
        self.violation.borrow().clone()
    }

    pub fn is_violated(&self) -> bool {
        self.violation.borrow().is_some()
    }

    /// Runs beside everything else, and is waited for.
    pub fn work(self: &Rc<Self>, host: Group, task: LocalBoxFuture<'static, ()>) {
        self.at_work.set(self.at_work.get() + 1);
        let guard = AtWork(self.clone());
        self.executor.spawn(
            host,
            Box::pin(async move {
                task.await;
                drop(guard);
            }),
        );
    }
}

/// Counts down also if the task is killed.
struct AtWork(Rc<World>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.set(self.0.at_work.get() - 1);
    }
}
