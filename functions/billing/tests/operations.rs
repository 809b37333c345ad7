//! Adjustments, resets, top-ups and refunds: each once, each audited.

mod scene;

use core::time::Duration;
use platform_memory::{Death, Fault, MortalPlatform};
use proptest::prelude::*;
use scene::{KEY, KEY_OF_OTHER, Scene, User, send_on};
use serde_json::{Value, json};

/// More questions than one order ever asks.
const QUESTIONS_MAX: usize = 16;
const AUDITED: &str = "SELECT COUNT(*) AS n FROM audit_log WHERE action LIKE 'account.%'";

fn order(scene: &Scene, user: &User, kind: &str, body: &Value) -> scene::Answer {
    scene.post(&format!("/api/users/{}/{kind}", user.id), body)
}

fn of(amount: &str, id: &str) -> Value {
    json!({ "amount": amount, "reason": "a good one", "operation_id": id })
}

#[test]
fn an_adjustment_charges_or_credits_and_is_a_usage_row() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let done = order(&scene, &user, "adjustments", &of("0.30", "a")).expect(200);
    assert_eq!((&done["charged"], &done["budget_remaining"]), (&json!("0.30"), &json!("0.70")));
    assert_eq!((&done["kind"], &done["repeated"]), (&json!("adjustment"), &json!(false)));
    order(&scene, &user, "adjustments", &of("-0.10", "b")).expect(200);
    assert_eq!(scene.budget(&user)["budget_used"], "0.20");
    scene.deliver();
    let sum = scene.number("SELECT SUM(cost_nano_eur) AS n FROM usage_logs WHERE kind = 'adjustment'");
    assert_eq!((sum, scene.number(AUDITED)), (200_000_000, 2));
    let reason = scene.number(
        "SELECT COUNT(*) AS n FROM audit_log WHERE action = 'account.adjust'
         AND actor = 'service_key:a service key' AND after ->> 'reason' = 'a good one'",
    );
    assert_eq!(reason, 2);
}

#[test]
fn a_refund_takes_the_free_top_up_and_the_rest_is_debt_that_the_next_top_up_pays() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    order(&scene, &user, "top-ups", &of("2", "a")).expect(200);
    assert_eq!(scene.budget(&user)["budget_total"], "3.00");
    order(&scene, &user, "refunds", &of("5", "b")).expect(200);
    let budget = scene.budget(&user);
    assert_eq!((&budget["top_up"], &budget["debt"]), (&json!("0.00"), &json!("3.00")));
    assert_eq!(budget["budget_remaining"], "1.00");
    let paid = order(&scene, &user, "top-ups", &of("4", "c")).expect(200);
    assert_eq!(paid["budget_remaining"], "2.00");
    assert_eq!(scene.budget(&user)["debt"], "0.00");
}

#[test]
fn p04_a_reset_opens_one_period_and_its_repetition_resets_nothing() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    scene.report(&user, "r1", "0.80", &json!({})).expect(200);
    let reset = json!({ "reason": "goodwill", "operation_id": "one" });
    scene.platform.advance(Duration::from_secs(1));
    assert_eq!(order(&scene, &user, "resets", &reset).expect(200)["budget_remaining"], "1.00");
    scene.report(&user, "r2", "0.50", &json!({})).expect(200);
    for hours in [0, 24, 24 * 5] {
        scene.platform.advance(Duration::from_secs(hours * 3_600));
        assert_eq!(order(&scene, &user, "resets", &reset).expect(200)["repeated"], true);
        assert_eq!(scene.budget(&user)["budget_used"], "0.50");
    }
    assert_eq!(scene.number(AUDITED), 1);
}

#[test]
fn p04_a_host_may_die_at_any_question_of_an_order() {
    for (kind, body) in
        [("adjustments", of("0.10", "x")), ("top-ups", of("0.10", "x")), ("refunds", of("0.10", "x"))]
    {
        for (questions, death) in (0..QUESTIONS_MAX).flat_map(|n| [(n, Death::Before), (n, Death::After)]) {
            let scene = Scene::new();
            let user = scene.user("a@example.com", &json!({}));
            let path = format!("/api/users/{}/{kind}", user.id);
            let mortal = MortalPlatform::new(&scene.platform, questions, death);
            send_on(&mortal, Some(KEY), "POST", &path, &body);
            scene.platform.crash();
            for hours in [0, 1, 24] {
                scene.platform.advance(Duration::from_secs(hours * 3_600));
                futures_executor::block_on(store::operations::finish_open_slice(&scene.platform, 10))
                    .unwrap();
                scene.post(&path, &body).expect(200);
            }
            let budget = scene.budget(&user);
            let effects = [&budget["budget_used"], &budget["top_up"], &budget["debt"]];
            let expected = match kind {
                "adjustments" => ["0.10", "0.00", "0.00"],
                "top-ups" => ["0.00", "0.10", "0.00"],
                _ => ["0.00", "0.00", "0.10"],
            };
            assert_eq!(effects, expected, "{kind} {questions} {death:?}");
            assert_eq!(scene.number(AUDITED), 1, "{kind} {questions} {death:?}");
        }
    }
}

