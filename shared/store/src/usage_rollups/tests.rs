use super::*;
use crate::plan;
use crate::usage_logs::{self, tests::call_of};
use domain::account::Served;
use domain::identity::{Home, RequestId};
use domain::money::NanoEur;
use domain::price::Usage;
use futures_executor::block_on;
use platform_memory::MemoryPlatform;
use std::collections::BTreeMap;

const T0: i64 = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000;
const HOUR_MS: i64 = 3_600_000;
const ACCOUNT: AccountId = AccountId::new(Home::Eu, [7; 16]);

type Logged = (AccountId, UsageRow);

fn call(n: u64, at: i64) -> Logged {
    let row = UsageRow {
        usage: Usage { input: 10 + n, cached_input: n, output: 20 + n, reasoning: n, ..Usage::default() },
        cost: NanoEur::saturating(1_000 + i64::try_from(n).unwrap()),
        overrun: NanoEur::saturating(3),
        provider_cost_nano_usd: 500 + n,
        estimated: n.is_multiple_of(3),
        outcome: if n.is_multiple_of(5) { "truncated" } else { "completed" }.into(),
        ..call_of(n, Timestamp::from_millis(at))
    };
    (ACCOUNT, row)
}

/// The late end of an expired call, two hours after it.
fn correction(call: &Logged) -> Logged {
    let row = UsageRow {
        kind: RowKind::Correction,
        usage: Usage { input: 1, output: 2, ..Usage::default() },
        cost: NanoEur::saturating(-400),
        overrun: NanoEur::ZERO,
        provider_cost_nano_usd: 77,
        estimated: false,
        outcome: "completed".into(),
        served: Served { provider: "second".into(), ..call.1.served.clone() },
        at: call.1.at.plus(HOUR * 2),
        ..call.1.clone()
    };
    (call.0, row)
}

fn append(platform: &MemoryPlatform, rows: &[Logged]) {
    block_on(platform.commit(usage_logs::append(rows))).unwrap();
}

fn roll_up(platform: &MemoryPlatform, now: i64) -> usize {
    let mut buckets = 0;
    for _ in 0..100 {
        let slice = block_on(roll_up_slice(platform, Timestamp::from_millis(now))).unwrap();
        buckets += slice.buckets;
        if !slice.more {
            return buckets;
        }
    }
    panic!("a hundred slices do not end");
}

/// A table's rows as text, without those that count nothing.
fn table(platform: &MemoryPlatform, sql: &'static str) -> Vec<String> {
    let rows = block_on(platform.query(Statement::new(sql))).unwrap();
    rows.iter().map(|row| row.text("line").unwrap().to_owned()).collect()
}

const HOURLY: &str = "
SELECT concat_ws(' ', account_id, hour, tenant_id, model, provider, kind, row_count, tokens_input, tokens_cached,
  tokens_output, tokens_reasoning, cost_nano_eur, overrun_nano_eur, provider_cost_nano_usd, errors, estimated)
  AS line FROM usage_hourly ORDER BY line";

/// The same by hand: a correction speaks for its call.
fn by_hand(rows: &[Logged]) -> Vec<String> {
    let mut buckets: BTreeMap<String, [i64; 10]> = BTreeMap::new();
    let is_correction = |row: &UsageRow| row.kind == RowKind::Correction;
    let rows: BTreeMap<_, _> =
        rows.iter().map(|(a, row)| ((*a, row.request_id, row.kind.as_str()), row)).collect();
    for ((account, id, _), own) in &rows {
        let late = rows.get(&(*account, *id, "correction")).filter(|_| own.kind == RowKind::Call);
        let says = late.unwrap_or(own);
        let hour = own.at.as_millis() / HOUR_MS * HOUR_MS;
        let key = format!(
            "{account} {hour} {} {} {} {}",
            own.tenant_id,
            own.model,
            says.served.provider,
            own.kind.as_str()
        );
        let counts = i64::from(!is_correction(own));
        let number = |value: u64| counts * i64::try_from(value).unwrap();
        let failed = own.kind == RowKind::Call && says.outcome != "completed";
        let own = [
            1,
            number(says.usage.total_input()),
            number(says.usage.cached_input),
            number(says.usage.total_output()),
            number(says.usage.reasoning),
            own.cost.get(),
            own.overrun.get(),
            number(says.provider_cost_nano_usd),
            i64::from(failed),
            number(says.estimated.into()),
        ];
        let bucket = buckets.entry(key).or_default();
        bucket.iter_mut().zip(own).for_each(|(sum, value)| *sum += value);
    }
    let line = |(key, sums): (String, [i64; 10])| {
        let sums: Vec<String> = sums.iter().map(ToString::to_string).collect();
        format!("{key} {}", sums.join(" "))
    };
    let mut lines: Vec<_> = buckets.into_iter().map(line).collect();
    lines.sort();
    lines
}

