//! What goes back goes where it came from, in every order.

use super::builders::*;
use crate::account::*;
use proptest::prelude::*;

fn stated(id: u64, cost: i64) -> Report {
    Report { cost: Some(nano(cost)), ..report(id, 0, 0) }
}

/// What the plan has used and what lies in the top-up.
fn pockets(ledger: &mut Ledger) -> (i64, i64) {
    let balance = ledger.balance();
    (ledger.state.head.current().plan_used.get(), balance.top_up.get())
}

fn next_period(ledger: &mut Ledger) {
    ledger.now = ledger.balance().resets_at;
    ledger.apply(Command::Wake);
}

#[test]
fn what_the_top_up_paid_goes_back_to_it_before_and_after_the_periods_end() {
    for late in [false, true] {
        let mut ledger = Ledger::with_budget(0);
        ledger.apply(top_up(1, 10));
        ledger.apply(stated(2, 8));
        if late {
            next_period(&mut ledger);
        }
        ledger.apply(adjust(3, -8));
        assert_eq!(ledger.balance().remaining, nano(10), "late: {late}");
        next_period(&mut ledger);
        assert_eq!((ledger.money(), ledger.balance().top_up), ((0, 0, 10), nano(10)), "late: {late}");
    }
}

#[test]
fn a_credit_undoes_first_what_nobody_covered_then_the_top_ups_part_then_the_plans() {
    let mut ledger = Ledger::with_budget(10);
    ledger.apply(top_up(1, 10));
    ledger.apply(stated(2, 25));
    assert_eq!((pockets(&mut ledger), ledger.balance().over), ((15, 0), nano(5)));
    for (id, after) in [(3, (10, 0)), (4, (10, 5)), (5, (10, 10)), (6, (5, 10)), (7, (0, 10)), (8, (-5, 10))]
    {
        ledger.apply(adjust(id, -5));
        assert_eq!(pockets(&mut ledger), after);
    }
    // A charge undoes the credits in reverse.
    ledger.apply(stated(9, 30));
    assert_eq!((pockets(&mut ledger), ledger.balance().over), ((15, 0), nano(5)));
}

#[test]
fn a_credit_goes_to_an_earlier_periods_top_up_only_after_this_periods_charges() {
    let mut ledger = Ledger::with_budget(10);
    ledger.apply(top_up(1, 10));
    ledger.apply(stated(2, 18));
    ledger.later(SECOND).apply(reset(3));
    ledger.apply(stated(4, 1));
    ledger.apply(adjust(5, -1));
    assert_eq!(pockets(&mut ledger), (0, 2));
    ledger.apply(adjust(6, -10));
    // Eight were the top-up's; two more are this period's to spend.
    assert_eq!((pockets(&mut ledger), ledger.money()), ((-2, 10), (-10, 0, 22)));
    ledger.apply(adjust(7, 10));
    assert_eq!((pockets(&mut ledger), ledger.money()), ((0, 2), (0, 0, 12)));
}

#[test]
fn a_correction_of_an_old_call_and_a_credit_give_the_top_up_back_once() {
    let mut ledger = Ledger::with_budget(0);
    ledger.apply(top_up(1, 100));
    reserved(ledger.apply(reserve(2, 100, 0)));
    ledger.later(HOLD_TTL).apply(Command::Wake);
    ledger.apply(reset(3));
    ledger.later(SECOND).apply(adjust(4, -100));
    assert_eq!(pockets(&mut ledger), (0, 100));
    assert_eq!(charged(&ledger.apply(settle(2, 0, 0))), 0);
    // The top-up has all it had; the credit is now this period's to spend.
    assert_eq!((pockets(&mut ledger), ledger.balance().remaining), ((-100, 100), nano(200)));
}

#[test]
fn what_comes_back_to_a_refunded_top_up_is_not_spent_again() {
    for credit_first in [false, true] {
        let mut ledger = Ledger::with_budget(0);
        ledger.apply(top_up(1, 10));
        ledger.apply(stated(2, 8));
        let mut orders: [Command; 2] = [refund(3, 10).into(), adjust(4, -8).into()];
        if credit_first {
            orders.reverse();
        }
        for order in orders {
            ledger.apply(order);
        }
        let balance = ledger.balance();
        assert_eq!((balance.top_up, balance.debt, balance.remaining), (nano(0), nano(0), nano(0)));
    }
}

