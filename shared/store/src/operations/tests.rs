use super::*;
use core::time::Duration;
use domain::account::{Account, Balance, Command, Reply};
use domain::identity::Home;
use futures_executor::block_on;
use platform::{AtomicState, Clock};
use platform_memory::{Death, MemoryPlatform, MortalPlatform};

const ACCOUNT: AccountId = AccountId::new(Home::Eu, [1; 16]);
const DAY: Duration = Duration::from_secs(86_400);
/// More questions than one operation ever asks.
const QUESTIONS_MAX: usize = 12;

/// One user with ten euros, whose account has not been told yet.
fn room() -> MemoryPlatform {
    let room = MemoryPlatform::new();
    room.execute_sql(&format!(
        "INSERT INTO tenants (id, slug, name, status, created_at, updated_at)
         VALUES ('demo', 'demo', 'demo', 'active', 0, 0);
         INSERT INTO users (id, tenant_id, email, status, budget_nano_eur, budget_reset_at, created_at, updated_at)
         VALUES ('{ACCOUNT}', 'demo', 'a@demo.test', 'active', 10000000000, 0, 0, 0);"
    ));
    room
}

fn operation(kind: OperationKind, operation_id: &str) -> Operation {
    let amount = if kind == OperationKind::Reset { NanoEur::ZERO } else { NanoEur::euros(1) };
    Operation {
        account: ACCOUNT,
        operation_id: operation_id.into(),
        kind,
        amount,
        reason: "a good one".into(),
        actor: "service_key:test".into(),
    }
}

fn balance(room: &MemoryPlatform) -> Balance {
    match block_on(crate::ledger::ask(room, ACCOUNT, Command::Inspect)).unwrap() {
        Some(Reply::Balance(balance)) => *balance,
        other => panic!("{other:?}"),
    }
}

fn audited(room: &MemoryPlatform) -> i64 {
    let sql = "SELECT COUNT(*) AS n FROM audit_log";
    block_on(room.query(Statement::new(sql))).unwrap()[0].integer("n").unwrap()
}

/// What one adjustment, top-up and refund of a euro each leave: used, top-up and debt.
fn figures(room: &MemoryPlatform) -> (i64, i64, i64) {
    let balance = balance(room);
    let cents = |amount: NanoEur| amount.get() / 10_000_000;
    (cents(balance.used), cents(balance.top_up), cents(balance.debt))
}

const EFFECTS: [(OperationKind, (i64, i64, i64)); 3] = [
    (OperationKind::Adjustment, (100, 0, 0)),
    (OperationKind::TopUp, (0, 100, 0)),
    (OperationKind::Refund, (0, 0, 100)),
];

#[test]
fn p04_a_host_may_die_at_any_question_and_the_effect_and_its_audit_row_come_once() {
    for (kind, effect) in EFFECTS {
        let mut deaths = 0;
        for (questions, death) in (0..QUESTIONS_MAX).flat_map(|n| [(n, Death::Before), (n, Death::After)]) {
            let room = room();
            let operation = operation(kind, "one");
            let mortal = MortalPlatform::new(&room, questions, death);
            let first = block_on(perform(&mortal, &operation));
            deaths += usize::from(mortal.is_dead());
            // What has an effect is audited, at any instant.
            let known = block_on(room.apply::<Account>(&ACCOUNT.to_string(), Command::Inspect)).unwrap();
            if known != Reply::NotConfigured {
                assert!(figures(&room) == (0, 0, 0) || audited(&room) == 1, "{kind:?} {questions} {death:?}");
            }
            // The scheduler ends what was recorded; what was not, the caller orders again.
            room.advance(Duration::from_secs(120));
            block_on(finish_open_slice(&room, 10)).unwrap();
            let recorded = audited(&room) == 1;
            assert_eq!(recorded, figures(&room) == effect, "{kind:?} {questions} {death:?}: {first:?}");
            let again = block_on(perform(&room, &operation)).unwrap();
            assert_eq!(matches!(again, Performed::Repeated(_)), recorded, "{again:?}");
            for _ in 0..4 {
                room.advance(DAY * 20);
                assert!(matches!(block_on(perform(&room, &operation)).unwrap(), Performed::Repeated(_)));
                block_on(finish_open_slice(&room, 10)).unwrap();
            }
            let balance = balance(&room);
            let later = (balance.top_up.get() / 10_000_000, balance.debt.get() / 10_000_000);
            assert_eq!(later, (effect.1, effect.2), "{kind:?} {questions} {death:?}");
            assert_eq!(audited(&room), 1, "{kind:?} {questions} {death:?}");
        }
        assert!(deaths >= 10, "{deaths} deaths of {kind:?}");
    }
}

#[test]
fn p04_two_who_record_at_once_record_and_audit_once() {
    let room = room();
    let operation = operation(OperationKind::TopUp, "one");
    for _ in 0..2 {
        block_on(room.commit(record(&operation, room.now()))).unwrap();
    }
    let (first, second) = (perform(&room, &operation), perform(&room, &operation));
    assert!(matches!(block_on(first).unwrap(), Performed::Repeated(_)));
    assert!(matches!(block_on(second).unwrap(), Performed::Repeated(_)));
    assert_eq!((figures(&room), audited(&room)), ((0, 100, 0), 1));
}