/// Every table that follows the hours says what they say.
fn assert_followers_agree(platform: &MemoryPlatform) {
    for (followed, own) in [
        (
            "SELECT concat_ws(' ', account_id, hour - hour % 86400000, tenant_id, model, provider, kind, SUM(row_count),
               SUM(tokens_input), SUM(cost_nano_eur), SUM(provider_cost_nano_usd), SUM(errors)) AS line
             FROM usage_hourly GROUP BY account_id, hour / 86400000, tenant_id, model, provider, kind ORDER BY line",
            "SELECT concat_ws(' ', account_id, day, tenant_id, model, provider, kind, row_count,
               tokens_input, cost_nano_eur, provider_cost_nano_usd, errors) AS line
             FROM usage_daily WHERE row_count <> 0 ORDER BY line",
        ),
        (
            "SELECT concat_ws(' ', tenant_id, hour, model, provider, kind, SUM(row_count), SUM(tokens_cached),
               SUM(tokens_output), SUM(overrun_nano_eur), SUM(estimated)) AS line
             FROM usage_hourly GROUP BY tenant_id, hour, model, provider, kind ORDER BY line",
            "SELECT concat_ws(' ', tenant_id, hour, model, provider, kind, row_count, tokens_cached,
               tokens_output, overrun_nano_eur, estimated) AS line
             FROM tenant_usage_hourly WHERE row_count <> 0 ORDER BY line",
        ),
        (
            "SELECT concat_ws(' ', tenant_id, hour - hour % 86400000, model, provider, kind, SUM(row_count),
               SUM(tokens_reasoning), SUM(cost_nano_eur)) AS line
             FROM usage_hourly GROUP BY tenant_id, hour / 86400000, model, provider, kind ORDER BY line",
            "SELECT concat_ws(' ', tenant_id, day, model, provider, kind, row_count, tokens_reasoning,
               cost_nano_eur) AS line
             FROM tenant_usage_daily WHERE row_count <> 0 ORDER BY line",
        ),
        (
            "SELECT concat_ws(' ', hour - hour % 86400000, provider, upstream_model, SUM(row_count),
               SUM(provider_cost_nano_usd)) AS line
             FROM usage_hourly GROUP BY hour / 86400000, provider, upstream_model ORDER BY line",
            "SELECT concat_ws(' ', day, provider, upstream_model, row_count, provider_cost_nano_usd) AS line
             FROM provider_usage_daily WHERE row_count <> 0 ORDER BY line",
        ),
    ] {
        assert_eq!(table(platform, own), table(platform, followed), "{own}");
    }
}

#[test]
fn p25_rows_count_once_in_whatever_order_and_however_late_they_arrive() {
    for seed in 0..20_u64 {
        let platform = MemoryPlatform::new();
        let mut arriving: Vec<Logged> = (0..60)
            .map(|n| {
                let account = AccountId::new(Home::Eu, [(n % 3) as u8; 16]);
                let at = T0 + (n as i64 * 7_919 + seed as i64) % 72 * (HOUR_MS / 2);
                let (_, mut row) = call(n, at);
                row.model = format!("model {}", n % 2);
                (account, row)
            })
            .collect();
        let corrections: Vec<_> = arriving.iter().step_by(7).map(correction).collect();
        arriving.extend(corrections);
        // A shuffle of the seed's own: later rows before earlier ones, corrections before their calls.
        arriving.sort_by_key(|(_, row)| {
            RequestId::of_foreign(&seed.to_string(), &format!("{} {}", row.request_id, row.kind.as_str())).0
        });
        let mut now = T0;
        for (n, batch) in arriving.chunks(5).enumerate() {
            append(&platform, batch);
            // The acknowledgement was lost.
            if n % 3 == 0 {
                append(&platform, batch);
            }
            now += HOUR_MS * 3;
            if !(n as u64 + seed).is_multiple_of(4) {
                roll_up(&platform, now);
                assert_followers_agree(&platform);
            }
        }
        now += HOUR_MS * 48;
        roll_up(&platform, now);
        for _ in 0..5 {
            assert_eq!(roll_up(&platform, now), 0);
            assert_eq!(table(&platform, HOURLY), by_hand(&arriving), "seed {seed}");
            assert_followers_agree(&platform);
        }
        // Marking everything once more changes no figure.
        append(&platform, &arriving);
        assert!(roll_up(&platform, now) > 0);
        assert_eq!(table(&platform, HOURLY), by_hand(&arriving), "seed {seed}");
        assert_followers_agree(&platform);
    }
}

#[test]
fn a_correction_replaces_its_calls_usage_and_adds_its_difference() {
    let platform = MemoryPlatform::new();
    let call = call(5, T0);
    let correction = correction(&call);
    append(&platform, std::slice::from_ref(&call));
    assert_eq!(roll_up(&platform, T0 + HOUR_MS * 3), 1);
    append(&platform, std::slice::from_ref(&correction));
    assert_eq!(roll_up(&platform, T0 + HOUR_MS * 4), 2, "the call's hour and the correction's");
    let (first, third) = (T0, T0 + HOUR_MS * 2);
    assert_eq!(
        table(&platform, HOURLY),
        [
            format!("{ACCOUNT} {first} tenant model second call 1 1 0 2 0 1005 3 77 0 0"),
            format!("{ACCOUNT} {third} tenant model second correction 1 0 0 0 0 -400 0 0 0 0"),
        ]
    );
    assert_followers_agree(&platform);
}

