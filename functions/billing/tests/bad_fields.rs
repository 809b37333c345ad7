//! Every field of every route, wrong in every way that its kind can be: refused by its name, and nothing has changed.

mod scene;

use scene::{KEY, MODEL, Scene, User};
use serde_json::{Value, json};

/// What a field must be, as far as a wrong value of it goes.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Word,
    Whole { least: i64, most: i64 },
    Euros,
    SignedEuros,
    Bool,
    Instant,
    Texts,
    Object,
}

use Kind::{Bool, Euros, Instant, Object, SignedEuros, Text, Texts, Whole, Word};

/// What `null` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Null {
    /// The field is missing.
    Refused,
    /// As if it were left out.
    Absent,
}

use Null::{Absent, Refused};

type Field = (&'static str, Kind, Null);

struct Route {
    method: &'static str,
    path: String,
    /// Taken with this status, once every refusal is over.
    right: Value,
    status: u16,
    fields: Vec<Field>,
}

impl Kind {
    /// JSON texts of values that cannot be taken as meant.
    fn wrong(self) -> Vec<String> {
        let mut wrong: Vec<Value> = match self {
            Text => {
                vec![json!(7), json!(""), json!("x".repeat(1_025)), json!("x\0y"), json!(["x"]), json!({})]
            }
            Word => vec![json!("nonsense"), json!(1), json!([])],
            Whole { least, most } => {
                vec![json!(least - 1), json!(most + 1), json!(1.5), json!("1"), json!([1])]
            }
            Euros => {
                vec![json!(-1), json!("-1"), json!("1,50"), json!("0.0000000001"), json!("9007199.254740992")]
            }
            SignedEuros => vec![json!("1000000.01"), json!("-1000000.01"), json!(0), json!("1 ")],
            Bool => vec![json!(1), json!("true"), json!([])],
            Instant => vec![
                json!(1_800_000_000),
                json!("tomorrow"),
                json!("2027-02-30T00:00:00Z"),
                json!("10000-01-01T00:00:00Z"),
                json!("9999-12-31T23:59:59-01:00"),
                json!("1969-12-31T23:59:59Z"),
            ],
            Texts => vec![
                json!("x"),
                json!([1]),
                json!([null]),
                json!([""]),
                json!(["x\0y"]),
                json!(vec!["x"; 257]),
            ],
            Object => vec![json!("x"), json!([]), json!(1)],
        };
        if !matches!(self, Whole { .. }) {
            wrong.push(json!(u64::MAX));
        }
        wrong.push(json!(1e300));
        let mut texts: Vec<String> = wrong.iter().map(Value::to_string).collect();
        texts.push("1e999".to_owned());
        texts.push("-1e999".to_owned());
        texts
    }
}

fn limits() -> Vec<Field> {
    let per_minute = Whole { least: 0, most: 1_000_000_000 };
    vec![
        ("requests_per_minute", per_minute, Absent),
        ("tokens_per_minute", per_minute, Absent),
        ("clamp", Bool, Absent),
    ]
}

fn key_fields() -> Vec<Field> {
    let mut fields = limits();
    fields.extend([("name", Text, Absent), ("expires_at", Instant, Absent), ("budget", Euros, Absent)]);
    fields
}

fn user_fields() -> Vec<Field> {
    let mut fields = limits();
    fields.extend([
        ("name", Text, Absent),
        ("status", Word, Absent),
        ("reset_day", Whole { least: 1, most: 31 }, Absent),
        ("period_days", Whole { least: 1, most: 366 }, Absent),
        ("period_from", Instant, Absent),
        ("models", Texts, Absent),
        ("concurrency_max", Whole { least: 1, most: 1_024 }, Absent),
    ]);
    fields
}

fn creations(user: &User) -> Vec<Route> {
    let mut new_user = user_fields();
    new_user.extend([
        ("email", Text, Refused),
        ("tenant_id", Text, Refused),
        ("role", Word, Absent),
        ("product_id", Text, Absent),
        ("budget_total", Euros, Refused),
        ("api_key", Object, Absent),
    ]);
    vec![
        Route {
            method: "POST",
            path: "/api/users".into(),
            right: json!({ "email": "b@example.com", "tenant_id": "demo", "budget_total": "1" }),
            status: 201,
            fields: new_user,
        },
        Route {
            method: "POST",
            path: format!("/api/users/{}/keys", user.id),
            right: json!({}),
            status: 201,
            fields: key_fields(),
        },
        Route {
            method: "POST",
            path: format!("/api/users/{}/keys/{}/rotate", user.id, user.key_id),
            right: json!({ "grace_seconds": 60.0 }),
            status: 201,
            fields: vec![("grace_seconds", Whole { least: 0, most: 2_592_000 }, Refused)],
        },
        Route {
            method: "POST",
            path: "/api/tenants/demo/webhooks".into(),
            right: json!({ "url": "https://example.com/hook" }),
            status: 201,
            fields: vec![("url", Text, Refused), ("events", Texts, Absent)],
        },
        Route {
            method: "POST",
            path: "/api/provider-bills".into(),
            right: json!({ "provider": "p", "model": "m", "day": "2026-03-01", "amount_nano_usd": 5.0 }),
            status: 200,
            fields: vec![
                ("provider", Text, Refused),
                ("model", Text, Refused),
                ("day", Text, Refused),
                ("amount_nano_usd", Whole { least: 0, most: (1 << 53) - 1 }, Refused),
            ],
        },
    ]
}

fn of_the_ledger(user: &User) -> Vec<Route> {
    let tokens = Whole { least: 0, most: domain::price::Usage::UNITS_MAX as i64 };
    let mut routes = vec![
        Route {
            method: "POST",
            path: "/api/check-budget".into(),
            right: json!({ "user_id": user.id, "estimated_cost": "0.1", "hold": true, "request_id": "h" }),
            status: 200,
            fields: vec![
                ("user_id", Text, Refused),
                ("estimated_cost", Euros, Refused),
                ("hold", Bool, Absent),
                ("request_id", Text, Absent),
                ("model", Text, Absent),
            ],
        },
        Route {
            method: "POST",
            path: "/api/usage/log".into(),
            right: json!({ "request_id": "r", "user_id": user.id, "model": MODEL, "tokens_input": 1e3,
                "tokens_output": 64.0 }),
            status: 200,
            fields: vec![
                ("request_id", Text, Refused),
                ("user_id", Text, Refused),
                ("model", Text, Refused),
                ("tokens_input", tokens, Refused),
                ("tokens_output", tokens, Refused),
                ("tokens_cached", tokens, Absent),
                ("tokens_reasoning", tokens, Absent),
                ("provider", Text, Absent),
                ("cost", Euros, Absent),
                ("tags", Texts, Absent),
                ("timestamp", Instant, Absent),
                ("hold_id", Text, Absent),
            ],
        },
    ];
    for (kind, amount) in [
        ("adjustments", Some(SignedEuros)),
        ("top-ups", Some(Euros)),
        ("refunds", Some(Euros)),
        ("resets", None),
    ] {
        let mut right = json!({ "reason": "x", "operation_id": kind });
        let mut fields = vec![("reason", Text, Refused), ("operation_id", Text, Absent)];
        if kind.len() <= "refunds".len() && amount.is_some() {
            fields[1] = ("operation_id", Text, Refused);
        }
        if let Some(amount) = amount {
            right["amount"] = json!("0.5");
            fields.push(("amount", amount, Refused));
        }
        routes.push(Route {
            method: "POST",
            path: format!("/api/users/{}/{kind}", user.id),
            right,
            status: 200,
            fields,
        });
    }
    routes
}

/// Where the ledger and the directory stand; every write leaves its mark.
fn fingerprint(scene: &Scene, user: &User) -> (Value, i64) {
    let rows = "SELECT (SELECT count(*) FROM audit_log) * 1000000 + (SELECT count(*) FROM operations) * 1000
                + (SELECT count(*) FROM pending_pushes) AS n";
    (scene.budget(user), scene.number(rows))
}

/// `body` with the JSON text `value` as its member `name`, whatever it had there.
fn with(body: &Value, name: &str, value: &str) -> String {
    let others = body.as_object().unwrap().iter().filter(|(other, _)| *other != name);
    let mut members: Vec<String> = others.map(|(other, value)| format!("{}:{value}", json!(other))).collect();
    members.push(format!("{}:{value}", json!(name)));
    format!("{{{}}}", members.join(","))
}

fn expect_refusal(scene: &Scene, route: &Route, body: &str, param: &str, codes: &[&str]) {
    let answer = scene.send_text(Some(KEY), route.method, &route.path, body);
    let shown: String = body.chars().take(200).collect();
    assert_eq!(answer.status.as_u16(), 400, "{} {shown}: {}", route.path, answer.body);
    let (code, named) = (&answer.body["code"], &answer.body["param"]);
    assert!(
        codes.iter().any(|right| code == right) && named == param,
        "{} {shown}: {}",
        route.path,
        answer.body
    );
}

fn refuse_everything(scene: &Scene, route: &Route) {
    for (name, kind, null) in &route.fields {
        for value in kind.wrong() {
            expect_refusal(
                scene,
                route,
                &with(&route.right, name, &value),
                name,
                &["invalid_value", "too_old"],
            );
        }
        let doubled = with(&route.right, name, "1").replacen('{', &format!("{{{}:1,", json!(name)), 1);
        expect_refusal(scene, route, &doubled, name, &["duplicate_field"]);
        if *null == Refused {
            expect_refusal(scene, route, &with(&route.right, name, "null"), name, &["invalid_value"]);
        }
        // A slip of the pen.
        let misspelt = format!("{name}s_");
        expect_refusal(scene, route, &with(&route.right, &misspelt, "null"), &misspelt, &["unknown_field"]);
    }
}

#[test]
fn p30_each_wrong_field_of_a_creation_is_refused_by_name_and_the_right_request_takes_effect() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let before = fingerprint(&scene, &user);
    for route in creations(&user) {
        refuse_everything(&scene, &route);
    }
    assert_eq!(fingerprint(&scene, &user), before);
    for route in creations(&user) {
        scene.send(Some(KEY), route.method, &route.path, &route.right).expect(route.status);
    }
}

