//! Questions about past usage: filters, sums, charts, exports.

mod scene;

use core::time::Duration;
use domain::routing::PriceFields;
use futures_executor::block_on;
use futures_util::StreamExt;
use platform::{Body, Clock};
use scene::{KEY, KEY_OF_OTHER, MODEL, Scene, User};
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn log(scene: &Scene, user: &User, id: &str, model: &str, tags: &Value) {
    let body = json!({ "request_id": id, "user_id": user.id, "model": model, "tokens_input": 1_000,
        "tokens_output": 500, "tags": tags });
    scene.post("/api/usage/log", &body).expect(200);
}

/// Two users, two models, six reports an hour apart, all delivered. Each costs 0.0004968.
fn scene_of_six() -> (Scene, [User; 2]) {
    let scene = Scene::new();
    let prices =
        PriceFields { input: Some(150_000_000), output: Some(600_000_000), ..PriceFields::default() };
    scene.price("second", prices);
    let users = ["a@example.com", "b@example.com"].map(|email| scene.user(email, &json!({})));
    for n in 0..6 {
        let tags = if n % 3 == 0 { json!(["red", "x"]) } else { json!(["blue"]) };
        log(&scene, &users[n % 2], &format!("r{n}"), [MODEL, "second"][n / 3], &tags);
        scene.platform.advance(HOUR);
    }
    scene.deliver();
    (scene, users)
}

fn ids(page: &Value) -> Vec<&str> {
    page["rows"].as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap()).collect()
}

