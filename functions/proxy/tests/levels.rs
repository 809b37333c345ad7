//! Key, user and tenant: all their limits hold together, and the refusal names the one that stopped a call.

mod scene;

use domain::account::{Account, Command, Configuration, Configure, Key, PoolTerms};
use domain::civil_time::PeriodRule;
use domain::money::NanoEur;
use domain::rate_limit::RateLimits;
use domain::tenant_pool::{self, PoolConfiguration, TenantPool};
use futures_executor::block_on;
use platform::AtomicState;
use scene::{Scene, provider, question};

const POOL: &str = "eu-demo";
const SOURCES: [&str; 3] = ["key", "user", "tenant"];
const CEILING: u64 = 100;
/// More than three calls' money pays for.
const CALLS_MAX: usize = 100;

/// What each level has: money for so many calls, and calls per minute.
#[derive(Clone, Copy)]
struct Level {
    calls: i64,
    per_minute: u64,
    tokens: Option<u64>,
}

const PLENTY: Level = Level { calls: 1_000_000, per_minute: 1_000_000, tokens: None };

fn per_minute(level: Level) -> RateLimits {
    RateLimits { requests_per_minute: Some(level.per_minute), tokens_per_minute: level.tokens }
}

/// What one call may cost at most.
fn worst_case() -> NanoEur {
    let error =
        Scene::with_budget(NanoEur::ZERO).chat(&question(CEILING)).expect_error(403, "budget_exceeded");
    NanoEur::parse_euros(error["needed"].as_str().unwrap()).unwrap()
}

fn scene([key, user, tenant]: [Level; 3]) -> Scene {
    let scene = Scene::new();
    let money = |level: Level| NanoEur::saturating(worst_case().get() * level.calls);
    let pool = PoolConfiguration {
        version: 1,
        tenant_id: "demo".into(),
        budget: Some(money(tenant)),
        period: PeriodRule::DEFAULT,
        rates: per_minute(tenant),
    };
    let command = tenant_pool::Command::Configure(Box::new(pool));
    block_on(scene.platform.apply::<TenantPool>(POOL, command)).unwrap();
    let terms = PoolTerms {
        name: POOL.into(),
        money: true,
        requests: true,
        tokens: tenant.tokens.is_some(),
        period: PeriodRule::DEFAULT,
    };
    let configuration = Configuration {
        version: 2,
        rates: per_minute(user),
        pool: Some(terms),
        keys: vec![Key { budget: Some(money(key)), rates: per_minute(key), ..scene.key_entry(&scene.key) }],
        ..Configuration::new("demo", money(user))
    };
    let command = Command::Configure(Box::new(Configure { configuration }));
    block_on(scene.platform.apply::<Account>(&scene.name(), command)).unwrap();
    scene.platform.answer_with(|_| provider::completion(20, 5));
    scene
}

/// All combinations of levels that are short, most significant first.
fn matrix() -> impl Iterator<Item = [bool; 3]> {
    (0..8_u8).map(|bits| [bits & 4 != 0, bits & 2 != 0, bits & 1 != 0])
}

#[test]
fn p15_of_eight_combinations_of_budgets_only_the_one_without_a_short_level_passes() {
    let hold = worst_case();
    for short in matrix() {
        let levels = short.map(|short| if short { Level { calls: 0, ..PLENTY } } else { PLENTY });
        let scene = scene(levels);
        let answer = scene.chat(&question(CEILING));
        let Some(stopped_by) = short.iter().position(|short| *short) else {
            answer.expect_ok();
            continue;
        };
        let error = answer.expect_error(403, "budget_exceeded");
        let source = error["limit_source"].as_str().unwrap().to_owned();
        let named = SOURCES.iter().position(|name| *name == source).unwrap();
        assert!(short[named], "{short:?}: {source} is not short");
        // The tenant is asked last; of key and user the one with less is named.
        assert_eq!(named == 2, stopped_by == 2, "{short:?}: {source}");
        for name in ["limit", "used", "reserved", "over", "remaining"] {
            assert_eq!(error[name], "0.00", "{short:?}: {name}");
        }
        assert_eq!(error["needed"], hold.to_string());
        assert_eq!(error["resets_at"], "2026-03-31T22:00:00.000Z");
        assert_eq!(scene.platform.upstream_calls(), 0);
        scene.finish_background();
        scene.expect_untouched();
    }
}

