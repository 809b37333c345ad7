//! A tenant's limits are lowered while its accounts have leased under the old ones.

use super::*;

const PER_MINUTE: RateLimits = RateLimits { requests_per_minute: Some(600), tokens_per_minute: Some(60_000) };

/// Six accounts that have called once and have leased for more.
fn six(budget: Option<i64>, rates: RateLimits) -> Tenant {
    let mut tenant = Tenant::new(6, budget, rates);
    for account in 0..6 {
        let id = tenant.call(account, 100).unwrap();
        tenant.settle(account, id, 60);
    }
    tenant
}

fn admitted(tenant: &mut Tenant, tokens: u64) -> Vec<usize> {
    (0..6).filter(|account| tenant.call(*account, tokens).is_ok()).collect()
}

#[test]
fn p14_once_nobody_is_outstanding_no_call_passes_under_the_old_budget() {
    let mut tenant = six(Some(1_000_000), RateLimits::default());
    tenant.set_limits(Some(0), RateLimits::default());
    let before = tenant.outstanding();
    assert_eq!(before.accounts, 6);
    assert_eq!(before.leased, tenant.balance().leased);
    assert_eq!(admitted(&mut tenant, 10), [0, 1, 2, 3, 4, 5], "they have leased for it");
    tenant.recall(&before);
    assert_eq!(tenant.outstanding(), Outstanding::default());
    assert_eq!(admitted(&mut tenant, 1), [0; 0]);
}

#[test]
fn p14_what_open_calls_leave_after_a_recall_pays_no_other() {
    let mut tenant = Tenant::with_budget(1, 1_000_000);
    let open = [300, 300].map(|tokens| tenant.call(0, tokens).unwrap());
    tenant.set_limits(Some(0), RateLimits::default());
    let outstanding = tenant.outstanding();
    tenant.recall(&outstanding);
    assert_eq!(tenant.outstanding().accounts, 0, "what is held is no call to come");
    for id in open {
        tenant.settle(0, id, 1);
        tenant.call(0, 1).unwrap_err();
    }
    for (account, want) in core::mem::take(&mut tenant.to_pool) {
        tenant.want(account, &want);
    }
    let balance = tenant.balance();
    assert_eq!((balance.used, balance.leased), (nano(2), NanoEur::ZERO), "and the pool has it back");
}

#[test]
fn p14_a_credit_is_spent_by_nobody_while_the_pool_is_over() {
    let mut tenant = Tenant::with_budget(1, 100);
    let spent = tenant.call(0, 100).unwrap();
    tenant.settle(0, spent, 100);
    tenant.call(0, 1).unwrap_err();
    tenant.set_limits(Some(0), RateLimits::default());
    assert_eq!(tenant.outstanding().accounts, 0, "the pool heard that all of it is used");
    let adjust = account::Adjust { operation_id: request_id(99), amount: nano(-60), reason: String::new() };
    tenant.tell(0, account::Command::Adjust(adjust));
    tenant.call(0, 10).unwrap_err();
    tenant.set_limits(Some(50), RateLimits::default());
    tenant.call(0, 10).unwrap();
}

#[test]
fn a_budget_that_still_pays_all_that_is_leased_recalls_nothing() {
    let mut tenant = six(Some(1_000_000), RateLimits::default());
    let balance = tenant.balance();
    let committed = balance.used.saturating_add(balance.leased).get();
    tenant.set_limits(Some(committed), RateLimits::default());
    assert_eq!((tenant.outstanding(), tenant.recalled.len()), (Outstanding::default(), 0));
    tenant.set_limits(Some(committed - 1), RateLimits::default());
    let outstanding = tenant.outstanding();
    assert_eq!((outstanding.accounts, outstanding.leased), (6, nano(1)));
    tenant.recall(&Outstanding { named: vec![outstanding.named[0]], ..outstanding });
    assert_eq!(tenant.outstanding().accounts, 0, "one gives back more than enough");
}

#[test]
fn p14_who_is_granted_something_again_is_outstanding_again() {
    let mut tenant = six(Some(1_000_000), RateLimits::default());
    tenant.set_limits(Some(0), RateLimits::default());
    let outstanding = tenant.outstanding();
    tenant.recall(&outstanding);
    tenant.set_limits(Some(1_000_000), RateLimits::default());
    tenant.call(3, 100).unwrap();
    tenant.set_limits(Some(0), RateLimits::default());
    assert_eq!(tenant.outstanding().named, [id_of(3)]);
}

