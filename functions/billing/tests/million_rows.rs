//! A million usage rows: what a question reads does not grow with them, and they sum exactly.
//!
//! The rows fill the same few account-hours at every size, so that the roll-ups are alike and each question
//! must do the very same work.

mod scene;

use core::time::Duration;
use domain::account::{RowKind, Served, UsageRow};
use domain::identity::{AccountId, RequestId};
use domain::price::{NanoUsdPerMillion, Prices, Tariff, Usage};
use domain::time::Timestamp;
use futures_executor::block_on;
use futures_util::StreamExt;
use platform::{Body, Clock, Database, Statement};
use platform_memory::Watched;
use scene::{KEY, MODEL, Scene, User};
use serde_json::json;
use std::collections::BTreeSet;
use store::usage_arrivals::{Arrivals, Whose};
use store::usage_report::{Cursor, Filter, Page, Scope};
use store::{routing_snapshots, usage_arrivals, usage_logs, usage_report, usage_retention, usage_rollups};

const MILLION: usize = 1_000_000;
const HOURS: usize = 5;
const CHUNK: usize = 50_000;

/// splitmix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Rows ?2 and on, with the costs of ?1: by turns of two users and in turn in each of ?6 hours from ?5. The ?7 rows of
/// the first arrive before those of the second.
const INSERT: &str = "
WITH calls AS (
  SELECT value, ?2 + key AS n, ?5 + (?2 + key) / 2 % ?6 * 3600000 + (?2 + key) / 10 % 3600000 AS at FROM json_each(?1))
INSERT INTO usage_logs
SELECT CASE n % 2 WHEN 0 THEN ?3 ELSE ?4 END, printf('%08x-%04x-7000-8000-%012x', at >> 16, at & 65535, n), 'call',
  'demo', NULL, 'priced', 'demo', 'local', 'priced', value % 1009, value % 7, 0, value % 211, value % 3, 0, 0,
  value, value % 5, value % 99991, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 'completed', NULL, NULL,
  '[]', at, NULL, n % 2 * ?7 + n / 2 + 1
FROM calls";

/// As if they had come by 500.
const FOLLOW: &str = "
INSERT INTO usage_batches (tenant_id, last, first, account_id, at_last, places)
SELECT 'demo', MAX(arrived), MIN(arrived), account_id, MAX(at),
  json_group_array(json_array(at, request_id, kind) ORDER BY arrived)
FROM usage_logs GROUP BY account_id, (arrived - 1) / 500;
INSERT INTO usage_spans SELECT DISTINCT 'demo', at - at % 10000 + 10000, account_id FROM usage_logs;
INSERT INTO usage_dirty SELECT DISTINCT at - at % 3600000, account_id FROM usage_logs";

struct Filled {
    scene: Scene,
    users: [User; 2],
    costs: Vec<u64>,
    start: Timestamp,
}

/// In five hours of ten days ago.
fn filled(rows: usize) -> Filled {
    spread(rows, HOURS)
}

fn spread(rows: usize, hours: usize) -> Filled {
    let scene = Scene::new();
    let users = ["a@example.com", "b@example.com"].map(|email| scene.user(email, &json!({})));
    let start = usage_rollups::hour_of(scene.platform.now().minus(Duration::from_secs(10 * 86_400)));
    let mut random = Random(rows as u64);
    // Up to nine euros each: a million of them are far beyond 2^53 nano-euros.
    let costs: Vec<u64> = (0..rows).map(|_| random.below(9_000_000_000_000)).collect();
    for (chunk, costs) in costs.chunks(CHUNK).enumerate() {
        let statement = Statement::new(INSERT)
            .bind(format!("{costs:?}"))
            .bind((chunk * CHUNK) as i64)
            .bind(users[0].id.as_str())
            .bind(users[1].id.as_str())
            .bind(start.as_millis())
            .bind(hours as i64)
            .bind((rows / 2) as i64);
        block_on(scene.platform.commit(vec![statement])).unwrap();
    }
    scene.platform.execute_sql(FOLLOW);
    Filled { scene, users, costs, start }
}

type Ask<'a> = Box<dyn Fn() + 'a>;

impl Filled {
    fn account(&self) -> AccountId {
        AccountId::parse(&self.users[0].id).unwrap()
    }

    fn page(&self, scope: &Scope, filter: &Filter, after: Option<&Cursor>) -> Page {
        block_on(usage_report::page(&self.scene.platform, scope, filter, after, 2)).unwrap()
    }