const FAULTS: [Fault; 6] = [
    Fault::BeforeStep,
    Fault::AfterStore,
    Fault::CrashBeforeStore,
    Fault::CrashAfterStore,
    Fault::HangBeforeStep,
    Fault::HangAfterStore,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn p04_operations_repeated_and_shuffled_among_faults_take_effect_once(
        kinds in prop::collection::vec((0..4_usize, 1..=5_usize), 1..12),
        shuffle in any::<u64>(),
        faults in prop::collection::vec(prop::option::weighted(0.4, 0..FAULTS.len()), 60),
    ) {
        let scene = Scene::new();
        let user = scene.user("a@example.com", &json!({ "budget_total": 1_000 }));
        let mut orders: Vec<usize> =
            kinds.iter().enumerate().flat_map(|(at, (_, times))| vec![at; *times]).collect();
        let mut seed = shuffle | 1;
        for at in (1..orders.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            orders.swap(at, usize::try_from(seed >> 33).unwrap() % (at + 1));
        }
        let send = |at: usize| {
            let id = format!("id{at}");
            match kinds[at].0 {
                0 => order(&scene, &user, "adjustments", &of("1", &id)),
                1 => order(&scene, &user, "top-ups", &of("1", &id)),
                2 => order(&scene, &user, "refunds", &of("1", &id)),
                _ => scene.report(&user, &id, "1", &json!({})),
            }
        };
        let half = orders.len() / 2;
        for (turn, at) in orders.iter().enumerate() {
            if turn == half {
                scene.platform.advance(Duration::from_secs(24 * 3_600));
            }
            if let Some(fault) = faults[turn % faults.len()] {
                scene.platform.inject(FAULTS[fault]);
            }
            send(*at);
        }
        // Faults that hit nothing yet hit questions that change nothing; orders are finished by the scheduler alone.
        let budget = || scene.get(&format!("/api/users/{}/budget", user.id));
        prop_assert!((0..orders.len() + 1).any(|_| budget().status == 200));
        scene.platform.advance(Duration::from_secs(120));
        futures_executor::block_on(store::operations::finish_open_slice(&scene.platform, 100)).unwrap();
        (0..kinds.len()).filter(|at| kinds[*at].0 == 3).for_each(|at| drop(send(at).expect(200)));
        scene.deliver();
        let count = |kind| i64::try_from(kinds.iter().filter(|(k, _)| *k == kind).count()).unwrap();
        let budget = scene.budget(&user);
        let euros = |name: &str| budget[name].as_str().unwrap().parse::<f64>().unwrap() as i64;
        prop_assert_eq!(euros("budget_used"), count(0) + count(3));
        prop_assert_eq!(euros("top_up") - euros("debt"), count(1) - count(2));
        prop_assert_eq!(scene.number(AUDITED), count(0) + count(1) + count(2));
        let rows = scene.number("SELECT COALESCE(SUM(cost_nano_eur), 0) AS n FROM usage_logs");
        prop_assert_eq!(rows, (count(0) + count(3)) * 1_000_000_000);
    }
}

#[test]
fn an_id_names_one_operation_of_one_user_for_ever() {
    let scene = Scene::new();
    let users = ["a@example.com", "b@example.com"].map(|email| scene.user(email, &json!({})));
    let first = order(&scene, &users[0], "top-ups", &of("1", "x")).expect(200);
    for other in [of("2", "x"), json!({ "amount": "1", "reason": "another", "operation_id": "x" })] {
        let problem = order(&scene, &users[0], "top-ups", &other).expect_code(409, "operation_id_reused");
        assert_eq!(problem["param"], "operation_id");
    }
    order(&scene, &users[0], "refunds", &of("1", "x")).expect_code(409, "operation_id_reused");
    order(&scene, &users[1], "top-ups", &of("1", "x")).expect(200);
    scene.platform.advance(Duration::from_secs(400 * 86_400));
    let again = order(&scene, &users[0], "top-ups", &of("1", "x")).expect(200);
    assert_eq!((&again["repeated"], &again["budget_remaining"]), (&json!(true), &first["budget_remaining"]));
    assert_eq!(scene.budget(&users[0])["top_up"], "1.00");
}

