//! Nothing that can be decoded makes a step panic, or breaks what must hold after every step.

use super::builders::*;
use crate::account::*;
use crate::civil_time::PeriodRule;
use crate::lease::{Grant, Permits, Short};
use crate::price::{NanoUsdPerMillion, Prices, Tariff, Usage};
use crate::rate_limit::RateLimits;
use proptest::prelude::*;

/// Amounts, counts and instants at and around the ends of what their types hold.
fn money() -> impl Strategy<Value = NanoEur> {
    prop_oneof![
        -1_000i64..1_000,
        Just(crate::money::MAX_NANO_EUR),
        Just(-crate::money::MAX_NANO_EUR),
        any::<i64>()
    ]
    .prop_map(NanoEur::saturating)
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..500, Just(u64::MAX), Just(1 << 40), any::<u64>()]
}

fn instant() -> impl Strategy<Value = Timestamp> {
    let near = (-100_000i64..100_000).prop_map(|millis| START.as_millis() + millis);
    prop_oneof![4 => near, 1 => Just(0), 1 => Just(i64::MAX), 1 => Just(i64::MIN), 1 => any::<i64>()]
        .prop_map(Timestamp::from_millis)
}

fn usage() -> impl Strategy<Value = Usage> {
    (count(), count(), count()).prop_map(|(input, output, reasoning)| Usage {
        input,
        output,
        reasoning,
        ..Usage::default()
    })
}

fn tariffs() -> impl Strategy<Value = Tariff> {
    (prop::option::of(count()), prop::option::of(count()), any::<u32>(), any::<u32>()).prop_map(
        |(input, output, margin_basis_points, eur_per_usd_millionths)| Tariff {
            prices: Prices {
                input: input.map(NanoUsdPerMillion),
                output: output.map(NanoUsdPerMillion),
                ..Prices::default()
            },
            margin_basis_points,
            eur_per_usd_millionths,
            price_version: 1,
        },
    )
}

fn limits() -> impl Strategy<Value = RateLimits> {
    (prop::option::of(count()), prop::option::of(count())).prop_map(
        |(requests_per_minute, tokens_per_minute)| RateLimits { requests_per_minute, tokens_per_minute },
    )
}

fn period() -> impl Strategy<Value = PeriodRule> {
    prop_oneof![
        Just(PeriodRule::DEFAULT),
        (any::<u8>())
            .prop_map(|anchor_day| PeriodRule::Monthly { zone: crate::civil_time::Zone::BERLIN, anchor_day }),
        (any::<u16>(), -10i64..10)
            .prop_map(|(days, from)| PeriodRule::EveryDays { days, from: Timestamp::from_millis(from) }),
    ]
}

fn configure() -> impl Strategy<Value = Command> {
    (any::<u64>(), money(), period(), limits(), prop::option::of(any::<u32>()), any::<[bool; 4]>()).prop_map(
        |(version, budget, period, rates, concurrency, [pool, tokens, clamp, closed])| {
            let pool = pool.then(|| PoolTerms {
                name: "eu-tenant".into(),
                money: true,
                requests: tokens,
                tokens,
                period: PeriodRule::DEFAULT,
            });
            let configuration = Configuration {
                version,
                period,
                rates,
                concurrency,
                clamp,
                pool,
                closed,
                keys: vec![Key { budget: Some(budget), rates, ..Key::new("k", key_hash("k")) }],
                ..Configuration::new("tenant", budget)
            };
            Command::Configure(Box::new(Configure { configuration }))
        },
    )
}

fn grant() -> impl Strategy<Value = Grant> {
    (instant(), instant(), 0u64..4, money(), prop::option::of(money()), any::<[u64; 3]>()).prop_map(
        |(period_opened_at, period_ends_at, epoch, granted, short, [sequence, requests, tokens])| Grant {
            period_opened_at,
            period_ends_at,
            epoch,
            granted,
            short: short.map(|available| Short { available, ..Short::default() }),
            permits: Some(Permits { sequence, until: period_ends_at, requests, tokens }),
            rate: None,
            limits: RateLimits {
                requests_per_minute: None,
                tokens_per_minute: (tokens % 2 == 0).then_some(tokens),
            },
        },
    )
}

