//! What a pool promises, one by one.

use super::*;

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
fn an_account_that_has_just_given_back_changes_nothing_when_it_is_asked_again() {
    let mut tenant = Tenant::with_budget(2, 1_000);
    tenant.call(0, 900).unwrap();
    let account::Reply::GivesBack(first) = tenant.tell(0, account::Command::GiveBack(0)) else {
        panic!("a pool")
    };
    tenant.want(0, &first);
    let (head, told) = (tenant.accounts[0].head.clone(), tenant.to_pool.len());
    let account::Reply::GivesBack(again) = tenant.tell(0, account::Command::GiveBack(0)) else {
        panic!("a pool")
    };
    assert_eq!((again, &tenant.accounts[0].head, tenant.to_pool.len()), (first, &head, told));
}

#[test]
fn p03_money_that_was_granted_and_never_arrived_is_given_back() {
    let mut tenant = Tenant::with_budget(2, 1_000);
    let call = tenant.next_call(900);
    let account::Reply::NeedsGrant(needs) = tenant.tell(0, account::Command::Reserve(Box::new(call))) else {
        panic!("nothing is leased yet")
    };
    // The answer is lost with whoever asked.
    tenant.want(0, &needs.want);
    tenant.call(1, 950).unwrap();
    tenant.check(1_000, 0);
}

