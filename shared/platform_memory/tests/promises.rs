//! The boundary's promises, as this room keeps them. The machine under test is the account.

use domain::account::{
    Account, Adjust, Command, Configuration, Configure, Event, HOLD_TTL, Reply, Reserve, Served,
};
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::price::{NanoUsdPerMillion, Prices, Tariff, Usage};
use futures_executor::block_on;
use futures_util::future::{Either, join, select};
use futures_util::{FutureExt, StreamExt};
use http::Request;
use platform::{
    AtomicState, Background, Body, Clock, Database, Platform, PlatformErrorKind, Secrets, Statement, Timer,
    Upstream,
};
use platform_memory::{Answer, Ending, Fault, MemoryPlatform};
use std::cell::Cell;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

const NAME: &str = "eu-00000000000000000000000000000001";

fn configure() -> Command {
    Command::Configure(Box::new(Configure {
        configuration: Configuration::new("tenant", NanoEur::euros(1_000)),
    }))
}

fn charge(id: u8) -> Command {
    let operation_id = RequestId([id; 16]);
    Command::Adjust(Adjust { operation_id, amount: NanoEur::euros(1), reason: "by hand".into() })
}

async fn used(platform: &impl Platform) -> NanoEur {
    match platform.apply::<Account>(NAME, Command::Inspect).await {
        Ok(Reply::Balance(balance)) => balance.used,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sleep_ends_when_the_test_moves_the_clock() {
    let platform = MemoryPlatform::new();
    let mut sleep = pin!(platform.sleep(Duration::from_secs(5)));
    assert_eq!(sleep.as_mut().now_or_never(), None);
    platform.advance(Duration::from_secs(4));
    assert_eq!(sleep.as_mut().now_or_never(), None);
    platform.advance(Duration::from_secs(1));
    block_on(sleep);
}

#[test]
fn a_hanging_upstream_loses_the_race_and_counts_as_cancelled() {
    let platform = MemoryPlatform::new();
    platform.answer_next(Answer::Hang);
    let request = Request::post("http://upstream/v1").body("x".into()).unwrap();
    let mut race =
        Box::pin(select(Box::pin(platform.send(request)), Box::pin(platform.sleep(Duration::from_secs(1)))));
    assert!((&mut race).now_or_never().is_none());
    platform.advance(Duration::from_secs(1));
    assert!(matches!(block_on(race), Either::Right(_)));
    assert_eq!((platform.upstream_calls(), platform.upstream_cancelled()), (1, 1));
}

#[test]
fn a_stream_ends_as_scripted_and_dropping_it_cancels() {
    let platform = MemoryPlatform::new();
    platform.answer_with(|_| Answer::sse(["data: 1\n\n", "data: 2\n\n"], Ending::Broken));
    let chunks = |take: usize| {
        let response = block_on(platform.send(Request::new("".into()))).unwrap();
        let Body::Stream(stream) = response.into_body() else { panic!("not a stream") };
        block_on(stream.take(take).map(|chunk| chunk.is_ok()).collect::<Vec<_>>())
    };
    assert_eq!(chunks(9), [true, true, false]);
    assert_eq!(platform.upstream_cancelled(), 0);
    assert_eq!(chunks(1), [true]);
    assert_eq!(platform.upstream_cancelled(), 1);
}

#[test]
fn a_commit_stores_all_or_none() {
    let platform = MemoryPlatform::new();
    platform.execute_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)");
    let insert = |id: i64| Statement::new("INSERT INTO t VALUES (?1, ?2)").bind(id).bind(None::<String>);
    block_on(platform.commit(vec![insert(1)])).unwrap();
    let error = block_on(platform.commit(vec![insert(2), insert(1)])).unwrap_err();
    assert_eq!(error.kind, PlatformErrorKind::Conflict);
    let rows =
        block_on(platform.query(Statement::new("SELECT count(*) AS n, max(name) AS name FROM t"))).unwrap();
    assert_eq!(rows[0].integer("n"), Ok(1));
    assert_eq!(rows[0].optional_text("name"), Ok(None));
}

#[test]
fn a_fault_strikes_once_before_or_after_the_step_took_effect() {
    for (fault, took_effect, kind) in [
        (Fault::BeforeStep, false, PlatformErrorKind::Unavailable),
        (Fault::AfterStore, true, PlatformErrorKind::Unavailable),
        (Fault::CrashBeforeStore, false, PlatformErrorKind::Unavailable),
        (Fault::CrashAfterStore, true, PlatformErrorKind::Unavailable),
        (Fault::HangBeforeStep, false, PlatformErrorKind::TimedOut),
        (Fault::HangAfterStore, true, PlatformErrorKind::TimedOut),
    ] {
        let platform = MemoryPlatform::new();
        block_on(async {
            platform.apply::<Account>(NAME, configure()).await.unwrap();
            platform.inject(fault);
            let error = platform.apply::<Account>(NAME, charge(1)).await.unwrap_err();
            assert_eq!(error.kind, kind, "{fault:?}");
            assert_eq!(used(&platform).await, NanoEur::euros(took_effect.into()), "{fault:?}");
            platform.apply::<Account>(NAME, charge(1)).await.unwrap();
            assert_eq!(used(&platform).await, NanoEur::euros(1), "{fault:?}");
        });
    }
}

#[test]
fn a_crash_loses_memory_and_background_but_no_row_and_no_event() {
    let platform = MemoryPlatform::new();
    block_on(async {
        platform.apply::<Account>(NAME, configure()).await.unwrap();
        for id in 0..100 {
            platform.apply::<Account>(NAME, charge(id)).await.unwrap();
        }
        platform.finish_later(async { panic!("lost") }.boxed_local());
        platform.crash();
        platform.run_background().await;
        assert_eq!(used(&platform).await, NanoEur::euros(100));
        assert_eq!(platform.undelivered::<Account>(NAME), Ok(100));
        platform.deliver_all::<Account>().await.unwrap();
        assert_eq!(platform.delivered::<Account>(NAME).len(), 100);
        assert_eq!(platform.undelivered::<Account>(NAME), Ok(0));
    });
}

/// An empty folder of this test's own; gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("platform-memory-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_room_in_a_folder_outlives_its_process_with_state_and_undelivered_events() {
    let folder = Folder::new("outlives");
    let charged = |platform: MemoryPlatform, ids: core::ops::Range<u8>| async move {
        for id in ids {
            platform.apply::<Account>(NAME, charge(id)).await.unwrap();
        }
    };
    block_on(async {
        let first = MemoryPlatform::in_folder(&folder.0).unwrap();
        first.apply::<Account>(NAME, configure()).await.unwrap();
        charged(first.clone(), 0..100).await;
        let rows = first.rows_of::<Account>(NAME);
        drop(first);
        let second = MemoryPlatform::in_folder(&folder.0).unwrap();
        assert_eq!(second.machines::<Account>(), [NAME]);
        assert_eq!(second.rows_of::<Account>(NAME), rows);
        // Repeated, an operation is still known.
        charged(second.clone(), 90..110).await;
        assert_eq!(used(&second).await, NanoEur::euros(110));
        assert_eq!(second.undelivered::<Account>(NAME), Ok(110));
        let undelivered = second.rows_of::<Account>(NAME);
        second.deliver::<Account>(NAME).await.unwrap();
        drop(second);
        let third = MemoryPlatform::in_folder(&folder.0).unwrap();
        assert_eq!(third.undelivered::<Account>(NAME), Ok(0));
        assert_eq!(used(&third).await, NanoEur::euros(110));
        let delivered = third.rows_of::<Account>(NAME);
        assert!(delivered < undelivered, "delivered events are gone from the file");
    });
}