    fn arrivals(&self, user: Option<AccountId>) -> Arrivals {
        let whose = Whose { tenant_id: "demo".into(), user };
        block_on(usage_arrivals::page(&self.scene.platform, &whose, &Filter::ALL, 0, 2)).unwrap().unwrap()
    }

    fn get(&self, question: &str) {
        self.scene.get(question).expect(200);
    }

    /// Everything that is asked of the database, by what asks. The charts and sums are of a range that has
    /// all rows.
    fn questions(&self) -> Vec<(&'static str, Vec<Watched>)> {
        let platform = &self.scene.platform;
        let account = self.account();
        let (user, tenant) = (Scope::User(account), Scope::Tenant("demo".into()));
        let some = Filter { model: Some("priced".into()), ..Filter::ALL };
        let range = format!(
            "from={}&to={}",
            self.start.to_rfc3339(),
            self.start.plus(Duration::from_secs(HOURS as u64 * 3_600)).to_rfc3339()
        );
        let second = |scope: &Scope| {
            let first = self.page(scope, &Filter::ALL, None);
            self.page(scope, &Filter::ALL, first.next.as_ref());
        };
        let summary = |question: &str| self.get(&format!("/api/usage/summary?{question}&{range}"));
        let questions: Vec<(&'static str, Ask<'_>)> = vec![
            ("a page of a user", Box::new(|| drop(self.page(&user, &Filter::ALL, None)))),
            ("arrivals of a tenant", Box::new(|| drop(self.arrivals(None)))),
            ("arrivals of a user", Box::new(|| drop(self.arrivals(Some(account))))),
            ("polled arrivals", Box::new(|| self.get("/api/usage?tenant_id=demo&after=0&limit=2"))),
            (
                "a model's call",
                Box::new(|| {
                    drop(
                        block_on(routing_snapshots::find_for_account(
                            platform,
                            account,
                            MODEL,
                            Duration::ZERO,
                        ))
                        .unwrap(),
                    )
                }),
            ),
            (
                "the list of models",
                Box::new(|| drop(block_on(routing_snapshots::of_tenant(platform, "demo")))),
            ),
            ("a page of a tenant", Box::new(|| drop(self.page(&tenant, &Filter::ALL, None)))),
            ("the next page of a user", Box::new(|| second(&user))),
            ("the next page of a tenant", Box::new(|| second(&tenant))),
            (
                "one request's rows",
                Box::new(|| drop(block_on(usage_report::by_request(platform, account, RequestId([0; 16]))))),
            ),
            (
                "one call's row",
                Box::new(|| {
                    let id = RequestId::new(self.start, &[0; 10]);
                    assert_eq!(block_on(usage_report::by_request(platform, account, id)).unwrap().len(), 1);
                }),
            ),
            (
                "check-budget",
                Box::new(|| {
                    let body = json!({ "user_id": self.users[0].id, "estimated_cost": 0 });
                    self.scene.post("/api/check-budget", &body).expect(200);
                }),
            ),
            (
                "a user's list",
                Box::new(|| self.get(&format!("/api/usage?user_id={account}&limit=2&{range}"))),
            ),
            ("a tenant's list", Box::new(|| self.get(&format!("/api/usage?tenant_id=demo&limit=2&{range}")))),
            ("a user's totals", Box::new(|| self.get(&format!("/api/usage?user_id={account}&limit=1")))),
            ("a tenant's totals", Box::new(|| self.get("/api/usage?tenant_id=demo&limit=1"))),
            ("hours by model", Box::new(|| summary("tenant_id=demo&by=hour&group=model"))),
            ("hours by user", Box::new(|| summary("tenant_id=demo&by=hour&group=user"))),
            ("days by provider", Box::new(|| summary("tenant_id=demo&by=day&group=provider"))),
            ("days by user", Box::new(|| summary("tenant_id=demo&by=day&group=user"))),
            ("a user's hours", Box::new(|| summary(&format!("user_id={account}&by=hour&group=model")))),
            ("a user's days", Box::new(|| summary(&format!("user_id={account}&by=day&group=model")))),
            ("the books", Box::new(|| self.get("/api/reconciliation?from=2026-03-01&to=2026-03-31"))),
            (
                "an export's beginning",
                Box::new(|| {
                    let path = format!("/api/usage/export?user_id={account}&{range}");
                    let Body::Stream(mut stream) = self.scene.raw(Some(KEY), "GET", &path, "").into_body()
                    else {
                        panic!("an export is a stream");
                    };
                    block_on(stream.next()).unwrap().unwrap();
                }),
            ),
            ("a filtered page", Box::new(|| drop(self.page(&user, &some, None)))),
            ("a roll-up with nothing to do", Box::new(|| assert_eq!(self.scene.roll_up(), 0))),
            (
                "a retention with nothing to do",
                Box::new(|| {
                    let start = usage_retention::RetentionCursor::default();
                    block_on(usage_retention::delete_old_slice(platform, &start, self.start)).unwrap();
                }),
            ),
        ];
        questions.into_iter().map(|(name, ask)| (name, platform.watch_database(ask).1)).collect()
    }