#[test]
fn p30_each_wrong_field_of_the_ledgers_routes_is_refused_by_name_and_its_id_stays_free() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    for route in of_the_ledger(&user) {
        let before = fingerprint(&scene, &user);
        refuse_everything(&scene, &route);
        assert_eq!(fingerprint(&scene, &user), before, "{}", route.path);
        let taken = scene.send(Some(KEY), route.method, &route.path, &route.right).expect(route.status);
        assert_ne!(taken["repeated"], true, "{}", route.path);
        assert_ne!(fingerprint(&scene, &user), before, "{}", route.path);
    }
}

#[test]
fn p30_an_optional_field_that_is_null_is_as_if_it_were_left_out() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let mut routes = creations(&user);
    routes.extend(of_the_ledger(&user));
    for route in routes {
        let mut body = route.right.clone();
        for (name, _, null) in &route.fields {
            if *null == Absent && body.get(name).is_none() {
                body[*name] = Value::Null;
            }
        }
        scene.send(Some(KEY), route.method, &route.path, &body).expect(route.status);
    }
}

/// The changes: path, fields, and those that `null` clears.
fn changes(user: &User) -> Vec<(Route, &'static [&'static str])> {
    let change = |path, fields| Route { method: "PATCH", path, right: json!({}), status: 200, fields };
    let mut of_user = user_fields();
    of_user.push(("budget_total", Euros, Absent));
    let mut of_tenant = limits();
    of_tenant.extend([
        ("status", Word, Absent),
        ("budget_total", Euros, Absent),
        ("reset_day", Whole { least: 1, most: 31 }, Absent),
    ]);
    vec![
        (
            change(format!("/api/users/{}", user.id), of_user),
            &["period_days", "requests_per_minute", "tokens_per_minute", "concurrency_max"],
        ),
        (
            change(format!("/api/users/{}/keys/{}", user.id, user.key_id), key_fields()),
            &["expires_at", "budget", "requests_per_minute", "tokens_per_minute"],
        ),
        (
            change("/api/tenants/demo".into(), of_tenant),
            &["budget_total", "requests_per_minute", "tokens_per_minute"],
        ),
    ]
}