#[test]
fn an_id_may_come_as_a_header_and_only_money_needs_one() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let unnamed = json!({ "amount": "0.10", "reason": "x" });
    for kind in ["top-ups", "refunds"] {
        let problem = order(&scene, &user, kind, &unnamed).expect_code(400, "invalid_value");
        assert_eq!(problem["param"], "operation_id");
    }
    let made_up = order(&scene, &user, "adjustments", &unnamed).expect(200);
    let id = made_up["operation_id"].as_str().unwrap();
    let again = json!({ "amount": "0.10", "reason": "x", "operation_id": id });
    assert_eq!(order(&scene, &user, "adjustments", &again).expect(200)["repeated"], true);
    let with_header = |body: &Value| {
        let request = http::Request::post(format!("/api/users/{}/top-ups", user.id))
            .header("x-api-key", KEY)
            .header("idempotency-key", "in the header")
            .body(body.to_string().into())
            .unwrap();
        futures_executor::block_on(billing::handle(&scene.platform, request)).status().as_u16()
    };
    assert_eq!((with_header(&unnamed), with_header(&unnamed)), (200, 200));
    assert_eq!(with_header(&of("0.10", "another")), 400);
    assert_eq!(scene.budget(&user)["top_up"], "0.10");
}

#[test]
fn wrong_orders_are_refused_by_field_and_change_nothing() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    for (kind, field, value) in [
        ("adjustments", "amount", json!(0)),
        ("adjustments", "amount", json!("1000000.01")),
        ("adjustments", "amount", Value::Null),
        ("adjustments", "reason", json!("")),
        ("top-ups", "amount", json!("-1")),
        ("refunds", "amount", json!("-1")),
        ("resets", "reason", Value::Null),
        ("resets", "operation_id", json!(7)),
        ("refunds", "reason", Value::Null),
    ] {
        let mut body = if kind == "resets" { json!({ "reason": "x" }) } else { of("1", "x") };
        body[field] = value.clone();
        let problem = order(&scene, &user, kind, &body).expect_code(400, "invalid_value");
        assert_eq!(problem["param"], field, "{kind} {value}");
    }
    scene
        .send(Some(KEY_OF_OTHER), "POST", &format!("/api/users/{}/top-ups", user.id), &of("1", "x"))
        .expect_code(404, "not_found");
    assert_eq!(scene.number(AUDITED), 0);
}

#[test]
fn an_order_that_the_account_has_not_heard_is_pending_and_the_scheduler_finishes_it() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    scene.platform.set_state_down(true);
    let order = order(&scene, &user, "top-ups", &of("1", "x")).expect(202);
    assert_eq!(order["pending"], true);
    scene.platform.set_state_down(false);
    scene.platform.advance(Duration::from_secs(61));
    let slice =
        futures_executor::block_on(store::operations::finish_open_slice(&scene.platform, 10)).unwrap();
    assert_eq!((slice.finished, slice.failed.len()), (1, 0));
    assert_eq!(scene.budget(&user)["top_up"], "1.00");
}

#[test]
fn p30_an_order_that_the_ledger_cannot_hold_exactly_is_refused_for_good_and_by_name() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    for id in 1..=5 {
        order(&scene, &user, "top-ups", &of("1000000", &id.to_string())).expect(200);
    }
    let too_much = of("1000000", "6");
    let told = order(&scene, &user, "top-ups", &too_much).expect_code(409, "amount_does_not_fit");
    assert_eq!(told["param"], "amount");
    assert!(told["detail"].as_str().unwrap().contains("€7199.254740991"), "{told}");
    assert_eq!(scene.budget(&user)["top_up"], "5000000.00");
    // Nothing is left for the scheduler, and the answer stays the same under this id.
    assert_eq!(scene.number("SELECT COUNT(*) AS n FROM operations WHERE done_at IS NULL"), 0);
    order(&scene, &user, "top-ups", &too_much).expect_code(409, "amount_does_not_fit");
    order(&scene, &user, "top-ups", &of("7199.254740991", "7")).expect(200);
    let budget = json!({ "budget_total": "4000000.01" });
    scene.patch(&format!("/api/users/{}", user.id), &budget).expect_code(400, "invalid_value");
    let budget = json!({ "budget_total": "4000000" });
    let told = scene.patch(&format!("/api/users/{}", user.id), &budget).expect(200);
    assert_eq!(told["budget_total"], "9007199.254740991");
}

#[test]
fn p30_a_report_that_does_not_fit_leaves_its_request_id_free() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    for id in 1..=9 {
        scene.report(&user, &format!("r{id}"), "1000000", &json!({})).expect(200);
    }
    let told = scene.report(&user, "r10", "1000000", &json!({})).expect_code(409, "amount_does_not_fit");
    assert_eq!(told["param"], "cost");
    order(&scene, &user, "adjustments", &of("-1000000", "back")).expect(200);
    assert_eq!(scene.report(&user, "r10", "1000000", &json!({})).expect(200)["repeated"], false);
    assert_eq!(scene.budget(&user)["budget_used"], "9000000.00");
}