    fn plan(&self, sql: &str) -> Vec<String> {
        self.scene.platform.query_plan(sql)
    }
}

/// Instructions beyond those of ten rows that a question may need at any size: its page is full, not empty.
const FULL_PAGE_STEPS: i32 = 300;
/// The same for questions that look at up to a fixed number of rows: an export's page and a filter's.
const BOUNDED_STEPS: i32 = 1_000 * 200;

/// Where the second has other plans than the first, or does more than the bound allows.
fn differences(few: &Filled, many: &Filled) -> Vec<String> {
    let mut differences = Vec::new();
    for ((name, few_ran), (_, many_ran)) in few.questions().into_iter().zip(many.questions()) {
        let allowed = match name {
            "an export's beginning" | "a filtered page" | "arrivals of a user" => BOUNDED_STEPS,
            _ => FULL_PAGE_STEPS,
        };
        assert_eq!(few_ran.len(), many_ran.len(), "{name}");
        for (few_ran, many_ran) in few_ran.iter().zip(&many_ran) {
            assert_eq!(few_ran.sql, many_ran.sql, "{name}");
            if many_ran.steps > few_ran.steps + allowed {
                differences.push(format!("{name}: {} steps, {}", few_ran.steps, many_ran.steps));
            }
            if few.plan(few_ran.sql) != many.plan(many_ran.sql) {
                differences.push(format!("{name}: {:?}", many.plan(many_ran.sql)));
            }
        }
    }
    differences
}

#[test]
fn p25_a_million_rows_are_asked_as_ten_are() {
    let few = filled(10);
    let many = filled(MILLION);
    for filled in [&few, &many] {
        assert_eq!(filled.scene.roll_up(), 2 * HOURS);
    }
    assert_eq!(differences(&few, &many), [""; 0]);
    // Admission reads no usage.
    for filled in [&few, &many] {
        for (name, ran) in filled.questions() {
            if matches!(name, "a model's call" | "the list of models" | "check-budget") {
                assert!(ran.iter().all(|ran| !ran.sql.contains("usage_")), "{name}");
            }
        }
    }
}

#[test]
fn p25_the_comparison_notices_every_missing_index() {
    let few = filled(10);
    few.scene.roll_up();
    for index in ["usage_hourly_of_account", "usage_daily_of_account"] {
        let many = filled(2_000);
        many.scene.roll_up();
        many.scene.platform.execute_sql(&format!("DROP INDEX {index}"));
        assert!(!differences(&few, &many).is_empty(), "{index}");
    }
    few.scene.platform.execute_sql("DROP INDEX usage_logs_beside_calls");
    block_on(usage_report::by_request(&few.scene.platform, few.account(), RequestId([0; 16]))).unwrap_err();
}

#[test]
fn p25_a_slice_does_the_same_whatever_waits() {
    // Account-hours of ten rows each, some a thousand and some three thousand of them.
    let work = [10_000, 30_000].map(|rows| {
        let filled = spread(rows, rows / 20);
        filled.scene.platform.advance(Duration::from_secs(rows as u64 * 3_600));
        let platform = &filled.scene.platform;
        let steps = |ran: Vec<Watched>| ran.iter().map(|ran| ran.steps).sum::<i32>();
        let roll_up = || block_on(usage_rollups::roll_up_slice(platform, platform.now())).unwrap();
        let (slice, ran) = platform.watch_database(roll_up);
        assert_eq!((slice.buckets as i64, slice.more), (usage_rollups::BUCKETS_MAX, true));
        filled.scene.roll_up();
        let start = usage_retention::RetentionCursor::default();
        let delete =
            || block_on(usage_retention::delete_old_slice(platform, &start, platform.now())).unwrap();
        let (next, deleted) = platform.watch_database(delete);
        assert_eq!(next, Some(start.clone()));
        [steps(ran), steps(deleted)]
    });
    for (few, many) in work[0].iter().zip(work[1]) {
        assert!(many < few + few / 10, "{work:?}");
    }
}

