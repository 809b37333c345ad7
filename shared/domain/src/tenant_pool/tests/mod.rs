//! Accounts and their pool, over a network that loses, repeats and reorders.

mod claims;
mod happenings;
mod lowered;

use super::*;
use crate::account::{self, Account, Configuration, Configure, PoolTerms, Refusal, Reserve, Served, Settle};
use crate::civil_time::PeriodRule;
use crate::identity::{Home, RequestId};
use crate::price::{NanoUsdPerMillion, Prices, Tariff, Usage};
use crate::rate_limit::{RateKind, RateLimits};
use crate::time::Timestamp;
use core::time::Duration;
use proptest::prelude::*;

const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

type AccountState = State<account::Head, account::Part>;

/// A tenant: its pool, some accounts, and what travels between them.
struct Tenant {
    pool: PoolState,
    accounts: Vec<AccountState>,
    now: Timestamp,
    /// How far the pool's host's clock is ahead of the accounts'.
    pool_ahead_ms: i64,
    /// Sent and not delivered, or to be delivered again.
    to_pool: Vec<(usize, Want)>,
    to_accounts: Vec<(usize, (Grant, Timestamp))>,
    notices: Vec<Notice>,
    recalled: Vec<(AccountId, u64)>,
    calls: u64,
    pool_steps: u64,
    versions: u64,
}

fn nano(nano: i64) -> NanoEur {
    NanoEur::new(nano).unwrap()
}

fn id_of(account: usize) -> AccountId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(account as u64 + 1).to_be_bytes());
    AccountId::new(Home::Eu, id)
}

/// One nano-euro per token.
fn tariff() -> Tariff {
    Tariff {
        prices: Prices {
            input: Some(NanoUsdPerMillion(1_000_000)),
            output: Some(NanoUsdPerMillion(1_000_000)),
            ..Prices::default()
        },
        margin_basis_points: 0,
        eur_per_usd_millionths: 1_000_000,
        price_version: 1,
    }
}

impl Tenant {
    fn new(accounts: usize, budget: Option<i64>, rates: RateLimits) -> Self {
        let mut tenant = Self {
            pool: State::default(),
            accounts: (0..accounts).map(|_| State::default()).collect(),
            now: START,
            pool_ahead_ms: 0,
            to_pool: Vec::new(),
            to_accounts: Vec::new(),
            notices: Vec::new(),
            recalled: Vec::new(),
            calls: 0,
            pool_steps: 0,
            versions: 0,
        };
        tenant.set_limits(budget, rates);
        for account in 0..accounts {
            let pool = PoolTerms {
                name: "eu-tenant".into(),
                money: budget.is_some(),
                requests: rates.requests_per_minute.is_some(),
                tokens: rates.tokens_per_minute.is_some(),
                period: PeriodRule::DEFAULT,
            };
            let configuration = Configuration {
                routing_version: 1,
                pool: Some(pool),
                ..Configuration::new("tenant", nano(1_000_000_000))
            };
            tenant.tell(account, account::Command::Configure(Box::new(Configure { configuration })));
        }
        tenant
    }

    fn with_budget(accounts: usize, budget: i64) -> Self {
        Self::new(accounts, Some(budget), RateLimits::default())
    }

    fn set_limits(&mut self, budget: Option<i64>, rates: RateLimits) {
        self.versions += 1;
        let configuration = PoolConfiguration {
            version: self.versions,
            tenant_id: "tenant".into(),
            budget: budget.map(nano),
            period: PeriodRule::DEFAULT,
            rates,
        };
        self.ask_pool(Command::Configure(Box::new(configuration)));
    }

    /// One step of an account; what it tells the pool is on its way.
    fn tell(&mut self, account: usize, command: account::Command) -> account::Reply {
        let state = &mut self.accounts[account];
        let outcome = Account::step(state, command, self.now);
        state.take_changed();
        for event in outcome.events {
            if let account::Event::Pool(_, want) = event {
                self.to_pool.push((account, *want));
            }
        }
        outcome.reply
    }

    fn ask_pool(&mut self, command: Command) -> Reply {
        self.pool_steps += 1;
        let now = Timestamp::from_millis(self.now.as_millis() + self.pool_ahead_ms);
        let outcome = TenantPool::step(&mut self.pool, command, now);
        self.pool.take_changed();
        for event in outcome.events {
            match event {
                Event::Notice(notice) => self.notices.push(*notice),
                Event::Recall(account, void_to) => self.recalled.push((account, void_to)),
            }
        }
        outcome.reply
    }

    fn want(&mut self, account: usize, want: &Want) -> Grant {
        match self.ask_pool(Command::Want(id_of(account), Box::new(want.clone()))) {
            Reply::Grant(grant) => *grant,
            other => panic!("{other:?}"),
        }
    }

    fn outstanding(&mut self) -> Outstanding {
        match self.ask_pool(Command::Outstanding(None)) {
            Reply::Outstanding(outstanding) => *outstanding,
            other => panic!("{other:?}"),
        }
    }

