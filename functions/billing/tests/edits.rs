//! Edits never touch spend.

mod scene;

use core::time::Duration;
use domain::account::{Account, Command, Reply, Reserve, Served, Settle};
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::price::{NanoUsdPerMillion, Prices, Tariff, Usage};
use futures_executor::block_on;
use platform::{AtomicState, Clock};
use platform_memory::Fault;
use scene::{Scene, User};
use serde_json::{Value, json};

const CALLS: u64 = 1_000;
const FAULTS: [Fault; 4] =
    [Fault::BeforeStep, Fault::AfterStore, Fault::CrashBeforeStore, Fault::CrashAfterStore];

/// An output token costs one nano-euro; each call may cost a thousand.
const TARIFF: Tariff = Tariff {
    prices: Prices {
        input: Some(NanoUsdPerMillion(0)),
        cached_input: None,
        cache_write: None,
        output: Some(NanoUsdPerMillion(1_000_000)),
        reasoning: None,
        audio_input: None,
        audio_output: None,
    },
    margin_basis_points: 0,
    eur_per_usd_millionths: 1_000_000,
    price_version: 1,
};
const WORST_CASE: u64 = 1_000;

fn call(n: u64) -> RequestId {
    RequestId::of_foreign("call", &n.to_string())
}

/// Until it is answered, with the pool's money if need be: as the proxy does.
fn open(scene: &Scene, user: &User, n: u64) {
    let command = Reserve {
        request_id: call(n),
        key: None,
        model: "m".into(),
        routing_version: 0,
        worst_case: Usage { output: WORST_CASE, ..Usage::default() },
        input_estimate: Usage::default(),
        tariff: TARIFF,
        valid_until: scene.platform.now().plus(Duration::from_secs(10)),
        clamp: false,
        choices: 1,
        served: Served::default(),
        tags: Vec::new(),
        grant: None,
        amount: None,
        asked: 0,
        after_ends: None,
    };
    let account = domain::identity::AccountId::parse(&user.id).unwrap();
    let ask = || block_on(store::ledger::reserve(&scene.platform, account, command.clone())).reply;
    let reply = (0..10).map(|_| ask()).find(Result::is_ok).unwrap_or_else(ask);
    assert!(matches!(reply, Ok(Reply::Reserved(_))), "{n}: {reply:?}");
}

fn settle(scene: &Scene, user: &User, n: u64) {
    let command = Command::Settle(Box::new(Settle {
        request_id: call(n),
        usage: Usage { output: n % WORST_CASE, ..Usage::default() },
        estimated: false,
        served: None,
        outcome: "200".into(),
        latency_ms: 1,
        first_token_ms: None,
    }));
    let ask = || block_on(scene.platform.apply::<Account>(&user.id, command.clone()));
    let reply = (0..10).find_map(|_| ask().ok());
    assert!(matches!(reply, Some(Reply::Settled(_) | Reply::Repeated(_))), "{reply:?}");
}

/// The nth edit; every one leaves enough for all calls.
fn edit(scene: &Scene, user: &User, n: u64) {
    let amount = 10 + n % 7;
    let limit = 100_000 + n % 9;
    let flip = n.is_multiple_of(2);
    let path = format!("/api/users/{}", user.id);
    let (path, change) = match n % 8 {
        0 => (path, json!({ "budget_total": amount })),
        1 => (path, json!({ "name": "x", "requests_per_minute": limit, "clamp": flip })),
        2 => (path, json!({ "tokens_per_minute": null, "models": if flip { ["all"] } else { ["m"] } })),
        3 => (path, json!({ "reset_day": 1 + n % 28, "concurrency_max": 1_024 })),
        4 => (
            "/api/tenants/demo".into(),
            json!({ "budget_total": if n % 16 == 4 { Value::Null } else { json!(amount) } }),
        ),
        5 => ("/api/tenants/demo".into(), json!({ "requests_per_minute": limit, "clamp": flip })),
        6 => (
            format!("{path}/keys/{}", user.key_id),
            json!({ "budget": amount, "tokens_per_minute": if flip { json!(limit) } else { Value::Null } }),
        ),
        _ => {
            scene
                .platform
                .execute_sql("UPDATE products SET budget_included_nano_eur = budget_included_nano_eur + 1");
            (path, json!({ "period_days": if flip { json!(30) } else { Value::Null } }))
        }
    };
    let status = scene.patch(&path, &change).status.as_u16();
    assert!(matches!(status, 200 | 202), "{change}: {status}");
}

#[test]
fn p14_a_thousand_calls_in_flight_do_not_feel_any_edit() {
    let scene = Scene::new();
    scene.platform.execute_sql(
        "INSERT INTO products (id, name, budget_included_nano_eur, created_at, updated_at) VALUES ('p', 'P', 10000000000, 0, 0)",
    );
    let user = scene.user("a@example.com", &json!({ "budget_total": null, "product_id": "p" }));
    let (mut used, mut reserved, mut settled) = (0, 0, 0);
    for n in 0..CALLS {
        scene.platform.advance(Duration::from_millis(200));
        open(&scene, &user, n);
        reserved += WORST_CASE;
        if n % 3 == 2 {
            settle(&scene, &user, settled);
            used += settled % WORST_CASE;
            reserved -= WORST_CASE;
            settled += 1;
        }
        if n % 5 == 4 {
            // An edit may be lost, half-told or told twice.
            if n % 2 == 0 {
                scene.platform.inject(FAULTS[usize::try_from(n / 5).unwrap() % FAULTS.len()]);
            }
            edit(&scene, &user, n / 5);
        }
        if n % 50 == 49 {
            // Whatever fault is left hits a question.
            let _ = block_on(scene.platform.apply::<Account>(&user.id, Command::Inspect));
            let budget = scene.budget(&user);
            let nano = |name: &str| {
                NanoEur::parse_euros(budget[name].as_str().unwrap()).unwrap().get().unsigned_abs()
            };
            assert_eq!((nano("budget_used"), nano("budget_reserved")), (used, reserved), "after call {n}");
        }
    }
    for n in settled..CALLS {
        settle(&scene, &user, n);
        used += n % WORST_CASE;
    }
    scene.deliver();
    let budget = scene.budget(&user);
    assert_eq!(
        NanoEur::parse_euros(budget["budget_used"].as_str().unwrap()).unwrap().get().unsigned_abs(),
        used
    );
    assert_eq!((&budget["budget_reserved"], &budget["open_holds"]), (&json!("0.00"), &json!(0)));
    let rows = scene.number("SELECT SUM(cost_nano_eur) AS n FROM usage_logs");
    assert_eq!(rows.unsigned_abs(), used);
    assert_eq!(scene.number("SELECT COUNT(*) AS n FROM usage_logs").unsigned_abs(), CALLS);
}