#[test]
fn a_step_that_the_folder_does_not_take_fails_and_has_no_effect() {
    let folder = Folder::new("refuses");
    let platform = MemoryPlatform::in_folder(&folder.0).unwrap();
    block_on(async {
        platform.apply::<Account>(NAME, configure()).await.unwrap();
        let other = rusqlite::Connection::open(folder.0.join("machines.db")).unwrap();
        let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON heads BEGIN SELECT RAISE(ABORT, 'full'); END";
        other.execute_batch(refuse).unwrap();
        let error = platform.apply::<Account>(NAME, charge(1)).await.unwrap_err();
        assert_eq!(error.kind, PlatformErrorKind::Unavailable);
        other.execute_batch("DROP TRIGGER refuse").unwrap();
        assert_eq!(used(&platform).await, NanoEur::ZERO);
        platform.apply::<Account>(NAME, charge(1)).await.unwrap();
        assert_eq!(used(&platform).await, NanoEur::euros(1));
    });
}

#[test]
fn two_deliveries_at_once_do_not_acknowledge_the_same_event_twice() {
    let platform = MemoryPlatform::new();
    let (calls, waiting) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let noted = waiting.clone();
    platform.deliver_to(move |platform, _| {
        let (call, noted) = (calls.replace(calls.get() + 1), noted.clone());
        async move {
            match call {
                // Both hold the same events; the second delivery comes to its end long after the first.
                0 => platform.sleep(Duration::from_secs(1)).await,
                1 => {
                    platform.sleep(Duration::from_secs(2)).await;
                    for id in 40..80 {
                        platform.apply::<Account>(NAME, charge(id)).await?;
                    }
                }
                _ => noted.set(platform.undelivered::<Account>(NAME)?),
            }
            Ok(())
        }
    });
    block_on(async {
        platform.apply::<Account>(NAME, configure()).await.unwrap();
        for id in 0..40 {
            platform.apply::<Account>(NAME, charge(id)).await.unwrap();
        }
        let deliver = || platform.deliver::<Account>(NAME);
        let mut both = pin!(join(deliver(), deliver()));
        assert_eq!(both.as_mut().now_or_never(), None);
        platform.advance(Duration::from_secs(1));
        assert_eq!(both.as_mut().now_or_never(), None);
        platform.advance(Duration::from_secs(1));
        assert_eq!(both.await, (Ok(()), Ok(())));
    });
    assert_eq!(waiting.get(), 40, "those that came later");
    assert_eq!(platform.undelivered::<Account>(NAME), Ok(0));
}