/// A row that a model's call could leave, priced by its own tariff.
fn priced(random: &mut Random, n: usize, at: Timestamp) -> UsageRow {
    let mut price = || Some(NanoUsdPerMillion(random.below(60_000_000_000)));
    let prices = Prices {
        input: price(),
        cached_input: price(),
        cache_write: price(),
        output: price(),
        reasoning: price(),
        audio_input: price(),
        audio_output: price(),
    };
    let tariff = Tariff {
        prices,
        margin_basis_points: random.below(10_000) as u32,
        eur_per_usd_millionths: 800_000 + random.below(400_000) as u32,
        price_version: 1,
    };
    let usage = Usage {
        input: random.below(200_000),
        cached_input: random.below(200_000),
        cache_write: random.below(1_000),
        output: random.below(50_000),
        reasoning: random.below(50_000),
        audio_input: random.below(100),
        audio_output: random.below(100),
    };
    let price = tariff.price(&usage).unwrap();
    let mut random_part = [0xff; 10];
    random_part[2..].copy_from_slice(&n.to_be_bytes());
    UsageRow {
        request_id: RequestId::new(at, &random_part),
        kind: RowKind::Call,
        tenant_id: "demo".into(),
        key_id: None,
        model: MODEL.into(),
        served: Served { provider: "demo".into(), region: "local".into(), upstream_model: MODEL.into() },
        usage,
        cost: price.cost,
        overrun: domain::money::NanoEur::ZERO,
        provider_cost_nano_usd: price.provider_cost_nano_usd,
        tariff,
        period_opened_at: Timestamp::EPOCH,
        estimated: false,
        outcome: "completed".into(),
        latency_ms: None,
        first_token_ms: None,
        tags: Vec::new(),
        at,
        note: None,
    }
}

#[test]
fn p12_a_million_random_rows_sum_exactly_and_reproduce_their_prices() {
    const PRICED: usize = 1_000;
    let filled = filled(MILLION - PRICED);
    let (platform, account) = (&filled.scene.platform, filled.account());
    let mut random = Random(12);
    let rows: Vec<_> = (0..PRICED).map(|n| (account, priced(&mut random, n, filled.start))).collect();
    block_on(platform.commit(usage_logs::append(&rows))).unwrap();
    let of_first = |costs: &[u64]| costs.iter().step_by(2).map(|cost| i128::from(*cost)).sum::<i128>();
    let priced: i128 = rows.iter().map(|(_, row)| i128::from(row.cost.get())).sum();
    let all = filled.costs.iter().map(|cost| i128::from(*cost)).sum::<i128>() + priced;
    assert!(all > 1 << 61, "the sum tests what floating-point numbers cannot hold");

    let totals = |question: &str| filled.scene.get(question).expect(200)["totals"].clone();
    let of_user = format!("/api/usage?user_id={account}&limit=1");
    let expected = of_first(&filled.costs) + priced;
    assert_eq!(totals(&of_user)["cost_nano_eur"], expected.to_string(), "from the rows themselves");
    assert_eq!(filled.scene.roll_up(), 2 * HOURS);
    assert_eq!(totals(&of_user)["cost_nano_eur"], expected.to_string(), "from the roll-ups");
    let tenant = totals("/api/usage?tenant_id=demo&limit=1");
    assert_eq!((&tenant["cost_nano_eur"], &tenant["rows"]), (&json!(all.to_string()), &json!(MILLION)));

    let mut seen = BTreeSet::new();
    for (_, row) in &rows {
        let entry = block_on(usage_report::by_request(platform, account, row.request_id)).unwrap().remove(0);
        let price = entry.tariff.price(&entry.usage).unwrap();
        assert_eq!((price.cost, price.provider_cost_nano_usd), (entry.cost, entry.provider_cost_nano_usd));
        seen.insert(entry.cost);
    }
    assert!(seen.len() > PRICED / 2, "the sample varies");
}
