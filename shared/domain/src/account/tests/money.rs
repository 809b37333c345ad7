//! The money property: whatever arrives, in whatever order, the books stay right after every step.

use super::builders::*;
use crate::account::*;
use crate::identity::RequestId;
use crate::rate_limit::RateLimits;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What may happen next. Targets are calls so far, and a few that do not exist yet.
#[derive(Clone, Debug)]
enum Happening {
    Reserve {
        input: u64,
        output: u64,
        clamp: bool,
        key: Option<usize>,
    },
    Checkpoint {
        target: u64,
        input: u64,
        output: u64,
    },
    Settle {
        target: u64,
        input: u64,
        output: u64,
    },
    Release {
        target: u64,
    },
    Report {
        input: u64,
    },
    TopUp {
        amount: i64,
    },
    Refund {
        amount: i64,
    },
    Adjust {
        amount: i64,
    },
    Configure {
        budget: i64,
        tokens_per_minute: Option<u64>,
        stale: bool,
    },
    Reset,
    Wake,
    Pass(Duration),
    /// An earlier command arrives (again).
    Repeat {
        back: usize,
    },
    /// The next command is lost for now; a repeat may bring it later.
    Delay,
}

fn happening() -> impl Strategy<Value = Happening> {
    let target = 0u64..12;
    let passing = prop::sample::select(vec![
        Duration::from_millis(1),
        SECOND,
        7 * SECOND,
        MINUTE,
        11 * MINUTE,
        HOUR,
        DAY,
        DAY * 40,
    ]);
    prop_oneof![
        6 => (0u64..300, 0u64..300, any::<bool>(), prop::option::of(0usize..2))
            .prop_map(|(input, output, clamp, key)| Happening::Reserve { input, output, clamp, key }),
        2 => (target.clone(), 0u64..300, 0u64..400)
            .prop_map(|(target, input, output)| Happening::Checkpoint { target, input, output }),
        4 => (target.clone(), 0u64..300, 0u64..400)
            .prop_map(|(target, input, output)| Happening::Settle { target, input, output }),
        2 => target.prop_map(|target| Happening::Release { target }),
        1 => (0u64..500).prop_map(|input| Happening::Report { input }),
        1 => (0i64..500).prop_map(|amount| Happening::TopUp { amount }),
        1 => (0i64..300).prop_map(|amount| Happening::Refund { amount }),
        1 => (-300i64..300).prop_map(|amount| Happening::Adjust { amount }),
        1 => (0i64..2_000, prop::option::of(1u64..10_000), any::<bool>()).prop_map(
            |(budget, tokens_per_minute, stale)| Happening::Configure { budget, tokens_per_minute, stale }
        ),
        1 => Just(Happening::Reset),
        1 => Just(Happening::Wake),
        4 => passing.prop_map(Happening::Pass),
        4 => (0usize..30).prop_map(|back| Happening::Repeat { back }),
        1 => Just(Happening::Delay),
    ]
}

/// Keys and their budgets.
const KEYS: [(&str, Option<i64>); 2] = [("small", Some(400)), ("large", None)];

fn keys() -> Vec<Key> {
    let key = |(name, budget): (&str, Option<i64>)| Key {
        budget: budget.map(nano),
        ..Key::new(name, key_hash(name))
    };
    KEYS.into_iter().map(key).collect()
}

/// The account, and books of our own beside it.
struct Books {
    ledger: Ledger,
    sent: Vec<(Timestamp, Command)>,
    delay: bool,
    calls: u64,
    versions: u64,
    /// What each call holds, by its `Reserve`'s answer.
    holds: BTreeMap<RequestId, NanoEur>,
    over: NanoEur,
    /// Top-ups that took effect.
    topped_up: NanoEur,
    /// By period, also those that the account has forgotten: the sum of their rows, and what the top-up paid.
    charged: BTreeMap<Timestamp, NanoEur>,
    paid_by_top_up: BTreeMap<Timestamp, NanoEur>,
    gone: BTreeSet<Timestamp>,
    /// By call or operation: the sum of its rows.
    charged_to: BTreeMap<RequestId, NanoEur>,
    written: BTreeSet<(RequestId, &'static str)>,
    rows_seen: usize,
}

impl Books {
    fn open() -> Self {
        Self {
            ledger: Ledger::configured(Configuration { keys: keys(), ..configuration(1_000) }),
            sent: Vec::new(),
            delay: false,
            calls: 0,
            versions: 1,
            holds: BTreeMap::new(),
            over: NanoEur::ZERO,
            topped_up: NanoEur::ZERO,
            charged: BTreeMap::new(),
            paid_by_top_up: BTreeMap::new(),
            gone: BTreeSet::new(),
            charged_to: BTreeMap::new(),
            written: BTreeSet::new(),
            rows_seen: 0,
        }
    }