#[test]
fn p30_each_wrong_field_of_a_change_is_refused_by_name_and_null_only_clears_what_can_be_cleared() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    for (route, clearable) in changes(&user) {
        let before = fingerprint(&scene, &user);
        refuse_everything(&scene, &route);
        for (name, ..) in route.fields.iter().filter(|(name, ..)| !clearable.contains(name)) {
            let beside = json!({ "clamp": true, *name: null });
            expect_refusal(&scene, &route, &beside.to_string(), name, &["invalid_value"]);
        }
        assert_eq!(fingerprint(&scene, &user), before, "{}", route.path);
        for name in clearable {
            scene.patch(&route.path, &json!({ *name: null })).expect(200);
        }
        scene.patch(&route.path, &json!({})).expect_code(400, "nothing_to_change");
    }
}

#[test]
fn p30_a_report_of_no_tokens_leaves_its_id_to_the_right_one() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let report = |input: Value, output: Value| {
        let body = json!({ "request_id": "r1", "user_id": user.id, "model": MODEL, "tokens_input": input,
            "tokens_output": output });
        scene.post("/api/usage/log", &body)
    };
    let refused = report(Value::Null, Value::Null).expect_code(400, "invalid_value");
    assert_eq!(refused["param"], "tokens_input");
    assert_eq!(report(json!(1_000), Value::Null).expect(400)["param"], "tokens_output");
    let charged = report(json!(1_000), json!(500)).expect(200);
    assert_eq!((&charged["repeated"], &charged["cost_eur"]), (&json!(false), &json!("0.0004968")));
    let body = json!({ "request_id": "r2", "user_id": user.id, "model": "images", "cost": "0.25" });
    assert_eq!(scene.post("/api/usage/log", &body).expect(200)["cost_eur"], "0.25");
}

