//! P30: no sum saturates. What the ledger cannot hold exactly is refused, and every figure adds up to the
//! nano-euro, whatever came before.

use super::builders::*;
use crate::account::*;
use crate::money::MAX_NANO_EUR;
use proptest::prelude::*;
use std::collections::BTreeMap;

const MILLION: i64 = 1_000_000_000_000_000;

fn most(reply: Reply) -> i64 {
    match refusal(reply) {
        Refusal::DoesNotFit(most) => most.get(),
        other => panic!("another refusal: {other:?}"),
    }
}

fn stated(id: u64, cost: i64) -> Report {
    Report { cost: Some(nano(cost)), ..report(id, 0, 0) }
}

#[test]
fn p30_top_ups_beyond_what_fits_are_refused_and_leave_their_id_free() {
    let mut ledger = Ledger::with_budget(10);
    let taken = (1..=12).filter(|id| matches!(ledger.apply(top_up(*id, MILLION)), Reply::Settled(_))).count();
    assert_eq!((taken, ledger.balance().top_up), (5, nano(5 * MILLION)));
    let fits = most(ledger.apply(top_up(12, MILLION)));
    assert!(ledger.operation(12).is_none(), "a refused order used its id up");
    let before = ledger.state.head.clone();
    assert_eq!(most(ledger.apply(top_up(12, fits + 1))), fits);
    assert_eq!(ledger.state.head, before);
    assert!(matches!(ledger.apply(top_up(12, fits)), Reply::Settled(_)));
    assert_eq!(most(ledger.apply(top_up(13, 1))), 0);
    // The largest budget fits beside it.
    ledger.configure(Configuration { version: 2, ..configuration(BUDGET_MAX.get()) });
    assert_eq!(ledger.balance().limit, NanoEur::MAX);
}

#[test]
fn p30_reports_and_the_credits_for_them_cancel_out_exactly() {
    let mut ledger = Ledger::with_budget(10);
    let mut taken = 0;
    for id in 1..=11 {
        taken += i64::from(matches!(ledger.apply(stated(id, MILLION)), Reply::Settled(_)));
    }
    assert_eq!((taken, ledger.money()), (9, (9 * MILLION, 0, 0)));
    for id in 0..9 {
        assert!(matches!(ledger.apply(adjust(100 + id, -MILLION)), Reply::Settled(_)));
    }
    assert_eq!(ledger.money(), (0, 0, 10));
}

#[test]
fn p30_a_debt_is_never_cut() {
    let mut ledger = Ledger::with_budget(0);
    for id in 1..=9 {
        assert!(matches!(ledger.apply(refund(id, MILLION)), Reply::Settled(_)));
    }
    let fits = most(ledger.apply(refund(10, MILLION)));
    assert_eq!((fits, ledger.balance().debt), (MAX_NANO_EUR - 9 * MILLION, nano(9 * MILLION)));
}

#[derive(Clone, Debug)]
enum Happening {
    Do(Command),
    Budget(i64, Option<i64>),
    Hold { id: u64, amount: i64, key: bool },
    Call { id: u64, input: u64, key: bool },
    Pass(Duration),
}

/// At and around the ends of what fits, and small.
fn amount() -> impl Strategy<Value = i64> {
    let ends =
        [MAX_NANO_EUR, MAX_NANO_EUR - 1, BUDGET_MAX.get(), MAX_NANO_EUR - BUDGET_MAX.get(), MILLION, 1];
    prop_oneof![prop::sample::select(ends.to_vec()), 0..=MAX_NANO_EUR, 0i64..100]
}

fn happening() -> impl Strategy<Value = Happening> {
    let fresh = 1_000u64..u64::MAX;
    let passing = prop::sample::select(vec![SECOND, HOLD_TTL, HOUR, DAY * 40]);
    prop_oneof![
        2 => (fresh.clone(), amount()).prop_map(|(id, a)| Happening::Do(top_up(id, a).into())),
        1 => (fresh.clone(), amount()).prop_map(|(id, a)| Happening::Do(refund(id, a).into())),
        2 => (fresh.clone(), amount()).prop_map(|(id, a)| Happening::Do(adjust(id, -a).into())),
        1 => (fresh.clone(), amount()).prop_map(|(id, a)| Happening::Do(adjust(id, a).into())),
        2 => (fresh.clone(), amount(), prop::option::of(0u64..6)).prop_map(|(id, a, hold)| {
            Happening::Do(Report { hold: hold.map(request_id), ..stated(id, a) }.into())
        }),
        1 => fresh.prop_map(|id| Happening::Do(reset(id).into())),
        2 => (0u64..6, amount()).prop_map(|(id, a)| Happening::Do(settle(id, a as u64, 0).into())),
        1 => (0u64..6).prop_map(|id| Happening::Do(release(id).into())),
        1 => (amount(), prop::option::of(amount())).prop_map(|(b, k)| Happening::Budget(b, k)),
        2 => (0u64..6, amount(), any::<bool>()).prop_map(|(id, amount, key)| Happening::Hold { id, amount, key }),
        3 => (0u64..6, amount(), any::<bool>()).prop_map(|(id, a, key)| Happening::Call { id, input: a as u64, key }),
        2 => passing.prop_map(Happening::Pass),
    ]
}