    fn happen(&mut self, happening: Happening) {
        let command = match happening {
            Happening::Pass(duration) => {
                self.ledger.later(duration);
                Command::Inspect
            }
            Happening::Delay => {
                self.delay = true;
                return;
            }
            Happening::Repeat { back } => return self.repeat(back),
            other => self.command(other),
        };
        self.sent.push((self.ledger.now, command.clone()));
        if !core::mem::take(&mut self.delay) {
            self.deliver(command);
        }
    }

    fn repeat(&mut self, back: usize) {
        let Some(last) = self.sent.len().checked_sub(1) else { return };
        let (at, command) = self.sent[last - back % self.sent.len()].clone();
        let operation = matches!(
            command,
            Command::Report(_)
                | Command::TopUp(_)
                | Command::Adjust(_)
                | Command::Refund(_)
                | Command::Reset(_)
        );
        // Older ones are turned away at the door, which knows all ids.
        if !operation || self.ledger.now < at.plus(OPERATION_MEMORY) {
            self.deliver(command);
        }
    }

    fn command(&mut self, happening: Happening) -> Command {
        let now = self.ledger.now;
        let operation = 1_000 + self.sent.len() as u64;
        match happening {
            Happening::Reserve { input, output, clamp, key } => {
                self.calls += 1;
                let key = key.map(|key| key_hash(KEYS[key].0));
                Reserve { clamp, key, ..reserve_at(now, self.calls, input, output) }.into()
            }
            Happening::Checkpoint { target, input, output } => {
                checkpoint(self.call(target), input, output).into()
            }
            Happening::Settle { target, input, output } => settle(self.call(target), input, output).into(),
            Happening::Release { target } => {
                Release { valid_until: now.plus(RESERVE_VALIDITY), ..release(self.call(target)) }.into()
            }
            Happening::Report { input } => report(operation, input, 0).into(),
            Happening::TopUp { amount } => top_up(operation, amount).into(),
            Happening::Adjust { amount } => adjust(operation, amount).into(),
            Happening::Configure { budget, tokens_per_minute, stale } => {
                self.versions += u64::from(!stale);
                let version = self.versions;
                let rates = RateLimits { tokens_per_minute, ..RateLimits::default() };
                let configuration = Configuration { version, rates, keys: keys(), ..configuration(budget) };
                Command::Configure(Box::new(Configure { configuration }))
            }
            Happening::Reset => reset(operation).into(),
            Happening::Refund { amount } => refund(operation, amount).into(),
            Happening::Wake => Command::Wake,
            Happening::Pass(_) | Happening::Repeat { .. } | Happening::Delay => Command::Inspect,
        }
    }

    /// Mostly a call of late; sometimes the next one, which nobody reserved yet.
    fn call(&self, target: u64) -> u64 {
        (self.calls + 1).saturating_sub(target).max(1)
    }

    fn deliver(&mut self, command: Command) {
        let reply = self.ledger.apply(command.clone());
        self.follow(&command, &reply);
        self.check_rows();
        self.check_holds();
        self.check_balance(&command);
    }

    fn follow(&mut self, command: &Command, reply: &Reply) {
        match (command, reply) {
            (Command::Reserve(c), Reply::Reserved(reserved)) => {
                let hold = *self.holds.entry(c.request_id).or_insert(reserved.hold);
                assert_eq!(hold, reserved.hold, "a hold never changes");
                assert!(c.clamp || reserved.output_ceiling == c.worst_case.output);
            }
            (Command::Settle(c), Reply::Settled(settled)) => {
                assert!(settled.charged <= self.holds[&c.request_id], "charged above its hold");
            }
            (Command::TopUp(c), Reply::Settled(_)) => {
                self.topped_up = self.topped_up.saturating_add(c.amount);
            }
            (Command::Refund(c), Reply::Settled(_)) => {
                self.topped_up = self.topped_up.saturating_sub(c.amount);
            }
            _ => {}
        }
    }

