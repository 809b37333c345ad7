//! Hosts whose clocks differ by minutes: nobody is locked out, every answer names the call as it was booked.

mod scene;

use bytes::Bytes;
use core::time::Duration;
use domain::account::{Account, Command, Configuration, Configure};
use domain::money::NanoEur;
use domain::state_machine::StateMachine;
use domain::time::Timestamp;
use futures_executor::block_on;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use platform::{
    AtomicState, Background, Body, Clock, Database, PlatformError, Randomness, Row, Secret, Secrets,
    Statement, Timer, Upstream,
};
use platform_memory::{MemoryPlatform, START};
use scene::{Scene, provider, question};

const MINUTES: i64 = 60_000;

/// Another host in the same world, with a clock of its own: accounts are on the first.
#[derive(Clone)]
struct OtherHost {
    room: MemoryPlatform,
    ahead_ms: i64,
}

impl Clock for OtherHost {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.room.now().as_millis() + self.ahead_ms)
    }
}

impl Timer for OtherHost {
    async fn sleep(&self, duration: Duration) {
        self.room.sleep(duration).await;
    }
}

impl Randomness for OtherHost {
    fn fill(&self, bytes: &mut [u8]) {
        self.room.fill(bytes);
    }
}

impl Secrets for OtherHost {
    async fn secret(&self, name: &str) -> Result<Secret, PlatformError> {
        self.room.secret(name).await
    }
}

impl Upstream for OtherHost {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, PlatformError> {
        self.room.send(request).await
    }
}

impl Database for OtherHost {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, PlatformError> {
        self.room.query(statement).await
    }

    async fn commit(&self, statements: Vec<Statement>) -> Result<(), PlatformError> {
        self.room.commit(statements).await
    }
}

impl AtomicState for OtherHost {
    async fn apply<M: StateMachine>(
        &self,
        name: &str,
        command: M::Command,
    ) -> Result<M::Reply, PlatformError> {
        self.room.apply::<M>(name, command).await
    }

    async fn deliver<M: StateMachine>(&self, name: &str) -> Result<(), PlatformError> {
        self.room.deliver::<M>(name).await
    }
}

impl Background for OtherHost {
    fn finish_later(&self, task: LocalBoxFuture<'static, ()>) {
        self.room.finish_later(task);
    }
}

fn scene() -> Scene {
    let scene = Scene::new();
    scene.platform.answer_with(|_| provider::completion(20, 5));
    scene
}

#[test]
fn p31_calls_through_a_host_that_is_minutes_off_pass_and_are_booked_once_each() {
    for minutes in [-9, -2, 0, 2, 9] {
        let scene = scene();
        let other = OtherHost { room: scene.platform.clone(), ahead_ms: minutes * MINUTES };
        let mut ids = Vec::new();
        for _ in 0..5 {
            let answer = scene.drive(proxy::handle(&other, scene.request(&question(20))));
            assert_eq!(answer.status(), 200, "{minutes}");
            ids.push(answer.headers()["x-request-id"].to_str().unwrap().to_owned());
            scene.chat(&question(20)).expect_ok();
        }
        let rows = scene.rows();
        assert_eq!(rows.len(), 10);
        let booked = |id: &String| rows.iter().any(|row| row.request_id.to_string() == *id);
        assert!(ids.iter().all(booked), "the caller knows each call by the id that it is booked under");
        let balance = scene.balance();
        assert_eq!((balance.reserved, balance.open_holds), (NanoEur::ZERO, 0));
    }
}

#[test]
fn p31_a_clock_that_was_two_minutes_ahead_for_one_call_shuts_nobody_out() {
    let scene = scene();
    scene.platform.set_now(START.plus(Duration::from_secs(120)));
    scene.chat(&question(20)).expect_ok();
    // The right time again, on every host.
    for second in 0..130 {
        scene.platform.set_now(START.plus(Duration::from_secs(second)));
        scene.chat(&question(20)).expect_ok();
    }
    assert_eq!(scene.rows().len(), 131);
    assert_eq!(scene.balance().open_holds, 0);
}

#[test]
fn p31_a_host_that_is_minutes_off_opens_no_second_budget_at_the_end_of_a_month() {
    let needed = Scene::with_budget(NanoEur::ZERO).chat(&question(20)).expect_error(403, "budget_exceeded");
    let hold = NanoEur::parse_euros(needed["needed"].as_str().unwrap()).unwrap();
    let scene = scene();
    let configuration = Configuration {
        version: 2,
        keys: vec![scene.key_entry(&scene.key)],
        ..Configuration::new("demo", hold)
    };
    let command = Command::Configure(Box::new(Configure { configuration }));
    block_on(scene.platform.apply::<Account>(&scene.name(), command)).unwrap();
    let ends_at = scene.balance().resets_at;
    let mut admitted = 0;
    for half_minute in -20_i64..40 {
        let ahead = if half_minute % 2 == 0 { 5 * MINUTES } else { -MINUTES };
        scene.platform.set_now(Timestamp::from_millis(ends_at.as_millis() + half_minute * 30_000 + ahead));
        admitted += u64::from(scene.chat(&question(20)).status == 200);
    }
    assert_eq!(admitted, 2, "one call's money before the boundary, and once more after it");
}