/// Books in wide integers, from what was asked and told alone.
#[derive(Default)]
struct Wide {
    versions: u64,
    topped_up: i128,
    charged: BTreeMap<Timestamp, i128>,
    paid: BTreeMap<Timestamp, i128>,
    rows: usize,
}

impl Wide {
    fn happen(&mut self, ledger: &mut Ledger, happening: Happening) {
        let now = ledger.now;
        let of_key = |key: bool| key.then(|| key_hash("k"));
        let command = match happening {
            Happening::Do(command) => command,
            Happening::Budget(budget, of_key) => {
                self.versions += 1;
                let keys = vec![Key { budget: of_key.map(nano), ..Key::new("k", key_hash("k")) }];
                let version = 1 + self.versions;
                let configuration = Configuration { version, keys, ..configuration(budget) };
                Command::Configure(Box::new(Configure { configuration }))
            }
            Happening::Hold { id, amount, key } => {
                Reserve { amount: Some(nano(amount)), key: of_key(key), ..reserve_at(now, id, 0, 0) }.into()
            }
            Happening::Call { id, input, key } => {
                Reserve { key: of_key(key), ..reserve_at(now, id, input, 0) }.into()
            }
            Happening::Pass(duration) => {
                ledger.later(duration);
                Command::Wake
            }
        };
        let reply = ledger.apply(command.clone());
        if matches!(reply, Reply::Settled(_)) {
            match command {
                Command::TopUp(c) => self.topped_up += i128::from(c.amount.get()),
                Command::Refund(c) => self.topped_up -= i128::from(c.amount.get()),
                _ => {}
            }
        }
        self.check(ledger);
    }

    fn check(&mut self, ledger: &mut Ledger) {
        for row in &ledger.rows[self.rows..] {
            *self.charged.entry(row.period_opened_at).or_default() += i128::from(row.cost.get());
        }
        self.rows = ledger.rows.len();
        for period in &ledger.state.head.periods {
            let charged = self.charged.get(&period.opened_at).copied().unwrap_or_default();
            assert_eq!(
                i128::from(period.charged.get()),
                charged,
                "a period's rows do not sum to its counter"
            );
            self.paid.insert(period.opened_at, charged - i128::from(period.plan_used.get()));
        }
        let head = &ledger.state.head;
        if self.paid.len() > head.periods.len() {
            // Whose last hold ended in the step that dropped it: what the top-up paid of it is not seen any more.
            self.paid.retain(|opened_at, _| head.periods.iter().any(|period| period.opened_at == *opened_at));
            let paid = self.paid.values().sum::<i128>();
            self.topped_up = i128::from(head.top_up.get()) - i128::from(head.debt.get()) + paid;
        }
        let left = self.topped_up - self.paid.values().sum::<i128>();
        assert_eq!(
            i128::from(head.top_up.get()) - i128::from(head.debt.get()),
            left,
            "top-up money is lost or made"
        );
        assert!(head.top_up_reserved <= head.top_up);
        let limits = [Some(LimitFigures::of_user(&ledger.balance())), of_key(ledger)];
        for figures in limits.into_iter().flatten() {
            let LimitFigures { limit, used, reserved, remaining, over, .. } = figures;
            let sum = used.get() + reserved.get() + remaining.get() - over.get();
            assert_eq!(limit.get(), sum, "{figures:?}");
        }
        assert_free(ledger);
    }
}

/// The same sum in wide integers: no step of it was cut.
fn assert_free(ledger: &mut Ledger) {
    let balance = ledger.balance();
    let head = &ledger.state.head;
    let wide = |amount: NanoEur| i128::from(amount.get());
    let period = head.periods.last().unwrap();
    let free = wide(balance.budget) - wide(period.plan_used) - wide(period.plan_reserved)
        + wide(balance.top_up)
        - wide(head.top_up_reserved);
    assert_eq!(wide(balance.remaining) - wide(balance.over), free);
    assert_eq!(wide(balance.used), wide(period.charged));
}

fn of_key(ledger: &Ledger) -> Option<LimitFigures> {
    let key = ledger.state.configuration()?.keys.first()?;
    let meter = key_meter::read(&ledger.state, key_meter::part_of(&key.hash));
    Some(LimitFigures::new(LimitSource::Key, key.limit(), meter.used, meter.reserved, START))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn p30_the_books_are_exact_to_the_nano_euro_whatever_the_amounts(
        budget in amount(), happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let mut ledger = Ledger::with_budget(budget);
        let mut wide = Wide::default();
        for happening in happenings {
            wide.happen(&mut ledger, happening);
        }
    }
}