#[test]
fn events_wait_while_their_sink_fails() {
    let platform = MemoryPlatform::new();
    platform.deliver_to(|platform, batch| async move {
        assert_eq!(batch.events::<Account>().len(), 1);
        platform.commit(vec![Statement::new("SELECT 1")]).await
    });
    block_on(async {
        platform.apply::<Account>(NAME, configure()).await.unwrap();
        platform.apply::<Account>(NAME, charge(1)).await.unwrap();
        platform.set_database_down(true);
        assert!(platform.deliver::<Account>(NAME).await.is_err());
        assert_eq!(platform.undelivered::<Account>(NAME), Ok(1));
        platform.set_database_down(false);
        platform.deliver::<Account>(NAME).await.unwrap();
        assert_eq!(platform.undelivered::<Account>(NAME), Ok(0));
    });
}

/// A call of one token for a thousandth of a dollar or euro.
fn reserve(platform: &MemoryPlatform) -> Command {
    let one = Usage { input: 1, ..Usage::default() };
    let price = NanoUsdPerMillion(1_000_000_000_000);
    Command::Reserve(Box::new(Reserve {
        request_id: RequestId::new(platform.now(), &[1; 10]),
        key: None,
        model: "m".into(),
        routing_version: 0,
        worst_case: one,
        input_estimate: one,
        tariff: Tariff {
            prices: Prices { input: Some(price), ..Prices::default() },
            eur_per_usd_millionths: 1_000_000,
            ..Tariff::default()
        },
        valid_until: platform.now().plus(Duration::from_secs(5)),
        clamp: false,
        choices: 1,
        served: Served::default(),
        tags: Vec::new(),
        grant: None,
        amount: None,
        asked: 0,
        after_ends: None,
    }))
}

#[test]
fn a_delivery_ends_what_is_due_and_takes_its_events_along() {
    let platform = MemoryPlatform::new();
    block_on(async {
        platform.apply::<Account>(NAME, configure()).await.unwrap();
        let reply = platform.apply::<Account>(NAME, reserve(&platform)).await.unwrap();
        assert!(matches!(reply, Reply::Reserved(_)), "{reply:?}");
        platform.deliver::<Account>(NAME).await.unwrap();
        assert_eq!(platform.delivered::<Account>(NAME), []);
        platform.advance(HOLD_TTL);
        platform.deliver::<Account>(NAME).await.unwrap();
        let [Event::Usage(row)] = &platform.delivered::<Account>(NAME)[..] else { panic!("one row") };
        assert_eq!((row.outcome.as_str(), row.estimated), ("expired", true));
    });
}

#[test]
fn a_name_that_was_never_configured_stores_nothing() {
    let platform = MemoryPlatform::new();
    block_on(platform.apply::<Account>(NAME, Command::Inspect)).unwrap();
    block_on(platform.apply::<Account>(NAME, charge(1))).unwrap();
    block_on(platform.deliver::<Account>(NAME)).unwrap();
    assert_eq!((platform.rows_written(), platform.rows_of::<Account>(NAME)), (0, 0));
}

#[test]
fn background_tasks_may_queue_more() {
    let platform = MemoryPlatform::new();
    let inner = platform.clone();
    platform.finish_later(
        async move {
            let last = inner.clone();
            inner.finish_later(async move { last.advance(Duration::from_secs(1)) }.boxed_local());
        }
        .boxed_local(),
    );
    let before = platform.now();
    block_on(platform.run_background());
    assert_eq!(platform.now(), before.plus(Duration::from_secs(1)));
}

#[test]
fn secrets_are_made_up_and_can_be_taken_away() {
    let platform = MemoryPlatform::new();
    assert_eq!(block_on(platform.secret("PROVIDER_KEYS_KEY_1")).unwrap().expose().len(), 64);
    platform.remove_secret("PROVIDER_KEYS_KEY_1");
    let error = block_on(platform.secret("PROVIDER_KEYS_KEY_1")).unwrap_err();
    assert_eq!(error.kind, PlatformErrorKind::NotConfigured);
}