    /// Whoever is named gives back, and the pool hears of it.
    fn recall(&mut self, outstanding: &Outstanding) {
        for named in &outstanding.named {
            let account = (0..self.accounts.len()).find(|account| id_of(*account) == *named).unwrap();
            let told = self.tell(account, account::Command::GiveBack(outstanding.void_to));
            let account::Reply::GivesBack(want) = told else { panic!("{told:?}") };
            self.want(account, &want);
        }
    }

    /// Nobody can spend without the pool what the pool says is not outstanding.
    #[track_caller]
    fn check_outstanding(&mut self) {
        let outstanding = self.outstanding();
        let configuration = self.pool.configuration().unwrap().clone();
        let period = self.pool.head.period.clone();
        let over = configuration.budget.is_some_and(|budget| period.committed.amount() > budget);
        if outstanding.accounts > 0 {
            return;
        }
        for (account, state) in self.accounts.iter().enumerate() {
            let share = &state.head.tenant;
            if over && share.confirmed && share.opened_at == period.opened_at {
                // What it was credited beyond all that it used is its own.
                let needed = share.used.saturating_add(share.reserved).at_least_zero();
                assert!(share.granted <= needed, "account {account} has {} free", share.free());
            }
            let (requests, tokens) = share.valid_permits(self.now);
            // Under a limit of nothing no permits are given: whoever has some has them of old.
            let none = |limit| limit == Some(0);
            assert!(requests == 0 || !none(configuration.rates.requests_per_minute), "{account}: {requests}");
            assert!(tokens == 0 || !none(configuration.rates.tokens_per_minute), "{account}: {tokens}");
        }
    }

    fn next_call(&mut self, tokens: u64) -> Reserve {
        self.calls += 1;
        Reserve {
            request_id: request_id(self.calls),
            key: None,
            model: "model".into(),
            routing_version: 1,
            worst_case: Usage { input: tokens, ..Usage::default() },
            input_estimate: Usage { input: tokens, ..Usage::default() },
            tariff: tariff(),
            valid_until: self.now.plus(10 * SECOND),
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

    /// As a proxy does it: reserves, asks the pool, has others give back, and reserves again.
    fn call(&mut self, account: usize, tokens: u64) -> Result<RequestId, Refusal> {
        let reserve = self.next_call(tokens);
        self.reserve(account, reserve)
    }

    fn reserve(&mut self, account: usize, mut reserve: Reserve) -> Result<RequestId, Refusal> {
        let id = reserve.request_id;
        for _ in 0..6 {
            match self.tell(account, account::Command::Reserve(Box::new(reserve.clone()))) {
                account::Reply::Reserved(_) => return Ok(id),
                account::Reply::Refused(refusal) => return Err(refusal),
                account::Reply::NeedsGrant(needs) => {
                    let mut grant = self.want(account, &needs.want);
                    let candidates = grant.short.clone().map(|short| short.candidates).unwrap_or_default();
                    let asked_others = !candidates.is_empty();
                    for candidate in candidates {
                        let other =
                            (0..self.accounts.len()).find(|other| id_of(*other) == candidate).unwrap();
                        if let account::Reply::GivesBack(want) =
                            self.tell(other, account::Command::GiveBack(0))
                        {
                            self.want(other, &want);
                        }
                    }
                    if asked_others {
                        grant = self.want(account, &needs.want);
                    }
                    reserve.grant = Some(Box::new(grant));
                    reserve.asked += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("no end of asking")
    }

    fn settle(&mut self, account: usize, request_id: RequestId, tokens: u64) {
        let settle = Settle {
            request_id,
            usage: Usage { input: tokens, ..Usage::default() },
            estimated: false,
            served: None,
            outcome: "completed".into(),
            latency_ms: 1,
            first_token_ms: None,
        };
        self.tell(account, account::Command::Settle(Box::new(settle)));
    }

    fn balance(&mut self) -> PoolBalance {
        match self.ask_pool(Command::Inspect) {
            Reply::Balance(balance) => *balance,
            other => panic!("{other:?}"),
        }
    }

    /// The pool's figure is never below the account's; its sum is that of its leases; and the accounts together
    /// stay within the budget, unless something that is no call went beyond.
    #[track_caller]
    fn check(&self, budget: i64, reported: i64) {
        let period = self.pool.head.period.clone();
        let figures: Total = self.pool.leases().map(Lease::figure).sum();
        assert_eq!(figures, period.committed);
        let mut spent = NanoEur::ZERO;
        for (account, state) in self.accounts.iter().enumerate() {
            let share = &state.head.tenant;
            if share.opened_at != period.opened_at || !share.confirmed {
                continue;
            }
            let lease = self.pool.leases().find(|lease| lease.account == id_of(account));
            let granted = lease.map_or(NanoEur::ZERO, |lease| lease.granted);
            assert!(granted >= share.granted, "account {account}: {granted} < {}", share.granted);
            spent = spent.saturating_add(share.used).saturating_add(share.reserved);
        }
        assert!(spent.get() <= budget + reported, "{spent} of {budget}");
    }
}

fn request_id(call: u64) -> RequestId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&call.to_be_bytes());
    RequestId(id)
}

fn budget_refusal(refusal: Refusal) -> account::BudgetRefusal {
    match refusal {
        Refusal::Budget(refusal) => *refusal,
        other => panic!("another refusal: {other:?}"),
    }
}