#[test]
fn p15_of_eight_combinations_of_rates_only_the_one_without_a_short_level_passes() {
    for short in matrix() {
        let levels = short.map(|short| if short { Level { per_minute: 1, ..PLENTY } } else { PLENTY });
        let scene = scene(levels);
        scene.chat(&question(CEILING)).expect_ok();
        let answer = scene.chat(&question(CEILING));
        let Some(stopped_by) = short.iter().position(|short| *short) else {
            answer.expect_ok();
            continue;
        };
        let error = answer.expect_error(429, "rate_limit_exceeded");
        assert_eq!(error["limit_source"], SOURCES[stopped_by], "{short:?}");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert_eq!(scene.platform.upstream_calls(), 1);
    }
}

#[test]
fn p15_the_level_with_least_left_stops_the_calls_and_none_is_exceeded() {
    for (at, source) in SOURCES.into_iter().enumerate() {
        let mut levels = [PLENTY; 3];
        levels[at].calls = 3;
        let scene = scene(levels);
        let refused =
            (0..CALLS_MAX).map(|_| scene.chat(&question(CEILING))).find(|answer| answer.status != 200);
        let error = refused.expect("three calls' money ends").expect_error(403, "budget_exceeded");
        assert_eq!(error["limit_source"], source);
        let money = |name: &str| NanoEur::parse_euros(error[name].as_str().unwrap()).unwrap();
        assert!(money("used") > NanoEur::ZERO && money("over").is_zero(), "{error}");
        // What is left does not pay for one more, and is all that is left.
        assert!(money("remaining") < money("needed"), "{error}");
        let sum = money("used").saturating_add(money("reserved")).saturating_add(money("remaining"));
        assert_eq!(sum, money("limit"), "{error}");
        assert_eq!(money("used"), scene.balance().used, "{source}");
    }
}

/// What the question of [`question`] takes of a limit of tokens beside its ceiling.
fn input_tokens() -> u64 {
    let tokens = Some(1);
    let scene = scene([PLENTY, Level { tokens, ..PLENTY }, PLENTY]);
    let error = scene.chat(&question(CEILING)).expect_error(403, "exceeds_limit");
    error["needed"].as_u64().unwrap() - CEILING
}

#[test]
fn a_call_larger_than_a_whole_limit_is_not_told_to_retry_but_which_max_tokens_fit() {
    let input = input_tokens();
    for (at, source) in SOURCES.into_iter().enumerate() {
        let fits = 40;
        let mut levels = [PLENTY; 3];
        levels[at].tokens = Some(input + fits);
        let scene = scene(levels);
        let refused = scene.chat(&question(CEILING));
        assert_eq!(refused.headers.get("retry-after"), None, "{source}");
        let error = refused.expect_error(403, "exceeds_limit");
        assert_eq!((&error["limit_source"], &error["kind"]), (&source.into(), &"tokens_per_minute".into()));
        assert_eq!((&error["limit"], &error["needed"]), (&(input + fits).into(), &(input + CEILING).into()));
        assert_eq!(error["affordable_max_tokens"], fits, "{source}");
        assert_eq!(scene.platform.upstream_calls(), 0);
        scene.finish_background();
        scene.expect_untouched();
        // With the clamp the call gets what fits; without, whoever asks for that does.
        let mut clamped = scene.request(&question(CEILING));
        clamped.headers_mut().insert("x-budget-clamp", http::HeaderValue::from_static("allow"));
        scene.send(clamped).expect_ok();
        scene.platform.advance(core::time::Duration::from_secs(60));
        scene.chat(&question(fits)).expect_ok();
    }
}

#[test]
fn a_limit_of_nothing_is_not_told_to_retry() {
    for (at, source) in SOURCES.into_iter().enumerate() {
        for (per_minute, tokens) in [(0, None), (1_000, Some(0))] {
            let mut levels = [PLENTY; 3];
            levels[at] = Level { per_minute, tokens, ..PLENTY };
            let refused = scene(levels).chat(&question(CEILING));
            assert_eq!(refused.headers.get("retry-after"), None, "{source}");
            let error = refused.expect_error(403, "exceeds_limit");
            assert_eq!((&error["limit_source"], &error["limit"]), (&source.into(), &0.into()), "{error}");
            assert_eq!(error["affordable_max_tokens"], serde_json::Value::Null);
        }
    }
}
