//! Accounts and their pool, over a network that loses, repeats and reorders.

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
    /// Sent and not delivered, or to be delivered again.
    to_pool: Vec<(usize, Want)>,
    to_accounts: Vec<(usize, Grant)>,
    notices: Vec<Notice>,
    recalled: Vec<AccountId>,
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
        let outcome = TenantPool::step(&mut self.pool, command, self.now);
        self.pool.take_changed();
        for event in outcome.events {
            match event {
                Event::Notice(notice) => self.notices.push(*notice),
                Event::Recall(account) => self.recalled.push(account),
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
        }
    }

    /// As a proxy does it: reserves, asks the pool, has others give back, and reserves again.
    fn call(&mut self, account: usize, tokens: u64) -> Result<RequestId, Refusal> {
        let mut reserve = self.next_call(tokens);
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
                        if let account::Reply::GivesBack(want) = self.tell(other, account::Command::GiveBack)
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
        let figures: NanoEur = self.pool.leases().map(Lease::figure).sum();
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

#[test]
fn p01_p15_a_tenants_budget_admits_exactly_what_it_pays() {
    let mut tenant = Tenant::with_budget(20, 1_000);
    let mut admitted = 0;
    for call in 0..200 {
        match tenant.call(call % 20, 100) {
            Ok(_) => admitted += 1,
            Err(refusal) => {
                let refusal = budget_refusal(refusal);
                assert_eq!(refusal.figures.source, LimitSource::Tenant);
                assert_eq!(refusal.figures.limit, nano(1_000));
            }
        }
        tenant.check(1_000, 0);
    }
    assert_eq!(admitted, 10);
}

#[test]
fn what_one_account_does_not_need_another_gets() {
    let mut tenant = Tenant::with_budget(2, 1_000);
    let first = tenant.call(0, 900).unwrap();
    tenant.settle(0, first, 10);
    // 890 lie idle at the first account; the second gets them at its first call.
    let second = tenant.call(1, 950).unwrap();
    tenant.settle(1, second, 950);
    assert_eq!(tenant.balance().used, nano(10), "the second has not told yet");
    let refusal = budget_refusal(tenant.call(0, 41).unwrap_err());
    assert_eq!((refusal.figures.used, refusal.affordable_output), (nano(960), None));
    tenant.call(0, 40).unwrap();
}

#[test]
fn p06_an_account_that_its_pool_never_answered_admits_nothing() {
    let mut tenant = Tenant::with_budget(1, 1_000);
    let call = tenant.next_call(1);
    let reply = tenant.tell(0, account::Command::Reserve(Box::new(call)));
    assert!(matches!(reply, account::Reply::NeedsGrant(_)));
    assert_eq!(tenant.accounts[0].head.open_holds, 0);
}

#[test]
fn a_pool_that_nobody_configured_grants_nothing() {
    let mut pool = PoolState::default();
    let want = Command::Want(id_of(0), Box::new(Want { least: nano(1), target: nano(1), ..Want::default() }));
    assert_eq!(TenantPool::step(&mut pool, want, START).reply, Reply::NotConfigured);
    assert!(!pool.has_changes());
}

#[test]
fn p14_accounts_that_have_not_heard_that_the_budget_is_gone_go_on() {
    let mut tenant = Tenant::with_budget(2, 100);
    tenant.call(0, 100).unwrap();
    budget_refusal(tenant.call(1, 100).unwrap_err());
    tenant.set_limits(None, RateLimits::default());
    for account in [0, 1, 0, 1] {
        tenant.call(account, 100).unwrap();
        tenant.check(i64::MAX, 0);
    }
    // What was granted meanwhile counts against a budget that is set again.
    tenant.set_limits(Some(600), RateLimits::default());
    tenant.call(0, 100).unwrap();
    budget_refusal(tenant.call(1, 100).unwrap_err());
    tenant.check(600, 0);
}

#[test]
fn p14_a_lowered_budget_recalls_what_is_not_needed() {
    let mut tenant = Tenant::with_budget(50, 1_000_000);
    for account in 0..50 {
        let id = tenant.call(account, 100).unwrap();
        tenant.settle(account, id, 100);
    }
    assert!(tenant.balance().leased > nano(5_000));
    tenant.set_limits(Some(5_100), RateLimits::default());
    for _ in 0..3 {
        for account in core::mem::take(&mut tenant.recalled) {
            let account = (0..50).find(|other| id_of(*other) == account).unwrap();
            tenant.tell(account, account::Command::GiveBack);
        }
        for (account, want) in core::mem::take(&mut tenant.to_pool) {
            tenant.want(account, &want);
        }
        tenant.now = tenant.now.plus(SECOND);
        tenant.ask_pool(Command::Wake);
    }
    let balance = tenant.balance();
    assert_eq!((balance.used, balance.leased, balance.over), (nano(5_000), nano(0), nano(0)));
    tenant.call(7, 100).unwrap();
    budget_refusal(tenant.call(8, 100).unwrap_err());
}

#[test]
fn p13_a_new_period_begins_with_the_whole_budget_and_old_holds_end_in_the_old_one() {
    let mut tenant = Tenant::with_budget(2, 1_000);
    let old = tenant.call(0, 600).unwrap();
    tenant.now = tenant.pool.head.period.ends_at;
    let new = tenant.call(1, 1_000).unwrap();
    tenant.settle(0, old, 600);
    budget_refusal(tenant.call(0, 1).unwrap_err());
    tenant.settle(1, new, 900);
    // Who has just been asked for what it does not need is left alone for a second.
    budget_refusal(tenant.call(0, 100).unwrap_err());
    tenant.now = tenant.now.plus(SECOND);
    tenant.call(0, 100).unwrap();
    tenant.check(1_000, 0);
}

#[test]
fn an_account_whose_clock_is_ahead_of_the_pools_stays_in_the_pools_period() {
    let mut tenant = Tenant::with_budget(1, 1_000);
    tenant.call(0, 600).unwrap();
    let ends_at = tenant.pool.head.period.ends_at;
    let call = tenant.next_call(500);
    let mut reserve = Reserve { valid_until: ends_at.plus(10 * SECOND), ..call };
    tenant.now = ends_at;
    let account::Reply::NeedsGrant(needs) =
        tenant.tell(0, account::Command::Reserve(Box::new(reserve.clone())))
    else {
        panic!("the period may be over")
    };
    tenant.now = ends_at.minus(SECOND);
    let grant = tenant.want(0, &needs.want);
    tenant.now = ends_at;
    reserve.grant = Some(Box::new(grant));
    let account::Reply::NeedsGrant(needs) =
        tenant.tell(0, account::Command::Reserve(Box::new(reserve.clone())))
    else {
        panic!("the present period's lease does not cover it")
    };
    tenant.now = ends_at.minus(SECOND);
    let grant = tenant.want(0, &needs.want);
    reserve.grant = Some(Box::new(grant));
    tenant.now = ends_at;
    let account::Reply::Refused(refusal) = tenant.tell(0, account::Command::Reserve(Box::new(reserve)))
    else {
        panic!("it does not fit")
    };
    assert_eq!(budget_refusal(refusal).figures.source, LimitSource::Tenant);
}

#[test]
fn p01_an_account_whose_clock_is_ahead_does_not_give_back_what_it_needs() {
    let mut tenant = Tenant::with_budget(2, 1_000);
    let spent = tenant.call(0, 300).unwrap();
    tenant.settle(0, spent, 300);
    tenant.call(0, 300).unwrap();
    let ends_at = tenant.pool.head.period.ends_at;
    tenant.now = ends_at;
    tenant.tell(0, account::Command::GiveBack);
    tenant.now = ends_at.minus(SECOND);
    for (account, want) in core::mem::take(&mut tenant.to_pool) {
        tenant.want(account, &want);
    }
    assert_eq!(tenant.pool.head.period.committed, nano(600));
    budget_refusal(tenant.call(1, 401).unwrap_err());
    tenant.check(1_000, 0);
}

#[test]
fn p15_what_a_period_that_is_over_needed_refuses_nothing_in_the_next() {
    let mut tenant = Tenant::with_budget(1, 1_000);
    tenant.call(0, 900).unwrap();
    let ends_at = tenant.pool.head.period.ends_at;
    tenant.now = ends_at.minus(SECOND);
    let mut reserve = tenant.next_call(500);
    let account::Reply::NeedsGrant(needs) =
        tenant.tell(0, account::Command::Reserve(Box::new(reserve.clone())))
    else {
        panic!("100 of 1,000 are left")
    };
    // The pool's clock is ahead: it counts 1,400 as wanted of a period in which nothing was spent.
    tenant.now = ends_at;
    let grant = tenant.want(0, &needs.want);
    assert!(grant.short.is_some());
    reserve.grant = Some(Box::new(grant));
    tenant.now = ends_at.minus(SECOND);
    let account::Reply::NeedsGrant(needs) = tenant.tell(0, account::Command::Reserve(Box::new(reserve)))
    else {
        panic!("the new period has room for it")
    };
    assert_eq!((needs.want.period_opened_at, needs.want.target), (ends_at, nano(500)));
}

#[test]
fn p16_a_call_that_is_clamped_for_money_needs_its_permit_all_the_same() {
    let rates = RateLimits { requests_per_minute: Some(10), tokens_per_minute: None };
    let mut tenant = Tenant::new(1, Some(1_000), rates);
    let mut clamped = Reserve { clamp: true, ..tenant.next_call(10) };
    clamped.worst_case.output = 5_000;
    let grant = Grant {
        permits: None,
        ..tenant.want(0, &Want { partial: true, least: nano(5_010), ..Want::default() })
    };
    assert!(grant.short.is_some());
    clamped.grant = Some(Box::new(grant));
    let reply = tenant.tell(0, account::Command::Reserve(Box::new(clamped)));
    assert!(matches!(&reply, account::Reply::NeedsGrant(needs) if needs.want.requests == 1), "{reply:?}");
}

#[test]
fn credits_are_nothing_that_is_asked_back() {
    let mut tenant = Tenant::with_budget(2, 1_000);
    let spent = tenant.call(0, 1_000).unwrap();
    tenant.settle(0, spent, 1_000);
    let account::Reply::GivesBack(told) = tenant.tell(0, account::Command::GiveBack) else {
        panic!("a pool")
    };
    tenant.want(0, &told);
    let credit =
        Want { used: nano(-50), period_opened_at: tenant.pool.head.period.opened_at, ..Want::default() };
    tenant.want(1, &Want { epoch: 1, ..credit });
    tenant.set_limits(Some(500), RateLimits::default());
    assert!(tenant.pool.part(state::RECALL).is_none(), "nobody has anything to give back");
}

#[test]
fn p15_p16_a_tenants_rates_are_shared_and_refused_by_name() {
    let rates = RateLimits { requests_per_minute: Some(10), tokens_per_minute: Some(500) };
    let mut tenant = Tenant::new(4, None, rates);
    let mut admitted = 0;
    for call in 0..40 {
        match tenant.call(call % 4, 1) {
            Ok(_) => admitted += 1,
            Err(Refusal::Rate(refusal)) => {
                assert_eq!(
                    (refusal.source, refusal.kind, refusal.limit),
                    (LimitSource::Tenant, RateKind::Requests, 10)
                );
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(admitted, 10);
    let mut tenant = Tenant::new(2, None, rates);
    tenant.call(0, 400).unwrap();
    let Err(Refusal::Rate(refusal)) = tenant.call(1, 200) else { panic!("600 of 500 tokens") };
    assert_eq!(refusal.kind, RateKind::Tokens);
    // The first account was given a few more than it needed.
    assert!((12_000..12_400).contains(&refusal.retry_after_ms), "{}", refusal.retry_after_ms);
}

#[test]
fn p27_a_tenants_notices_are_raised_once_per_period() {
    let mut tenant = Tenant::with_budget(3, 1_000);
    for call in 0..100 {
        if let Ok(id) = tenant.call(call % 3, 10) {
            tenant.settle(call % 3, id, 10);
        }
        tenant.now = tenant.now.plus(SECOND);
    }
    tenant.call(0, 10).unwrap_err();
    let percents: Vec<u8> = tenant.notices.iter().map(|notice| notice.percent).collect();
    assert_eq!(percents, [50, 80, 95, 100]);
    assert!(tenant.notices.iter().all(|notice| notice.source == LimitSource::Tenant));
}

/// The figure that docs/decisions quotes: run with `--nocapture`.
#[test]
fn ten_thousand_active_users_rarely_meet_at_their_pool() {
    let users = 10_000;
    let mut tenant = Tenant::with_budget(users, 1_000_000_000_000);
    let before = tenant.pool_steps;
    let mut requests = 0;
    for round in 0..32 {
        for user in 0..users {
            let id = tenant.call(user, 1_000 + (user as u64 * 7 + round) % 500).unwrap();
            tenant.settle(user, id, 200);
            requests += 1;
        }
    }
    let per_thousand = (tenant.pool_steps - before) * 1_000 / requests;
    println!("{per_thousand} pool calls per 1,000 requests");
    assert!(per_thousand <= 40, "{per_thousand}");
}

/// Calls that wait together: each round all of them reserve, then all ask the pool.
fn rounds_until_answered(tenant: &mut Tenant, account: usize, calls: usize, tokens: u64) -> (usize, usize) {
    let mut waiting: Vec<Reserve> = (0..calls).map(|_| tenant.next_call(tokens)).collect();
    let mut admitted = 0;
    for round in 0..10 {
        let mut asking = Vec::new();
        for call in core::mem::take(&mut waiting) {
            match tenant.tell(account, account::Command::Reserve(Box::new(call.clone()))) {
                account::Reply::Reserved(_) => admitted += 1,
                account::Reply::NeedsGrant(needs) => asking.push((call, needs.want)),
                account::Reply::Refused(_) => {}
                other => panic!("{other:?}"),
            }
        }
        if asking.is_empty() {
            return (admitted, round);
        }
        for (call, want) in asking {
            let grant = Some(Box::new(tenant.want(account, &want)));
            waiting.push(Reserve { grant, asked: call.asked + 1, ..call });
        }
        // Answers come in any order.
        waiting.reverse();
    }
    panic!("still waiting after ten rounds");
}

#[test]
fn p01_a_thousand_calls_that_wait_together_are_all_answered_within_ten_rounds() {
    for affordable in [10, 700, 1_000] {
        let mut tenant = Tenant::with_budget(1, affordable * 100);
        let (admitted, rounds) = rounds_until_answered(&mut tenant, 0, 1_000, 100);
        assert_eq!(admitted, usize::try_from(affordable).unwrap(), "{rounds} rounds");
    }
}

#[test]
fn p16_permits_that_arrive_out_of_order_count_once_each() {
    let rates = RateLimits { requests_per_minute: Some(20), tokens_per_minute: None };
    let mut tenant = Tenant::new(1, None, rates);
    let (admitted, _) = rounds_until_answered(&mut tenant, 0, 100, 1);
    assert_eq!(admitted, 20);
}

#[derive(Clone, Debug)]
enum Happening {
    /// Asks for a call; the pool's answer may be lost on the way.
    Call {
        account: usize,
        tokens: u64,
        lost: bool,
    },
    Settle {
        account: usize,
        back: usize,
        tokens: u64,
    },
    GiveBack {
        account: usize,
    },
    Report {
        account: usize,
        tokens: u64,
    },
    /// Some message arrives, first or again.
    ToPool {
        which: usize,
        again: bool,
    },
    ToAccount {
        which: usize,
        again: bool,
    },
    Budget(i64),
    Pass(Duration),
    Wake,
}

fn happening() -> impl Strategy<Value = Happening> {
    let account = 0usize..3;
    let passing = prop::sample::select(vec![SECOND, 60 * SECOND, 3_600 * SECOND, DAY, 20 * DAY]);
    prop_oneof![
        8 => (account.clone(), 0u64..300, any::<bool>()).prop_map(|(account, tokens, lost)| Happening::Call { account, tokens, lost }),
        5 => (account.clone(), 0usize..4, 0u64..300).prop_map(|(account, back, tokens)| Happening::Settle { account, back, tokens }),
        2 => account.clone().prop_map(|account| Happening::GiveBack { account }),
        1 => (account, 0u64..200).prop_map(|(account, tokens)| Happening::Report { account, tokens }),
        4 => (0usize..20, any::<bool>()).prop_map(|(which, again)| Happening::ToPool { which, again }),
        3 => (0usize..20, any::<bool>()).prop_map(|(which, again)| Happening::ToAccount { which, again }),
        1 => (0i64..3_000).prop_map(Happening::Budget),
        2 => passing.prop_map(Happening::Pass),
        1 => Just(Happening::Wake),
    ]
}

/// Plays what happens, and keeps what must hold.
struct Play {
    tenant: Tenant,
    open: Vec<Vec<(RequestId, Timestamp)>>,
    /// The highest budget of the present period: what was granted under it stays granted.
    budget: i64,
    present: i64,
    /// What was reported, and when.
    reported: Vec<(Timestamp, i64)>,
    period: Timestamp,
}

impl Play {
    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Call { account, tokens, lost } => self.call(account, tokens, lost),
            Happening::Settle { account, back, tokens } => {
                let open = &mut self.open[account];
                if let Some(at) = open.len().checked_sub(1 + back) {
                    let (id, _) = open.remove(at);
                    self.tenant.settle(account, id, tokens);
                }
            }
            Happening::GiveBack { account } => {
                self.tenant.tell(account, account::Command::GiveBack);
            }
            Happening::Report { account, tokens } => self.report(account, tokens),
            Happening::ToPool { which, again } => {
                if let Some((account, want)) = pick(&mut self.tenant.to_pool, which, again) {
                    let grant = self.tenant.want(account, &want);
                    self.tenant.to_accounts.push((account, grant));
                }
            }
            Happening::ToAccount { which, again } => {
                if let Some((account, grant)) = pick(&mut self.tenant.to_accounts, which, again) {
                    let call = self.tenant.next_call(1);
                    let reserve = Reserve { grant: Some(Box::new(grant)), ..call };
                    let id = reserve.request_id;
                    if let account::Reply::Reserved(_) =
                        self.tenant.tell(account, account::Command::Reserve(Box::new(reserve)))
                    {
                        self.open[account].push((id, self.tenant.now));
                    }
                }
            }
            Happening::Budget(budget) => {
                self.tenant.set_limits(Some(budget), RateLimits::default());
                self.present = budget;
                self.budget = self.budget.max(budget);
            }
            Happening::Pass(duration) => self.tenant.now = self.tenant.now.plus(duration),
            Happening::Wake => {
                self.tenant.ask_pool(Command::Wake);
            }
        }
        if self.tenant.pool.head.period.opened_at != self.period {
            self.period = self.tenant.pool.head.period.opened_at;
            self.budget = self.present;
        }
        let reported = self.reported.iter().filter(|(at, _)| *at >= self.period).map(|(_, cost)| cost).sum();
        self.tenant.check(self.budget, reported);
    }

    fn call(&mut self, account: usize, tokens: u64, lost: bool) {
        let mut reserve = self.tenant.next_call(tokens);
        let id = reserve.request_id;
        for _ in 0..3 {
            match self.tenant.tell(account, account::Command::Reserve(Box::new(reserve.clone()))) {
                account::Reply::Reserved(_) => return self.open[account].push((id, self.tenant.now)),
                account::Reply::NeedsGrant(needs) => {
                    self.tenant.to_pool.push((account, needs.want.clone()));
                    let grant = self.tenant.want(account, &needs.want);
                    self.tenant.to_accounts.push((account, grant.clone()));
                    if lost {
                        return;
                    }
                    reserve.grant = Some(Box::new(grant));
                }
                _ => return,
            }
        }
    }

    fn report(&mut self, account: usize, tokens: u64) {
        self.reported.push((self.tenant.now, i64::try_from(tokens).unwrap()));
        self.tenant.calls += 1;
        let report = account::Report {
            operation_id: request_id(self.tenant.calls),
            model: "model".into(),
            usage: Usage { input: tokens, ..Usage::default() },
            cost: None,
            tariff: tariff(),
            served: Served::default(),
            tags: Vec::new(),
            foreign_id: String::new(),
            hold: None,
        };
        self.tenant.tell(account, account::Command::Report(Box::new(report)));
    }
}

fn pick<T: Clone>(messages: &mut Vec<T>, which: usize, again: bool) -> Option<T> {
    if messages.is_empty() {
        return None;
    }
    let at = which % messages.len();
    Some(if again { messages[at].clone() } else { messages.remove(at) })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn p01_p03_the_pools_figure_is_never_below_its_accounts(happenings in prop::collection::vec(happening(), 1..60)) {
        let tenant = Tenant::with_budget(3, 1_000);
        let period = tenant.pool.head.period.opened_at;
        let mut play = Play { tenant, open: vec![Vec::new(); 3], budget: 1_000, present: 1_000, reported: Vec::new(), period };
        for happening in happenings {
            play.happen(happening);
        }
    }
}

fn any_want() -> impl Strategy<Value = Want> {
    // Up to a million euros: sums of more than nine are beyond the type of money, which then says its largest.
    let money = || {
        prop_oneof![-1_000i64..1_000, Just(1_000_000_000_000_000), -1_000_000_000_000_000i64..0]
            .prop_map(NanoEur::saturating)
    };
    let figures = (money(), money(), money(), money());
    let rest = (any::<i64>(), any::<u64>(), any::<[bool; 2]>(), any::<u64>(), any::<u64>());
    (figures, rest).prop_map(
        |((base, target, spare, used), (period, epoch, [partial, gives_back], requests, tokens))| Want {
            period_opened_at: Timestamp::from_millis(period),
            epoch,
            base,
            target,
            spare,
            used,
            partial,
            gives_back,
            requests,
            tokens,
            least: target.min(base),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_that_is_wanted_makes_a_pool_panic_or_grant_more_than_there_is(
        wants in prop::collection::vec((0usize..3, any_want(), i64::MIN..200_000_000_000_000), 1..30),
        budget in prop::option::of(-5i64..2_000), limit in prop::option::of(any::<u64>()),
    ) {
        let rates = RateLimits { requests_per_minute: limit, tokens_per_minute: limit };
        let mut tenant = Tenant::new(0, budget, rates);
        for (account, want, now) in wants {
            tenant.now = Timestamp::from_millis(now);
            let before = tenant.pool.head.period.clone();
            let grant = tenant.want(account, &want);
            let period = &tenant.pool.head.period;
            prop_assert_eq!(tenant.pool.leases().map(Lease::figure).sum::<NanoEur>(), period.committed);
            // Only what accounts say they have used already goes beyond the budget.
            if let Some(budget) = budget.filter(|_| before.opened_at == period.opened_at) {
                let raised = period.committed > before.committed && want.used <= NanoEur::ZERO;
                prop_assert!(!raised || period.committed <= nano(budget), "{:?}", grant);
            }
        }
    }
}