#[test]
fn p25_refusals_of_a_short_pool_look_through_all_leases_once_a_second() {
    let mut tenant = Tenant::with_budget(40, 5_000);
    for account in 0..40 {
        tenant.call(account, 100).unwrap();
    }
    let mut looked = 0;
    for call in 0..120 {
        let call_wants = Want { least: nano(5_001), target: nano(5_001), ..Want::default() };
        let grant = tenant.want(100 + call, &call_wants);
        looked += u64::from(grant.short.expect("all is held").looked);
        tenant.now = tenant.now.plus(SECOND / 50);
    }
    assert_eq!(looked, 2);
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
        for (account, void_to) in core::mem::take(&mut tenant.recalled) {
            let account = (0..50).find(|other| id_of(*other) == account).unwrap();
            tenant.tell(account, account::Command::GiveBack(void_to));
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
fn p15_an_account_that_was_asked_before_its_grant_arrived_is_asked_again() {
    let mut tenant = Tenant::with_budget(2, 1_000);
    tenant.call(0, 100).unwrap();
    let account::Reply::GivesBack(told) = tenant.tell(0, account::Command::GiveBack(0)) else {
        panic!("it gives back")
    };
    tenant.want(0, &told);
    let mut reserve = tenant.next_call(100);
    let ask = account::Command::Reserve(Box::new(reserve.clone()));
    let account::Reply::NeedsGrant(needs) = tenant.tell(0, ask) else {
        panic!("it has no more than it needs")
    };
    let grant = tenant.want(0, &needs.want);
    assert!(grant.granted > nano(200));
    // Meanwhile another is short of the spare, and who has it does not know yet.
    budget_refusal(tenant.call(1, 800).unwrap_err());
    reserve.grant = Some(Box::new(grant));
    let admitted = tenant.tell(0, account::Command::Reserve(Box::new(reserve)));
    assert!(matches!(admitted, account::Reply::Reserved(_)));
    tenant.call(1, 800).unwrap();
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
    tenant.tell(0, account::Command::GiveBack(0));
    tenant.now = ends_at.minus(SECOND);
    for (account, want) in core::mem::take(&mut tenant.to_pool) {
        tenant.want(account, &want);
    }
    assert_eq!(tenant.pool.head.period.committed.amount(), nano(600));
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
    let account::Reply::GivesBack(told) = tenant.tell(0, account::Command::GiveBack(0)) else {
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
    let wait = refusal.retry_after_ms.expect("it fits later");
    assert!((12_000..12_400).contains(&wait), "{wait}");
}

#[test]
fn what_is_larger_than_a_tenants_whole_limit_is_refused_for_good_and_with_a_clamp_gets_what_fits() {
    let rates = RateLimits { requests_per_minute: None, tokens_per_minute: Some(500) };
    let mut tenant = Tenant::new(1, Some(100_000), rates);
    let large = |tenant: &mut Tenant, clamp| {
        let call = tenant.next_call(0);
        let worst_case = Usage { input: 100, output: 4_000, ..Usage::default() };
        Reserve { worst_case, clamp, choices: 2, ..call }
    };
    let reserve = large(&mut tenant, false);
    let Err(Refusal::Rate(refusal)) = tenant.reserve(0, reserve) else { panic!("4,100 of 500 tokens") };
    assert_eq!((refusal.source, refusal.kind, refusal.limit), (LimitSource::Tenant, RateKind::Tokens, 500));
    assert_eq!((refusal.needed, refusal.retry_after_ms), (4_100, None));
    assert_eq!(refusal.affordable_output, Some(400));
    let reserve = large(&mut tenant, true);
    let id = reserve.request_id;
    assert_eq!(tenant.reserve(0, reserve), Ok(id));
    assert_eq!(tenant.accounts[0].head.tenant.reserved, nano(500));
    // The whole limit is taken: what fits it has to wait, and is told how long.
    let Err(Refusal::Rate(refusal)) = tenant.call(0, 250) else { panic!("750 of 500 tokens") };
    assert_eq!(refusal.retry_after_ms, Some(30_000));
}

#[test]
fn p31_a_pool_whose_clock_is_minutes_off_gives_permits_and_money_all_the_same() {
    for minutes in [-10, -2, 2, 10] {
        let rates = RateLimits { requests_per_minute: Some(60), tokens_per_minute: Some(60_000) };
        let mut tenant = Tenant::new(2, Some(100_000), rates);
        for call in 0..200 {
            // Its host changes in the middle, and is right from then on.
            tenant.pool_ahead_ms = if call < 100 { minutes * 60_000 } else { 0 };
            tenant.now = tenant.now.plus(4 * SECOND);
            let id = tenant.call(call % 2, 100).unwrap_or_else(|refusal| panic!("{minutes}: {refusal:?}"));
            tenant.settle(call % 2, id, 1);
            tenant.check(100_000, 0);
        }
    }
}

#[test]
fn p31_a_tenants_month_that_one_host_begins_minutes_early_is_one_month_with_one_budget() {
    let mut tenant = Tenant::with_budget(1, 1_000);
    let ends_at = tenant.balance().resets_at;
    tenant.now = ends_at.minus(60 * SECOND);
    tenant.call(0, 1_000).unwrap();
    tenant.pool_ahead_ms = 120_000;
    tenant.call(0, 1_000).unwrap();
    for (ahead, later) in [(0, 0), (120_000, 0), (0, 60), (0, 120), (120_000, 600), (0, 86_400)] {
        tenant.pool_ahead_ms = ahead;
        tenant.now = ends_at.minus(60 * SECOND).plus(SECOND * later);
        assert!(matches!(tenant.call(0, 1), Err(Refusal::Budget(_))), "{ahead} {later}");
    }
}

#[test]
fn a_pool_whose_clock_was_years_ahead_counts_by_the_right_one_after_ten_minutes() {
    let mut tenant = Tenant::with_budget(1, 1_000);
    let resets_at = tenant.balance().resets_at;
    tenant.pool_ahead_ms = 1_000 * 86_400_000;
    tenant.call(0, 100).unwrap();
    tenant.pool_ahead_ms = 0;
    for _ in 0..11 {
        tenant.now = tenant.now.plus(60 * SECOND);
        tenant.call(0, 50).unwrap();
    }
    assert!(tenant.call(0, 400).is_err());
    assert_eq!(tenant.balance().resets_at, resets_at);
    tenant.now = resets_at;
    tenant.call(0, 1_000).unwrap();
    assert!(tenant.call(0, 1).is_err());
}

#[test]
fn a_tenants_limit_of_nothing_is_refused_for_good() {
    let limits = [(Some(0), None, RateKind::Requests), (None, Some(0), RateKind::Tokens)];
    for (requests_per_minute, tokens_per_minute, kind) in limits {
        let mut tenant = Tenant::new(1, None, RateLimits { requests_per_minute, tokens_per_minute });
        let Err(Refusal::Rate(refusal)) = tenant.call(0, 1) else { panic!("one of none") };
        assert_eq!((refusal.source, refusal.kind), (LimitSource::Tenant, kind));
        assert_eq!((refusal.limit, refusal.retry_after_ms, refusal.affordable_output), (0, None, None));
    }
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

#[test]
fn p27_a_tenants_lowered_budget_is_told_of_once() {
    let mut tenant = Tenant::with_budget(1, 1_000);
    for _ in 0..9 {
        let id = tenant.call(0, 50).unwrap();
        tenant.settle(0, id, 50);
        tenant.now = tenant.now.plus(SECOND);
    }
    let before = tenant.notices.len();
    for budget in [10, 100_000, 10] {
        tenant.set_limits(Some(budget), RateLimits::default());
    }
    let percents: Vec<u8> = tenant.notices.iter().map(|notice| notice.percent).collect();
    assert_eq!((before, percents), (0, vec![50, 80, 95, 100]));
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