#[test]
fn p03_an_answer_that_was_given_before_a_limit_fell_and_arrives_after_the_recall_buys_nothing() {
    let mut tenant = Tenant::new(1, Some(1_000_000), PER_MINUTE);
    let mut call = tenant.next_call(100);
    let reply = tenant.tell(0, account::Command::Reserve(Box::new(call.clone())));
    let account::Reply::NeedsGrant(needs) = reply else { panic!("{reply:?}") };
    let on_its_way = tenant.want(0, &needs.want);
    tenant.set_limits(Some(0), RateLimits { requests_per_minute: Some(0), ..PER_MINUTE });
    let outstanding = tenant.outstanding();
    assert_eq!(outstanding.accounts, 1);
    tenant.recall(&outstanding);
    assert_eq!(tenant.outstanding().accounts, 0);
    call.grant = Some(Box::new(on_its_way));
    let reply = tenant.tell(0, account::Command::Reserve(Box::new(call)));
    assert!(matches!(reply, account::Reply::NeedsGrant(_)), "{reply:?}");
}

#[test]
fn p14_p16_permits_of_a_higher_rate_are_outstanding_until_they_are_given_up() {
    for lower in [
        RateLimits { requests_per_minute: Some(0), ..PER_MINUTE },
        RateLimits { tokens_per_minute: Some(0), ..PER_MINUTE },
    ] {
        let mut tenant = six(None, PER_MINUTE);
        tenant.set_limits(None, lower);
        let outstanding = tenant.outstanding();
        assert_eq!(outstanding.accounts, 6, "{lower:?}");
        tenant.call(0, 100).expect("a permit of old");
        tenant.recall(&outstanding);
        assert_eq!(tenant.outstanding().accounts, 0);
        assert_eq!(admitted(&mut tenant, 1), [0; 0], "{lower:?}");
    }
}

#[test]
fn p16_calls_of_before_give_no_permits_back_to_those_of_a_lower_rate() {
    let mut tenant = Tenant::new(1, None, PER_MINUTE);
    let open = tenant.call(0, 20_000).unwrap();
    tenant.set_limits(None, RateLimits { tokens_per_minute: Some(2_000), ..PER_MINUTE });
    let outstanding = tenant.outstanding();
    tenant.recall(&outstanding);
    tenant.call(0, 1).unwrap();
    tenant.settle(0, open, 1);
    tenant.call(0, 10_000).unwrap_err();
}

#[test]
fn p16_a_rate_that_rises_or_goes_leaves_nobody_outstanding() {
    for higher in [
        RateLimits { requests_per_minute: Some(601), ..PER_MINUTE },
        RateLimits { requests_per_minute: None, ..PER_MINUTE },
        RateLimits::default(),
    ] {
        let mut tenant = six(None, PER_MINUTE);
        tenant.set_limits(None, higher);
        assert_eq!((tenant.outstanding().accounts, tenant.recalled.len()), (0, 0), "{higher:?}");
    }
}

#[test]
fn p31_permits_are_outstanding_as_long_as_a_clock_that_is_behind_lets_them_be_used() {
    let mut tenant = six(None, PER_MINUTE);
    tenant.set_limits(None, RateLimits { requests_per_minute: Some(0), ..PER_MINUTE });
    let behind = tenant.now;
    tenant.now = behind.plus(5 * 60 * SECOND);
    assert_eq!(tenant.outstanding().accounts, 6, "one who is five minutes behind has them still");
    tenant.now = behind.plus(11 * 60 * SECOND);
    assert_eq!(tenant.outstanding().accounts, 0, "nobody has");
    tenant.ask_pool(Command::Wake);
    assert!(tenant.pool.part(state::RECALL).is_none());
}

#[test]
fn p16_who_first_asks_under_the_lower_rate_is_never_outstanding() {
    let mut tenant = Tenant::new(2, None, PER_MINUTE);
    tenant.call(0, 1).unwrap();
    tenant.set_limits(None, RateLimits { requests_per_minute: Some(500), ..PER_MINUTE });
    tenant.call(1, 1).unwrap();
    assert_eq!(tenant.outstanding().named, [id_of(0)]);
}

/// How long a 202 lasts, as docs/billing.md says it: run with `--nocapture`.
#[test]
fn a_thousand_leasing_accounts_are_recalled_by_the_pool_within_half_a_minute() {
    let mut tenant = Tenant::with_budget(1_000, 1_000_000_000);
    for account in 0..1_000 {
        tenant.call(account, 100).unwrap();
    }
    tenant.set_limits(Some(0), RateLimits::default());
    let began = tenant.now;
    while tenant.outstanding().accounts > 0 {
        for (recalled, void_to) in core::mem::take(&mut tenant.recalled) {
            let account = (0..1_000).find(|account| id_of(*account) == recalled).unwrap();
            tenant.tell(account, account::Command::GiveBack(void_to));
        }
        for (account, want) in core::mem::take(&mut tenant.to_pool) {
            tenant.want(account, &want);
        }
        tenant.now = tenant.now.plus(SECOND);
        tenant.ask_pool(Command::Wake);
    }
    let seconds = tenant.now.since(began).as_secs();
    println!("a thousand accounts are recalled in {seconds} s");
    assert!((30..=33).contains(&seconds), "{seconds}");
}
