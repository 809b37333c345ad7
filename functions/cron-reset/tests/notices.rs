//! Notices leave by mail and by webhook: each at least once, under one id.

mod scene;

use core::cell::Cell;
use core::time::Duration;
use domain::account::LimitSource;
use domain::money::NanoEur;
use domain::notice::{Notice, THRESHOLDS};
use domain::provider_key;
use domain::time::Timestamp;
use domain::webhook_signature;
use futures_executor::block_on;
use futures_util::future::join;
use http::Request;
use platform::{Clock, Database, Secrets};
use platform_memory::{Answer, LastQuestion, MemoryPlatform};
use scene::{CRON, account, add_users, count, empty, rows, run};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const MAIL_URL: &str = "https://mail.example.com/emails";
const HOOK: &str = "https://hooks.example.com/budget";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn secret() -> String {
    webhook_signature::new_secret(&[7; webhook_signature::SECRET_BYTES])
}

/// One user, one admin, one endpoint, and a mail provider.
fn host() -> MemoryPlatform {
    let platform = empty();
    add_users(&platform, 2, 1 << 50);
    platform.execute_sql(&format!(
        "UPDATE users SET name = 'Ada' WHERE id = '{}';
         UPDATE users SET role = 'tenant_admin' WHERE id = '{}'",
        account(0),
        account(1)
    ));
    add_endpoint(&platform, "wh_1", HOOK);
    platform.set_secret("MAIL_URL", MAIL_URL);
    platform.set_secret("MAIL_FROM", "CloudFreedom <notices@example.com>");
    platform.set_secret("MAIL_API_KEY", "a fake key");
    platform
}

fn add_endpoint(platform: &MemoryPlatform, id: &str, url: &str) {
    let master = block_on(platform.secret("PROVIDER_KEYS_KEY_1")).unwrap();
    let master = provider_key::master_key(master.expose()).unwrap();
    let sealed = provider_key::seal(&master, &format!("webhook:{id}"), &secret(), &[1; 24]);
    platform.execute_sql(&format!(
        "INSERT INTO webhook_endpoints (id, tenant_id, url, events, sealed_secret, created_at)
         VALUES ('{id}', 't', '{url}', '[\"*\"]', '{sealed}', 0)"
    ));
}

fn notice(platform: &MemoryPlatform, source: LimitSource, percent: u8) -> (String, Notice) {
    let subject = if source == LimitSource::Tenant { "t".to_owned() } else { account(0).to_string() };
    let notice = Notice {
        key: None,
        tenant_id: "t".into(),
        source,
        percent,
        used: NanoEur::euros(8),
        limit: NanoEur::euros(10),
        period_opened_at: platform.now(),
        resets_at: platform.now().plus(DAY),
        at: platform.now(),
    };
    (subject, notice)
}

fn raise(platform: &MemoryPlatform, notices: &[(String, Notice)]) {
    block_on(platform.commit(vec![store::notices::insert_batch(notices)])).unwrap();
}

fn header<'a>(request: &'a Request<bytes::Bytes>, name: &str) -> &'a str {
    request.headers().get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
}