#[test]
fn rows_are_filtered_by_time_user_model_kind_and_tag() {
    let (scene, users) = scene_of_six();
    let start = platform_memory::START;
    let at = |hours: u32| start.plus(HOUR * hours).to_rfc3339();
    for (filter, expected) in [
        (String::new(), "r5 r4 r3 r2 r1 r0"),
        (format!("&from={}", at(2)), "r5 r4 r3 r2"),
        (format!("&to={}", at(2)), "r1 r0"),
        (format!("&from={}&to={}", at(1), at(4)), "r3 r2 r1"),
        (format!("&user_id={}", users[1].id), "r5 r3 r1"),
        ("&model=second".into(), "r5 r4 r3"),
        ("&tag=red".into(), "r3 r0"),
        ("&tag=red&model=second".into(), "r3"),
        ("&kind=report".into(), "r5 r4 r3 r2 r1 r0"),
        ("&kind=call".into(), ""),
        ("&tag=re".into(), ""),
    ] {
        let page = scene.get(&format!("/api/usage?tenant_id=demo{filter}")).expect(200);
        assert_eq!(ids(&page).join(" "), expected, "{filter}");
        assert_eq!(page["totals"].is_null(), filter.contains("tag"), "{filter}");
        // And in pages of one.
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        for _ in 0..20 {
            let page = scene.get(&format!("/api/usage?tenant_id=demo{filter}&limit=1{cursor}")).expect(200);
            paged.extend(ids(&page).into_iter().map(str::to_owned));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(paged.join(" "), expected, "{filter}");
    }
}

#[test]
fn malformed_filters_are_refused_by_name() {
    let (scene, users) = scene_of_six();
    for (question, param) in [
        ("/api/usage?tenant_id=demo&from=yesterday", "from"),
        ("/api/usage?tenant_id=demo&to=2026-13-01T00:00:00Z", "to"),
        ("/api/usage?tenant_id=demo&from=2026-02-01T00:00:00Z&to=2026-02-01T00:00:00Z", "from"),
        ("/api/usage?tenant_id=demo&kind=refund", "kind"),
        ("/api/usage?tenant_id=demo&model=", "model"),
        ("/api/usage?tenant_id=demo&tag=", "tag"),
        ("/api/usage?tenant_id=demo&limit=201", "limit"),
        ("/api/usage?tenant_id=demo&cursor=1.2.3", "cursor"),
        ("/api/usage?model=x", "user_id"),
        ("/api/usage/export?tenant_id=demo&format=xml", "format"),
        ("/api/usage/export?tenant_id=demo&from=x", "from"),
        ("/api/usage/summary?tenant_id=demo&by=week", "by"),
        ("/api/usage/summary?tenant_id=demo&group=tag", "group"),
        ("/api/usage/summary?tenant_id=demo&cursor=x", "cursor"),
        ("/api/usage/summary?tenant_id=demo&from=2020-01-01T00:00:00Z", "from"),
        (
            "/api/usage/summary?tenant_id=demo&by=hour&from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z",
            "from",
        ),
    ] {
        assert_eq!(scene.get(question).expect_code(400, "invalid_value")["param"], param, "{question}");
    }
    // Another tenant's user is nobody's.
    let question = format!("/api/usage?user_id={}", users[0].id);
    scene.send(Some(KEY_OF_OTHER), "GET", &question, &Value::Null).expect_code(404, "not_found");
    scene.get(&format!("{question}&tenant_id=other")).expect_code(404, "not_found");
    scene.get(&format!("{question}&tenant_id=demo-slug")).expect(200);
}

#[test]
fn p25_totals_are_exact_before_while_and_after_rows_are_rolled_up() {
    let (scene, users) = scene_of_six();
    let of_user = format!("/api/usage?user_id={}", users[0].id);
    let cost = |question: &str| scene.get(question).expect(200)["totals"].clone();
    assert_eq!(scene.roll_up(), 5, "the sixth hour has not settled");
    for step in ["rolled up", "late row", "rolled up again", "all rolled up"] {
        match step {
            "late row" => {
                // Of the first hour, from an outbox that was stuck.
                scene.platform.execute_sql(&format!(
                    "CREATE TEMP TABLE late AS SELECT * FROM usage_logs WHERE account_id = '{0}' AND note = 'r0';
                     UPDATE late SET request_id = 'ffffffff-ffff-ffff-ffff-ffffffffffff', note = 'late', model = 'second';
                     INSERT INTO usage_logs SELECT * FROM late;
                     INSERT INTO usage_dirty SELECT at - at % 3600000, account_id FROM late",
                    users[0].id
                ));
            }
            "rolled up again" => assert_eq!(scene.roll_up(), 1),
            "all rolled up" => {
                scene.platform.advance(HOUR * 2);
                assert_eq!(scene.roll_up(), 1);
            }
            _ => {}
        }
        let late = usize::from(step != "rolled up");
        let totals = cost(&of_user);
        assert_eq!((&totals["rows"], &totals["as_of"]), (&json!(3 + late), &Value::Null), "{step}");
        assert_eq!(totals["cost_nano_eur"], (496_800 * (3 + late)).to_string(), "{step}");
        assert_eq!(totals["tokens_input"], (1_000 * (3 + late)).to_string(), "{step}");
        let second = cost(&format!("{of_user}&model=second"));
        assert_eq!(second["rows"], 1 + late, "{step}");
        let first_hours = cost(&format!("{of_user}&to={}", platform_memory::START.plus(HOUR).to_rfc3339()));
        assert_eq!(first_hours["rows"], 1 + late, "{step}");
        // A tenant's figure says what it lacks.
        let tenant = cost("/api/usage?tenant_id=demo");
        let complete = step == "all rolled up";
        assert_eq!(tenant["as_of"].is_null(), complete, "{step}");
        if complete {
            assert_eq!((&tenant["rows"], &tenant["cost_nano_eur"]), (&json!(7), &json!("3477600")));
        }
    }
}

#[test]
fn a_summary_is_by_hour_or_day_and_by_model_user_or_provider() {
    let (scene, users) = scene_of_six();
    scene.platform.advance(HOUR);
    scene.roll_up();
    let points = |question: &str| {
        let answer = scene.get(&format!("/api/usage/summary?{question}")).expect(200);
        assert!(answer["as_of"].is_null());
        let points = answer["points"].as_array().unwrap().clone();
        points
            .iter()
            .map(|point| format!("{} {}", point["name"].as_str().unwrap(), point["rows"]))
            .collect::<Vec<_>>()
    };
    let [a, b] = [0, 1].map(|n| users[n].id.as_str());
    let mut by_user = [format!("{a} 3"), format!("{b} 3")];
    by_user.sort();
    assert_eq!(points("tenant_id=demo"), ["priced 3", "second 3"]);
    assert_eq!(points("tenant_id=demo&group=provider"), ["demo 6"]);
    assert_eq!(points("tenant_id=demo&group=user"), by_user);
    assert_eq!(points(&format!("user_id={a}&group=model")), ["priced 2", "second 1"]);
    let hours = points("tenant_id=demo&by=hour&group=model");
    assert_eq!(hours, ["priced 1", "priced 1", "priced 1", "second 1", "second 1", "second 1"]);
    for by in ["by=hour&group=user", "by=hour&group=provider", "by=day&group=user"] {
        let question = format!("tenant_id=demo&{by}");
        let whole = scene.get(&format!("/api/usage/summary?{question}")).expect(200);
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        for _ in 0..20 {
            let page = scene.get(&format!("/api/usage/summary?{question}&limit=1{cursor}")).expect(200);
            paged.extend(page["points"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(Value::from(paged), whole["points"], "{by}");
    }
}

fn export(scene: &Scene, filter: &str) -> http::Response<Body> {
    scene.raw(Some(KEY), "GET", &format!("/api/usage/export?format=csv&{filter}"), "")
}

#[test]
fn an_export_is_csv_of_all_rows_that_match() {
    let (scene, users) = scene_of_six();
    log(&scene, &users[0], "=cmd|' /C calc'!A0", MODEL, &json!(["a,\"b\""]));
    scene.deliver();
    let answer = export(&scene, &format!("user_id={}", users[0].id));
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8; header=present");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"usage.csv\"");
    let text = String::from_utf8(block_on(answer.into_body().collect(1 << 20)).unwrap().to_vec()).unwrap();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("timestamp,kind,request_id,"));
    assert!(lines[1].contains(",report,'=cmd|' /C calc'!A0,"), "{}", lines[1]);
    assert!(lines[1].contains(",\"[\"\"a,\\\"\"b\\\"\"\"\"]\","), "{}", lines[1]);
    assert!(lines[2].contains(",report,r4,") && lines[2].contains(",0.0004968,0.00,"), "{}", lines[2]);
    let filtered =
        block_on(export(&scene, "tenant_id=demo&model=second").into_body().collect(1 << 20)).unwrap();
    assert_eq!(filtered.iter().filter(|byte| **byte == b'\n').count(), 4);
}

/// Copies of a user's one report, a second apart.
fn many_rows(scene: &Scene, count: usize) {
    scene.platform.execute_sql(&format!(
        "CREATE TEMP TABLE copies AS
           WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
           SELECT usage_logs.*, n.n FROM n, usage_logs;
         UPDATE copies SET at = at + n * 1000, request_id = printf('00000000-0000-0000-0000-%012d', n);
         ALTER TABLE copies DROP COLUMN n;
         INSERT INTO usage_logs SELECT * FROM copies;
         INSERT INTO usage_spans SELECT DISTINCT tenant_id, at - at % 10000 + 10000, account_id FROM copies
           WHERE true ON CONFLICT DO NOTHING"
    ));
}

#[test]
fn an_export_reads_while_it_is_read_and_breaks_off_visibly() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    log(&scene, &user, "r", MODEL, &json!([]));
    scene.deliver();
    many_rows(&scene, 2_499);
    let body = export(&scene, "tenant_id=demo").into_body();
    let Body::Stream(mut stream) = body else {
        panic!("an export is a stream");
    };
    let rows = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    // The first page is read before the answer begins, each other one when it is wanted.
    for (expected, questions) in [(1, 0), (1_000, 0), (1_000, 1), (500, 1)] {
        let (chunk, ran) = scene.platform.watch_database(|| block_on(stream.next()).unwrap().unwrap());
        assert_eq!((rows(&chunk), ran.len()), (expected, questions));
    }
    assert!(block_on(stream.next()).is_none());

    let body = export(&scene, "tenant_id=demo").into_body();
    let Body::Stream(mut stream) = body else {
        panic!("an export is a stream");
    };
    block_on(stream.next()).unwrap().unwrap();
    block_on(stream.next()).unwrap().unwrap();
    scene.platform.set_database_down(true);
    block_on(stream.next()).unwrap().unwrap_err();
    assert!(block_on(stream.next()).is_none());
    // Before its first byte a failure is an ordinary answer.
    assert_eq!(export(&scene, "tenant_id=demo").status(), 503);
    scene.platform.set_database_down(false);
    assert_eq!(scene.platform.now(), platform_memory::START);
}