    /// P12: each row reproduces its price, and rows sum to the counters. P4: one row per happening.
    fn check_rows(&mut self) {
        for row in &self.ledger.rows[self.rows_seen..] {
            assert!(self.written.insert((row.request_id, row.kind.as_str())), "a row written twice");
            let sum = self.charged_to.entry(row.request_id).or_default();
            *sum = sum.saturating_add(row.cost);
            if let Some(hold) = self.holds.get(&row.request_id) {
                assert!(*sum <= *hold && !sum.is_negative(), "{sum} of {hold}");
            }
            if row.kind == RowKind::Call {
                let price = row.tariff.price(&row.usage).unwrap().cost;
                assert_eq!(row.cost, price.min(self.holds[&row.request_id]));
                assert_eq!(row.cost.saturating_add(row.overrun), price);
            }
            let sum = self.charged.entry(row.period_opened_at).or_default();
            *sum = sum.saturating_add(row.cost);
        }
        self.rows_seen = self.ledger.rows.len();
        for period in &self.ledger.state.head.periods {
            assert_eq!(period.charged, self.charged.get(&period.opened_at).copied().unwrap_or_default());
            let paid = period.charged.saturating_sub(period.plan_used);
            self.paid_by_top_up.insert(period.opened_at, paid);
        }
        // A period whose last hold ended in the step that dropped it may have had more paid than was seen.
        let head = &self.ledger.state.head;
        let present = head.periods.last().map(|period| period.opened_at);
        let earlier = self.paid_by_top_up.iter().filter(|(at, _)| Some(**at) != present);
        let unseen = head.paid_before.saturating_sub(earlier.map(|(_, paid)| *paid).sum());
        let gone = |at: &Timestamp| !head.periods.iter().any(|period| period.opened_at == *at);
        let last = self.paid_by_top_up.keys().copied().rfind(|at| gone(at) && !self.gone.contains(at));
        self.gone.extend(self.paid_by_top_up.keys().copied().filter(gone));
        if let Some(paid) = last.and_then(|last| self.paid_by_top_up.get_mut(&last)) {
            *paid = paid.saturating_add(unseen);
        } else {
            assert_eq!(unseen, NanoEur::ZERO, "the account forgot what the top-up paid");
        }
        let paid: NanoEur = self.paid_by_top_up.values().copied().sum();
        assert_eq!(
            self.ledger.state.head.top_up.saturating_sub(self.ledger.state.head.debt),
            self.topped_up.saturating_sub(paid),
            "top-up money is lost or made"
        );
    }

    /// P5: what is reserved is exactly what open holds hold.
    fn check_holds(&self) {
        let head = &self.ledger.state.head;
        let parts: Vec<&Part> =
            self.holds.keys().filter_map(|id| self.ledger.state.part(state::hold_key(*id))).collect();
        let open: Vec<&Hold> = parts
            .iter()
            .filter_map(|part| if let Part::Hold(hold) = part { Some(&**hold) } else { None })
            .collect();
        assert_eq!(head.open_holds as usize, open.len());
        assert_eq!(head.top_up_reserved, open.iter().map(|hold| hold.top_up).sum());
        assert!(head.top_up_reserved <= head.top_up, "reserved top-up money is gone");
        let correctable = |part: &&&Part| matches!(part, Part::Expired(_));
        let expired = parts.iter().filter(correctable).count();
        assert_eq!(head.periods.iter().map(|period| period.correctable as usize).sum::<usize>(), expired);
        for period in &head.periods {
            let own = || open.iter().filter(|hold| hold.period_opened_at == period.opened_at);
            assert_eq!(period.open_holds as usize, own().count());
            assert_eq!(period.plan_reserved, own().map(|hold| hold.plan).sum());
        }
        for key in keys() {
            let part = key_meter::part_of(&key.hash);
            let meter = key_meter::read(&self.ledger.state, part);
            let of_key = |hold: &&&Hold| {
                hold.key_meter == Some(part) && hold.period_opened_at == head.current().opened_at
            };
            assert_eq!(meter.reserved, open.iter().filter(of_key).map(|hold| hold.amount()).sum());
            let free = key.budget.map(|budget| meter.free(budget));
            assert!(free.is_none_or(|free| !free.is_negative()), "a key went over its budget");
        }
    }

    /// P1: calls never go beyond the limit; only what is no call does, and it shows.
    fn check_balance(&mut self, command: &Command) {
        let head = &self.ledger.state.head;
        let balance = Balance::of(head, self.ledger.state.configuration().unwrap());
        let sum = balance.used.saturating_add(balance.reserved).saturating_add(balance.remaining);
        assert_eq!(balance.limit, sum.saturating_sub(balance.over));
        let may_exceed = matches!(
            command,
            Command::Report(_) | Command::Adjust(_) | Command::Refund(_) | Command::Configure(_)
        );
        assert!(balance.over <= self.over || may_exceed, "{command:?} went over by {}", balance.over);
        self.over = balance.over;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn p01_p04_p05_p12_the_books_stay_right_whatever_arrives(happenings in prop::collection::vec(happening(), 1..40)) {
        let mut books = Books::open();
        for happening in happenings {
            books.happen(happening);
        }
        // P5: left alone, every hold ends, and only calls that were reserved cost something.
        books.ledger.later(HOLD_TTL_MAX);
        books.deliver(Command::Wake);
        prop_assert_eq!(books.ledger.state.head.open_holds, 0);
        books.ledger.later(LATE_SETTLE);
        books.deliver(reset(900).into());
        prop_assert_eq!(books.ledger.state.head.periods.len(), 2, "the present one and the last");
    }
}

#[test]
fn p12_a_long_life_sums_exactly() {
    let mut ledger = Ledger::with_budget(1_000_000_000);
    for id in 0..20_000u64 {
        ledger.later(Duration::from_millis(50));
        let now = ledger.now;
        reserved(ledger.apply(reserve_at(now, id, 100 + id % 7, 50)));
        ledger.apply(settle(id, 100 + id % 7, id % 51));
    }
    let sum: NanoEur = ledger.rows.iter().map(|row| row.cost).sum();
    assert_eq!(ledger.rows.len(), 20_000);
    assert_eq!(ledger.balance().used, sum);
}