fn body(request: &Request<bytes::Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

fn statuses(platform: &MemoryPlatform) -> Vec<String> {
    let sql = "SELECT channel || ' ' || status || ' ' || COALESCE(last_answer, '') AS line FROM deliveries ORDER BY line";
    rows(platform, sql).iter().map(|row| row.text("line").unwrap().to_owned()).collect()
}

#[test]
fn a_notice_of_a_user_goes_to_the_user_and_to_the_tenants_endpoint() {
    let platform = host();
    platform.answer_with(|_| Answer::text(200, "{}"));
    raise(&platform, &[notice(&platform, LimitSource::User, 80)]);
    let summary = run(&platform);
    assert_eq!((summary.of("notices").done, summary.of("deliveries").done), (1, 2));
    assert_eq!(statuses(&platform), ["mail delivered 200", "webhook delivered 200"]);
    let requests = platform.upstream_requests();
    let mail = requests.iter().find(|request| *request.uri() == MAIL_URL).unwrap();
    assert_eq!(header(mail, "authorization"), "Bearer a fake key");
    let content = body(mail);
    assert_eq!(content["from"], "CloudFreedom <notices@example.com>");
    assert_eq!(content["to"], serde_json::json!(["u0@example.com"]));
    assert_eq!(content["subject"], "80 % of your AI budget is used");
    assert!(content["text"].as_str().unwrap().starts_with("Hello Ada,"));
    let hook = requests.iter().find(|request| *request.uri() == HOOK).unwrap();
    let content = body(hook);
    assert_eq!(content["type"], "budget.threshold_reached");
    assert_eq!(content["id"], header(hook, "webhook-id"));
    assert_eq!(content["data"]["subject"], account(0).to_string());
    assert_eq!(content["data"]["percent"], 80);
    assert_eq!(content["data"]["used"], "8.00");
}

#[test]
fn a_webhook_is_signed_under_its_endpoints_secret() {
    let platform = host();
    platform.answer_with(|_| Answer::text(204, ""));
    raise(&platform, &[notice(&platform, LimitSource::User, 80)]);
    run(&platform);
    let requests = platform.upstream_requests();
    let hook = requests.iter().find(|request| *request.uri() == HOOK).unwrap();
    assert_eq!(header(hook, "webhook-timestamp"), platform.now().as_secs().to_string());
    let expected =
        webhook_signature::sign(&secret(), header(hook, "webhook-id"), platform.now(), hook.body()).unwrap();
    assert_eq!(header(hook, "webhook-signature"), expected);
}

#[test]
fn a_webhook_waits_while_it_is_not_known_where_it_may_go() {
    let platform = host();
    platform.answer_with(|_| Answer::text(200, "{}"));
    platform.set_secret("WEBHOOK_ADDRESSES", "everywhere");
    raise(&platform, &[notice(&platform, LimitSource::User, 80)]);
    run(&platform);
    assert!(platform.upstream_requests().iter().all(|request| *request.uri() != HOOK));
    assert_eq!(statuses(&platform)[1], "webhook waiting where webhooks may go is not configured");
}

#[test]
fn a_webhook_outside_of_what_the_deployment_lets_out_to_is_not_sent() {
    let platform = host();
    platform.answer_with(|_| Answer::text(200, "{}"));
    platform.set_secret("WEBHOOK_ADDRESSES", "https://hooks.example.net");
    raise(&platform, &[notice(&platform, LimitSource::User, 80)]);
    run(&platform);
    assert!(platform.upstream_requests().iter().all(|request| *request.uri() != HOOK));
    assert_eq!(statuses(&platform)[1], "webhook failed webhooks may not be sent to this address");
}

#[test]
fn a_notice_of_a_tenant_goes_to_its_admins() {
    let platform = host();
    platform.answer_with(|_| Answer::text(200, "{}"));
    raise(&platform, &[notice(&platform, LimitSource::Tenant, 95)]);
    run(&platform);
    let requests = platform.upstream_requests();
    let mail = requests.iter().find(|request| *request.uri() == MAIL_URL).unwrap();
    assert_eq!(body(mail)["to"], serde_json::json!(["u1@example.com"]));
    platform.execute_sql("UPDATE users SET role = 'user'");
    raise(&platform, &[notice(&platform, LimitSource::Tenant, 100)]);
    run(&platform);
    assert_eq!(
        statuses(&platform),
        ["mail delivered 200", "mail undeliverable ", "webhook delivered 200", "webhook delivered 200"]
    );
}

#[test]
fn without_a_mail_provider_nothing_is_sent_or_stored_and_captured_mails_can_be_read() {
    let platform = host();
    platform.answer_with(|_| Answer::text(200, "{}"));
    platform.set_secret("MAIL_URL", "");
    raise(&platform, &[notice(&platform, LimitSource::User, 50)]);
    run(&platform);
    assert_eq!(statuses(&platform)[0], "mail unconfigured MAIL_URL is not set");
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM outbox_mails"), 0);
    platform.remove_secret("MAIL_FROM");
    platform.set_secret("MAIL_URL", "capture:");
    raise(&platform, &[notice(&platform, LimitSource::User, 80)]);
    run(&platform);
    let mails = rows(&platform, "SELECT recipient, subject FROM outbox_mails ORDER BY subject");
    assert_eq!(mails.len(), 2, "what waited for a provider is sent, too");
    assert_eq!(mails[0].text("recipient").unwrap(), "u0@example.com");
    assert!(platform.upstream_requests().iter().all(|request| *request.uri() == HOOK));
}

/// The mails that were sent, by their ids.
fn mail_ids(platform: &MemoryPlatform) -> Vec<String> {
    let requests = platform.upstream_requests();
    let mails = requests.iter().filter(|request| *request.uri() == MAIL_URL);
    mails.map(|mail| header(mail, "idempotency-key").to_owned()).collect()
}

#[test]
fn p27_a_mail_that_waited_for_a_provider_is_sent_once_there_is_one_and_retried_under_its_one_id() {
    let platform = host();
    let down = std::rc::Rc::new(Cell::new(true));
    let mail_is_down = down.clone();
    platform.answer_with(move |request| {
        let fails = *request.uri() == MAIL_URL && mail_is_down.get();
        Answer::text(if fails { 503 } else { 200 }, "{}")
    });
    platform.set_secret("MAIL_URL", "");
    raise(&platform, &[notice(&platform, LimitSource::User, 50)]);
    for _ in 0..3 {
        run(&platform);
        platform.advance(DAY);
    }
    assert_eq!(
        (mail_ids(&platform).len(), &*statuses(&platform)[0]),
        (0, "mail unconfigured MAIL_URL is not set")
    );
    platform.set_secret("MAIL_URL", MAIL_URL);
    run(&platform);
    assert_eq!(statuses(&platform)[0], "mail waiting 503");
    down.set(false);
    for _ in 0..60 {
        platform.advance(CRON);
        run(&platform);
    }
    assert_eq!(statuses(&platform)[0], "mail delivered 200");
    let ids = mail_ids(&platform);
    assert_eq!((ids.len(), ids[0] == ids[1]), (2, true), "{ids:?}");
}

#[test]
fn news_that_waited_a_week_for_a_provider_helps_nobody() {
    let platform = host();
    platform.answer_with(|_| Answer::text(200, "{}"));
    platform.set_secret("MAIL_URL", "");
    raise(&platform, &[notice(&platform, LimitSource::User, 50)]);
    run(&platform);
    platform.advance(DAY * 7);
    platform.set_secret("MAIL_URL", MAIL_URL);
    run(&platform);
    assert_eq!(mail_ids(&platform).len(), 0);
    assert_eq!(statuses(&platform)[0], "mail unconfigured MAIL_URL is not set");
}

#[test]
fn many_mails_that_waited_all_leave() {
    let platform = host();
    platform.answer_with(|_| Answer::text(200, "{}"));
    platform.set_secret("MAIL_URL", "");
    for n in 0..30 {
        let (_, mut notice) = notice(&platform, LimitSource::User, 50);
        notice.period_opened_at = Timestamp::from_millis(n);
        raise(&platform, &[(account(0).to_string(), notice)]);
    }
    for _ in 0..10 {
        run(&platform);
        platform.advance(CRON);
    }
    platform.set_secret("MAIL_URL", MAIL_URL);
    for _ in 0..10 {
        run(&platform);
        platform.advance(CRON);
    }
    let ids: BTreeSet<_> = mail_ids(&platform).into_iter().collect();
    assert_eq!((ids.len(), mail_ids(&platform).len()), (30, 30));
}

#[test]
fn what_fails_is_sent_again_for_a_day_under_the_same_id_and_then_given_up() {
    let platform = host();
    platform.answer_with(|_| Answer::text(503, ""));
    raise(&platform, &[notice(&platform, LimitSource::User, 80)]);
    let started = platform.now();
    let mut last_try = started;
    while count(&platform, "SELECT COUNT(*) AS n FROM deliveries WHERE status <> 'failed'") > 0
        || platform.upstream_calls() == 0
    {
        let before = platform.upstream_calls();
        run(&platform);
        if platform.upstream_calls() > before {
            last_try = platform.now();
        }
        platform.advance(CRON);
        assert!(platform.now().since(started) < DAY * 3, "never given up");
    }
    assert_eq!(platform.upstream_calls(), 16);
    assert!((23..30).contains(&(last_try.since(started).as_secs() / 3_600)));
    let ids: BTreeSet<_> = platform.upstream_requests().iter().map(id_of).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn an_endpoint_that_is_gone_gets_nothing_more() {
    let platform = host();
    platform.answer_with(|request| Answer::text(if *request.uri() == HOOK { 410 } else { 200 }, ""));
    raise(&platform, &[notice(&platform, LimitSource::User, 50)]);
    run(&platform);
    raise(&platform, &[notice(&platform, LimitSource::User, 80)]);
    run(&platform);
    assert_eq!(statuses(&platform), ["mail delivered 200", "mail delivered 200", "webhook failed 410"]);
}

#[test]
fn an_answer_that_never_comes_is_waited_for_within_bounds() {
    let platform = host();
    platform.answer_with(|_| Answer::Hang);
    raise(&platform, &[notice(&platform, LimitSource::User, 80)]);
    let clock = async { platform.advance(Duration::from_secs(10)) };
    block_on(join(cron_reset::scheduled(&platform, ""), clock));
    assert_eq!(statuses(&platform), ["mail waiting no answer in time", "webhook waiting no answer in time"]);
    assert_eq!(platform.upstream_cancelled(), 2);
}

#[test]
fn an_address_that_is_no_longer_allowed_gets_nothing() {
    let platform = host();
    platform.answer_with(|_| Answer::text(200, ""));
    add_endpoint(&platform, "wh_2", "http://127.0.0.1:9000/");
    raise(&platform, &[notice(&platform, LimitSource::User, 80)]);
    run(&platform);
    assert_eq!(platform.upstream_calls(), 2);
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM deliveries WHERE status = 'failed'"), 1);
}

/// What a receiver tells repetitions by, with where it came to.
fn id_of(request: &Request<bytes::Bytes>) -> (String, String) {
    let name = if *request.uri() == HOOK { "webhook-id" } else { "idempotency-key" };
    (request.uri().to_string(), header(request, name).to_owned())
}

/// Four thresholds of a user and one of the tenant: five mails and five webhooks.
fn all_notices(platform: &MemoryPlatform) -> Vec<(String, Notice)> {
    let mut all: Vec<_> =
        THRESHOLDS.iter().map(|percent| notice(platform, LimitSource::User, *percent)).collect();
    all.push(notice(platform, LimitSource::Tenant, 100));
    all
}

fn expect_each_delivered_under_one_id(platform: &MemoryPlatform, story: &str) {
    assert_eq!(count(platform, "SELECT COUNT(*) AS n FROM notices"), 5, "{story}");
    assert_eq!(count(platform, "SELECT COUNT(*) AS n FROM deliveries"), 10, "{story}");
    let undelivered = "SELECT COUNT(*) AS n FROM deliveries WHERE status <> 'delivered'";
    assert_eq!(count(platform, undelivered), 0, "{story}");
    let mut sent: BTreeMap<(String, String), BTreeSet<Vec<u8>>> = BTreeMap::new();
    for request in platform.upstream_requests() {
        sent.entry(id_of(&request)).or_default().insert(request.body().to_vec());
    }
    assert_eq!(sent.len(), 10, "{story}");
    // A repetition says the same.
    assert!(sent.values().all(|bodies| bodies.len() == 1), "{story}");
}

#[test]
fn p27_each_notice_is_delivered_under_one_id_whatever_dies_when() {
    let undisturbed = host();
    undisturbed.answer_with(|_| Answer::text(200, "{}"));
    let notices = all_notices(&undisturbed);
    raise(&undisturbed, &notices);
    let before = undisturbed.questions();
    run(&undisturbed);
    expect_each_delivered_under_one_id(&undisturbed, "undisturbed");
    assert_eq!(undisturbed.upstream_calls(), 10);
    let questions = undisturbed.questions() - before;
    for died_at in 0..questions {
        for last in [LastQuestion::Unasked, LastQuestion::Unanswered] {
            let platform = host();
            platform.answer_with(|_| Answer::text(200, "{}"));
            raise(&platform, &notices);
            platform.fail_after(died_at, last);
            run(&platform);
            platform.revive();
            // The account could not tell whether its events had arrived.
            raise(&platform, &notices);
            for _ in 0..4 {
                platform.advance(CRON + Duration::from_secs(120));
                run(&platform);
                raise(&platform, &notices);
            }
            expect_each_delivered_under_one_id(&platform, &format!("died at {died_at}, {last:?}"));
        }
    }
}

#[test]
fn p27_runs_at_once_send_each_notice_once() {
    for overtaken_after in 0..40 {
        let platform = host();
        platform.answer_with(|_| Answer::text(200, "{}"));
        raise(&platform, &all_notices(&platform));
        platform.take_turns(true);
        let begun = platform.questions();
        let over = Cell::new(false);
        let first = async {
            cron_reset::scheduled(&platform, "").await;
            over.set(true);
        };
        let overtaking = async {
            while platform.questions() < begun + overtaken_after && !over.get() {
                scene::let_others_run().await;
            }
            // As if no lease had been taken.
            platform.execute_sql("UPDATE schedules SET lease_until = 0");
            cron_reset::scheduled(&platform, "").await
        };
        block_on(join(first, overtaking));
        platform.take_turns(false);
        expect_each_delivered_under_one_id(&platform, &format!("overtaken after {overtaken_after}"));
        assert_eq!(platform.upstream_calls(), 10, "overtaken after {overtaken_after}");
    }
}