#[test]
fn an_hour_is_rolled_up_when_it_is_over_and_settled() {
    let platform = MemoryPlatform::new();
    append(&platform, &[call(1, T0)]);
    let settling = SETTLING.as_millis() as i64;
    assert_eq!(roll_up(&platform, T0 + HOUR_MS + settling - 1), 0);
    assert_eq!(block_on(dirty_since(&platform)).unwrap(), Some(Timestamp::from_millis(T0)));
    assert_eq!(roll_up(&platform, T0 + HOUR_MS + settling), 1);
    assert_eq!(block_on(dirty_since(&platform)).unwrap(), None);
}

#[test]
fn slices_are_bounded_and_one_that_fails_leaves_its_work() {
    let platform = MemoryPlatform::new();
    let rows: Vec<Logged> = (0..700).map(|n| call(n, T0 + n as i64 * HOUR_MS)).collect();
    append(&platform, &rows);
    let now = Timestamp::from_millis(T0 + 1_000 * HOUR_MS);
    let first = block_on(roll_up_slice(&platform, now)).unwrap();
    assert_eq!(first, RolledUp { buckets: BUCKETS_MAX as usize, more: true, ..RolledUp::default() });
    platform.set_database_down(true);
    block_on(roll_up_slice(&platform, now)).unwrap_err();
    platform.set_database_down(false);
    let second = block_on(roll_up_slice(&platform, now)).unwrap();
    assert_eq!(second, RolledUp { buckets: 200, ..RolledUp::default() });
    assert_eq!(table(&platform, HOURLY), by_hand(&rows));
}

#[test]
fn an_account_hour_with_many_rows_ends_its_slice() {
    let platform = MemoryPlatform::new();
    for part in 0..3 {
        let rows: Vec<_> = (0..1_000).map(|n| call(part * 1_000 + n, T0)).collect();
        append(&platform, &rows);
    }
    append(&platform, &[call(9_999, T0 + HOUR_MS)]);
    let now = Timestamp::from_millis(T0 + HOUR_MS * 9);
    for more in [true, false] {
        let slice = block_on(roll_up_slice(&platform, now)).unwrap();
        assert_eq!(slice, RolledUp { buckets: 1, more, ..RolledUp::default() });
    }
}

#[test]
fn what_is_more_than_can_be_summed_is_left_out_and_holds_up_no_other() {
    let platform = MemoryPlatform::new();
    let other = AccountId::new(Home::Eu, [8; 16]);
    let dearest = |n| {
        let (account, row) = call(n, T0);
        (account, UsageRow { cost: NanoEur::MAX, ..row })
    };
    let beyond: Vec<Logged> = (0..1_025).map(dearest).collect();
    for rows in beyond.chunks(usage_logs::BATCH_ROWS_MAX) {
        append(&platform, rows);
    }
    let ordinary = [(other, call(2_000, T0).1), (other, call(2_001, T0 + HOUR_MS).1)];
    append(&platform, &ordinary);
    let now = Timestamp::from_millis(T0 + 9 * HOUR_MS);
    let slice = block_on(roll_up_slice(&platform, now)).unwrap();
    let left_out = vec![(ACCOUNT, Timestamp::from_millis(T0))];
    assert_eq!(slice, RolledUp { buckets: 0, left_out, more: true });
    assert_eq!(roll_up(&platform, now.as_millis()), 2);
    assert_eq!(table(&platform, HOURLY), by_hand(&ordinary));
    assert_eq!(block_on(dirty_since(&platform)).unwrap(), None);
    // As much as can be summed is.
    let summable: Vec<Logged> = beyond
        .into_iter()
        .take(usage_logs::BATCH_ROWS_MAX)
        .map(|(_, row)| (other, UsageRow { at: row.at.plus(HOUR * 3), ..row }))
        .collect();
    append(&platform, &summable);
    assert_eq!(roll_up(&platform, now.as_millis()), 1);
}

#[test]
fn p25_no_step_of_a_roll_up_scans_a_table() {
    for sql in [DUE, MARK, MARK_CORRECTED, FORGET, SUM, BEYOND, CLEAN].into_iter().chain(FOLLOWERS) {
        let plan = plan::of(sql);
        for table in ["usage_logs", "usage_dirty", "usage_hourly", "hourly", "own", "late", "called"] {
            assert!(!plan.contains(&format!("SCAN {table}")), "{plan}: {sql}");
        }
    }
    for sql in [BEYOND, MARK_CORRECTED] {
        assert!(plan::of(sql).contains("AND request_id=? AND kind=?)"), "{sql}");
    }
    // One account's hour is read and nothing beside it, and its corrections by their own index.
    let plan = plan::of(SUM);
    for step in [
        "own USING PRIMARY KEY (account_id=? AND at>? AND at<?)",
        "late USING INDEX usage_logs_beside_calls (account_id=? AND request_id=? AND kind=?)",
    ] {
        assert!(plan.contains(step), "{plan}");
    }
}