#[test]
fn an_id_is_kept_for_ever_and_its_answer_with_it() {
    let room = room();
    let operation = operation(OperationKind::TopUp, "one");
    let first = block_on(perform(&room, &operation)).unwrap();
    let Performed::New(done) = first else { panic!("{first:?}") };
    room.advance(DAY * 1_000);
    assert_eq!(block_on(perform(&room, &operation)).unwrap(), Performed::Repeated(done));
    assert_eq!(figures(&room), (0, 100, 0));
}

#[test]
fn an_id_with_other_content_is_recognised() {
    let room = room();
    block_on(perform(&room, &operation(OperationKind::TopUp, "one"))).unwrap();
    let dearer = Operation { amount: NanoEur::euros(2), ..operation(OperationKind::TopUp, "one") };
    let other_kind = operation(OperationKind::Refund, "one");
    let other_reason = Operation { reason: "another".into(), ..operation(OperationKind::TopUp, "one") };
    for other in [dearer, other_kind, other_reason] {
        assert_eq!(block_on(perform(&room, &other)).unwrap(), Performed::OtherContent);
    }
    let other_actor = Operation { actor: "user:x".into(), ..operation(OperationKind::TopUp, "one") };
    assert!(matches!(block_on(perform(&room, &other_actor)).unwrap(), Performed::Repeated(_)));
    assert_eq!((figures(&room), audited(&room)), ((0, 100, 0), 1));
}

#[test]
fn what_a_closed_account_refuses_is_refused_for_good_and_both_are_audited() {
    let room = room();
    balance(&room);
    room.execute_sql("UPDATE users SET closed_at = 1, configuration_version = 2");
    block_on(crate::pending_pushes::push(&room, ACCOUNT)).unwrap();
    let operation = operation(OperationKind::TopUp, "one");
    let refused = Done::Refused("closed".into());
    assert_eq!(block_on(perform(&room, &operation)).unwrap(), Performed::New(refused.clone()));
    assert_eq!(block_on(perform(&room, &operation)).unwrap(), Performed::Repeated(refused));
    assert_eq!(audited(&room), 2);
}

#[test]
fn a_top_up_that_took_effect_before_its_account_was_closed_is_not_called_refused() {
    let room = room();
    balance(&room);
    room.inject(platform_memory::Fault::AfterStore);
    let operation = operation(OperationKind::TopUp, "one");
    assert!(matches!(block_on(perform(&room, &operation)).unwrap(), Performed::Pending(_)));
    room.execute_sql("UPDATE users SET closed_at = 1, configuration_version = 2");
    block_on(crate::pending_pushes::push(&room, ACCOUNT)).unwrap();
    assert!(matches!(
        block_on(perform(&room, &operation)).unwrap(),
        Performed::Repeated(Done::TookEffect { .. })
    ));
}

#[test]
fn an_operation_that_the_account_may_have_forgotten_is_left_to_a_person() {
    let room = room();
    balance(&room);
    room.inject(platform_memory::Fault::AfterStore);
    block_on(perform(&room, &operation(OperationKind::TopUp, "one"))).unwrap();
    room.advance(DAY * 63);
    let slice = block_on(finish_open_slice(&room, 10)).unwrap();
    assert_eq!((slice.finished, slice.failed.len()), (0, 1));
    assert_eq!(figures(&room), (0, 100, 0));
}

#[test]
fn slices_are_bounded_and_those_that_fail_do_not_keep_others_waiting() {
    let room = room();
    balance(&room);
    room.set_state_down(true);
    for id in ["a", "b", "c"] {
        block_on(perform(&room, &operation(OperationKind::TopUp, id))).unwrap();
    }
    room.set_state_down(false);
    assert_eq!(block_on(finish_open_slice(&room, 10)).unwrap(), OpenSlice::default(), "still in flight");
    room.advance(Duration::from_secs(120));
    room.inject(platform_memory::Fault::BeforeStep);
    let slice = block_on(finish_open_slice(&room, 1)).unwrap();
    assert_eq!((slice.finished, slice.failed.len()), (0, 1));
    assert_eq!(block_on(finish_open_slice(&room, 5)).unwrap().finished, 2);
    room.advance(Duration::from_secs(120));
    assert_eq!(block_on(finish_open_slice(&room, 5)).unwrap().finished, 1);
    assert_eq!((figures(&room), audited(&room)), ((0, 300, 0), 3));
}

#[test]
fn p25_no_question_about_operations_scans_them() {
    let room = MemoryPlatform::new();
    for sql in [FIND, OPEN] {
        let explained: &'static str = format!("EXPLAIN QUERY PLAN {sql}").leak();
        let statement = (0..sql.matches('?').count()).fold(Statement::new(explained), |s, _| s.bind(1));
        let rows = block_on(room.query(statement)).unwrap();
        let plan: Vec<_> = rows.iter().map(|row| row.text("detail").unwrap().to_owned()).collect();
        let plan = plan.join("; ");
        assert!(plan.contains("SEARCH") && !plan.contains("SCAN") && !plan.contains("B-TREE"), "{plan}");
    }
}
