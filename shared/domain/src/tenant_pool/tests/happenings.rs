//! Whatever happens in whatever order, the figures stay right.

use super::*;

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
    Credit {
        account: usize,
        amount: i64,
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
    Rates(u64),
    /// Somebody whom the pool asks to give back is reached.
    Recalled,
    /// Somebody whom the pool names as outstanding gives back, and the answer may be lost.
    CallIn {
        lost: bool,
    },
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
        1 => (account.clone(), 0u64..200).prop_map(|(account, tokens)| Happening::Report { account, tokens }),
        1 => (account, 1i64..200).prop_map(|(account, amount)| Happening::Credit { account, amount }),
        4 => (0usize..20, any::<bool>()).prop_map(|(which, again)| Happening::ToPool { which, again }),
        3 => (0usize..20, any::<bool>()).prop_map(|(which, again)| Happening::ToAccount { which, again }),
        1 => prop_oneof![Just(0i64), 0i64..3_000].prop_map(Happening::Budget),
        1 => prop::sample::select(vec![0u64, 3, 600]).prop_map(Happening::Rates),
        2 => Just(Happening::Recalled),
        2 => any::<bool>().prop_map(|lost| Happening::CallIn { lost }),
        2 => passing.prop_map(Happening::Pass),
        1 => Just(Happening::Wake),
    ]
}

/// So many requests a minute, and a hundred times as many tokens.
const fn rates(limit: u64) -> RateLimits {
    RateLimits { requests_per_minute: Some(limit), tokens_per_minute: Some(limit * 100) }
}

/// Plays what happens, and keeps what must hold.
struct Play {
    tenant: Tenant,
    open: Vec<Vec<(RequestId, Timestamp)>>,
    /// The highest budget of the present period: what was granted under it stays granted.
    budget: i64,
    present: i64,
    rates: RateLimits,
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
                self.tenant.tell(account, account::Command::GiveBack(0));
            }
            Happening::Report { account, tokens } => self.report(account, tokens),
            Happening::Credit { account, amount } => {
                self.tenant.calls += 1;
                let (operation_id, amount) = (request_id(self.tenant.calls), nano(-amount));
                let adjust = account::Adjust { operation_id, amount, reason: String::new() };
                self.tenant.tell(account, account::Command::Adjust(adjust));
            }
            Happening::ToPool { which, again } => {
                if let Some((account, want)) = pick(&mut self.tenant.to_pool, which, again) {
                    let grant = self.tenant.want(account, &want);
                    self.tenant.to_accounts.push((account, (grant, self.tenant.now)));
                }
            }
            Happening::ToAccount { which, again } => {
                if let Some((account, (grant, asked_at))) = pick(&mut self.tenant.to_accounts, which, again) {
                    let call = self.tenant.next_call(1);
                    // It travels in a command that is good for so long.
                    let valid_until = asked_at.plus(10 * SECOND);
                    let reserve = Reserve { grant: Some(Box::new(grant)), valid_until, ..call };
                    let id = reserve.request_id;
                    if let account::Reply::Reserved(_) =
                        self.tenant.tell(account, account::Command::Reserve(Box::new(reserve)))
                    {
                        self.open[account].push((id, self.tenant.now));
                    }
                }
            }
            Happening::Budget(budget) => {
                self.tenant.set_limits(Some(budget), self.rates);
                self.present = budget;
                self.budget = self.budget.max(budget);
            }
            Happening::Rates(limit) => {
                self.rates = rates(limit);
                self.tenant.set_limits(Some(self.present), self.rates);
            }
            Happening::Recalled => {
                if let Some((recalled, void_to)) = self.tenant.recalled.pop() {
                    let account = (0..3).find(|account| id_of(*account) == recalled).unwrap();
                    self.tenant.tell(account, account::Command::GiveBack(void_to));
                }
            }
            Happening::CallIn { lost } => {
                let outstanding = self.tenant.outstanding();
                if let Some(account) = (0..3).find(|account| outstanding.named.contains(&id_of(*account))) {
                    let told = self.tenant.tell(account, account::Command::GiveBack(outstanding.void_to));
                    let account::Reply::GivesBack(want) = told else { panic!("{told:?}") };
                    if !lost {
                        self.tenant.want(account, &want);
                    }
                }
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
        self.tenant.check_outstanding();
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
                    self.tenant.to_accounts.push((account, (grant.clone(), self.tenant.now)));
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
    fn p01_p03_p14_the_pools_figure_is_never_below_its_accounts_and_nothing_is_spent_that_is_not_outstanding(happenings in prop::collection::vec(happening(), 1..60)) {
        let tenant = Tenant::new(3, Some(1_000), rates(600));
        let period = tenant.pool.head.period.opened_at;
        let mut play = Play { tenant, open: vec![Vec::new(); 3], budget: 1_000, present: 1_000, rates: rates(600), reported: Vec::new(), period };
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
            void_to: requests,
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
            prop_assert_eq!(tenant.pool.leases().map(Lease::figure).sum::<Total>(), period.committed);
            // Only what accounts say they have used already goes beyond the budget.
            if let Some(budget) = budget.filter(|_| before.opened_at == period.opened_at) {
                let raised = period.committed > before.committed && want.used <= NanoEur::ZERO;
                prop_assert!(!raised || period.committed.amount() <= nano(budget), "{:?}", grant);
            }
        }
    }
}