fn reserving() -> impl Strategy<Value = Command> {
    let call = (0u64..6, usage(), usage(), tariffs(), any::<u32>());
    let rest = (instant(), any::<[bool; 3]>(), prop::option::of(money()), prop::option::of(grant()));
    (call, rest).prop_map(
        |(
            (id, worst_case, input_estimate, tariff, choices),
            (valid_until, [clamp, key, sane], amount, grant),
        )| {
            let valid_until = if sane { START.plus(RESERVE_VALIDITY) } else { valid_until };
            Reserve {
                worst_case,
                input_estimate,
                tariff,
                valid_until,
                clamp,
                choices,
                key: key.then(|| key_hash("k")),
                grant: grant.map(Box::new),
                amount,
                ..reserve(id, 1, 1)
            }
            .into()
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    let id = 0u64..6;
    prop_oneof![
        4 => reserving(),
        2 => configure(),
        2 => (id.clone(), usage()).prop_map(|(id, usage)| Settle { usage, ..settle(id, 0, 0) }.into()),
        2 => (id.clone(), usage()).prop_map(|(id, usage)| Checkpoint { usage, ..checkpoint(id, 0, 0) }.into()),
        1 => (id.clone(), instant())
            .prop_map(|(id, valid_until)| Release { valid_until, ..release(id) }.into()),
        1 => (10u64..20, usage(), tariffs(), prop::option::of(money()), prop::option::of(id)).prop_map(
            |(operation, usage, tariff, cost, hold)| {
                Report { usage, tariff, cost, hold: hold.map(request_id), ..report(operation, 0, 0) }.into()
            }
        ),
        1 => (20u64..30, money()).prop_map(|(id, amount)| TopUp { amount, ..top_up(id, 0) }.into()),
        1 => (30u64..40, money()).prop_map(|(id, amount)| Adjust { amount, ..adjust(id, 0) }.into()),
        1 => (40u64..50, money()).prop_map(|(id, amount)| Refund { amount, ..refund(id, 0) }.into()),
        1 => (50u64..60).prop_map(|id| reset(id).into()),
        1 => prop::sample::select(vec![Command::Wake, Command::Inspect, Command::GiveBack(0)]),
    ]
}

/// What holds whatever was asked: nothing is reserved that no hold holds, and the balance adds up as far as the
/// type of money reaches.
fn check(ledger: &mut Ledger) {
    let head = &ledger.state.head;
    let open = ledger.state.parts_of(1).filter(|(_, part)| matches!(part, Part::Hold(_))).count();
    assert_eq!(head.open_holds as usize, open);
    assert!(head.open_holds <= OPEN_HOLDS_MAX && head.ended.len() <= ENDED_MAX);
    if open == 0 {
        assert!(head.top_up_reserved.is_zero());
        assert!(head.periods.iter().all(|period| period.plan_reserved.is_zero()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_command_however_absurd_makes_a_step_panic(
        commands in prop::collection::vec((command(), instant()), 1..30),
    ) {
        let mut ledger = Ledger::with_budget(1_000_000);
        for (command, now) in commands {
            ledger.now = now;
            ledger.apply(command);
            check(&mut ledger);
        }
    }

    #[test]
    fn no_bytes_make_a_machine_panic(
        command in command(), cut in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = minicbor::to_vec(&command).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(command) = minicbor::decode::<Command>(&bytes) {
            let mut ledger = Ledger::with_budget(1_000_000);
            ledger.apply(reserve(1, 10, 10));
            ledger.apply(command);
            check(&mut ledger);
        }
    }
}