#[test]
fn p30_a_key_that_would_be_over_at_once_is_not_made() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let now = platform_memory::START.to_rfc3339();
    let before = fingerprint(&scene, &user);
    let keys = format!("/api/users/{}/keys", user.id);
    for past in ["1970-01-01T00:00:00Z", "2020-01-01T00:00:00Z", &now] {
        let body = json!({ "expires_at": past });
        assert_eq!(scene.post(&keys, &body).expect_code(400, "invalid_value")["param"], "expires_at");
        let path = format!("{keys}/{}", user.key_id);
        assert_eq!(scene.patch(&path, &body).expect_code(400, "invalid_value")["param"], "expires_at");
        let body =
            json!({ "email": "b@example.com", "tenant_id": "demo", "budget_total": 1, "api_key": body });
        let refused = scene.post("/api/users", &body).expect_code(400, "invalid_value");
        assert_eq!(refused["param"], "api_key.expires_at");
    }
    assert_eq!(fingerprint(&scene, &user), before);
}

#[test]
fn p30_an_e_mail_is_one_persons_in_every_alphabet() {
    let scene = Scene::new();
    assert_eq!(scene.get("/api/usage?tenant_id=demo").expect(200)["rows"], json!([]));
    scene.user("JÜRGEN@Example.com", &json!({}));
    let again = json!({ "email": "jürgen@example.com", "tenant_id": "demo", "budget_total": 1 });
    scene.post("/api/users", &again).expect_code(409, "email_taken");
    for list in ["a@example.com,b@example.com", "a@example.com;b@example.com", "a,b@example.com", "A <a@b.c>"]
    {
        let body = json!({ "email": list, "tenant_id": "demo", "budget_total": 1 });
        assert_eq!(
            scene.post("/api/users", &body).expect_code(400, "invalid_value")["param"],
            "email",
            "{list}"
        );
    }
}