#[test]
fn a_raised_budget_pays_before_the_top_up_and_a_lowered_one_takes_nothing_from_it() {
    let mut ledger = Ledger::with_budget(10);
    ledger.apply(top_up(1, 10));
    ledger.apply(stated(2, 15));
    ledger.configure(Configuration { version: 2, ..configuration(20) });
    assert_eq!(pockets(&mut ledger), (15, 10));
    ledger.configure(Configuration { version: 3, ..configuration(10) });
    assert_eq!((pockets(&mut ledger), ledger.balance().remaining), ((15, 10), nano(5)));
}

/// What may have been before.
#[derive(Clone, Debug)]
enum Past {
    Budget(i64),
    TopUp(i64),
    Refund(i64),
    Report(i64),
    Credit(i64),
    Call { input: u64, used: Option<u64> },
    Reset,
}

fn past() -> impl Strategy<Value = Past> {
    prop_oneof![
        (0i64..300).prop_map(Past::Budget),
        (1i64..300).prop_map(Past::TopUp),
        (1i64..300).prop_map(Past::Refund),
        (1i64..300).prop_map(Past::Report),
        (1i64..300).prop_map(Past::Credit),
        (1u64..200, prop::option::of(0u64..200)).prop_map(|(input, used)| Past::Call { input, used }),
        Just(Past::Reset),
    ]
}

fn live(ledger: &mut Ledger, past: &[Past]) {
    for (at, past) in past.iter().enumerate() {
        let id = 100 + at as u64;
        ledger.later(SECOND);
        match *past {
            Past::Budget(budget) => {
                ledger.configure(Configuration { version: id, ..configuration(budget) });
            }
            Past::TopUp(amount) => drop(ledger.apply(top_up(id, amount))),
            Past::Refund(amount) => drop(ledger.apply(refund(id, amount))),
            Past::Report(cost) => drop(ledger.apply(stated(id, cost))),
            Past::Credit(amount) => drop(ledger.apply(adjust(id, -amount))),
            Past::Call { input, used } => {
                let now = ledger.now;
                ledger.apply(reserve_at(now, id, input, 0));
                if let Some(used) = used {
                    ledger.apply(settle(id, used, 0));
                }
            }
            Past::Reset => drop(ledger.apply(reset(id))),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn charges_and_credits_that_cancel_out_leave_plan_and_top_up_as_they_were(
        past in prop::collection::vec(past(), 0..12),
        amounts in prop::collection::vec(-300i64..300, 1..6),
    ) {
        let mut ledger = Ledger::with_budget(100);
        live(&mut ledger, &past);
        let (pockets_before, before) = (pockets(&mut ledger), ledger.balance());
        let last = -amounts.iter().sum::<i64>();
        for (at, amount) in amounts.into_iter().chain([last]).enumerate() {
            let id = 1_000 + at as u64;
            if amount > 0 { ledger.apply(stated(id, amount)) } else { ledger.apply(adjust(id, amount)) };
        }
        prop_assert_eq!(pockets(&mut ledger), pockets_before);
        prop_assert_eq!(ledger.balance(), before.clone());
        // After the period's end as well: nothing of it was lost or won.
        let held = ledger.state.head.open_holds;
        next_period(&mut ledger);
        if held == 0 {
            let after = ledger.balance();
            prop_assert_eq!((after.top_up, after.used), (before.top_up, nano(0)));
        }
    }

    #[test]
    fn what_is_in_which_pocket_does_not_depend_on_the_order(
        mut amounts in prop::collection::vec(-300i64..300, 1..6), turn in any::<prop::sample::Index>(),
    ) {
        let outcome = |amounts: &[i64]| {
            let mut ledger = Ledger::with_budget(100);
            ledger.apply(top_up(1, 150));
            for (at, amount) in amounts.iter().enumerate() {
                ledger.apply(adjust(10 + at as u64, *amount));
            }
            let pockets = pockets(&mut ledger);
            next_period(&mut ledger);
            (pockets, ledger.money())
        };
        let straight = outcome(&amounts);
        let by = turn.index(amounts.len());
        amounts.rotate_left(by);
        prop_assert_eq!(straight, outcome(&amounts));
    }
}
