//! Keys: their limits, their rotation, their number.

mod scene;

use core::time::Duration;
use domain::account::{Command, KEYS_MAX, Reply};
use domain::api_key::KeyHash;
use domain::money::NanoEur;
use scene::{KEY, Scene, User};
use serde_json::{Value, json};

fn works(scene: &Scene, user: &User, key: &str) -> bool {
    matches!(scene.apply(user, Command::Authorize(KeyHash::of(key))), Reply::Balance(_))
}

fn keys(user: &User) -> String {
    format!("/api/users/{}/keys", user.id)
}

#[test]
fn a_key_has_limits_of_its_own_that_can_be_changed() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({ "api_key": { "budget": "0.30", "clamp": true } }));
    let first = scene.configuration(&user).keys.remove(0);
    assert_eq!((first.budget, first.clamp), (Some(NanoEur::saturating(300_000_000)), true));
    let limits =
        json!({ "name": "ci", "budget": "0.50", "requests_per_minute": 3, "tokens_per_minute": 1_000 });
    let made = scene.post(&keys(&user), &limits).expect(201);
    let id = made["api_key_id"].as_str().unwrap().to_owned();
    let key = |id: &str| scene.configuration(&user).keys.into_iter().find(|key| key.id == id).unwrap();
    assert_eq!(key(&id).rates.requests_per_minute, Some(3));
    let path = format!("{}/{id}", keys(&user));
    let change = json!({ "budget": null, "requests_per_minute": 9, "expires_at": "2026-04-01T00:00:00Z" });
    let changed = scene.patch(&path, &change).expect(200);
    assert_eq!((&changed["budget"], &changed["requests_per_minute"]), (&Value::Null, &json!(9)));
    assert_eq!((&changed["tokens_per_minute"], &changed["name"]), (&json!(1_000), &json!("ci")));
    assert_eq!(changed["expires_at"], "2026-04-01T00:00:00.000Z");
    assert_eq!((key(&id).budget, key(&id).rates.tokens_per_minute), (None, Some(1_000)));
    for (field, value) in [
        ("budget", json!(-1)),
        ("requests_per_minute", json!(-1)),
        ("clamp", json!("yes")),
        ("expires_at", json!("soon")),
    ] {
        for problem in
            [scene.patch(&path, &json!({ field: value })), scene.post(&keys(&user), &json!({ field: value }))]
        {
            assert_eq!(problem.expect_code(400, "invalid_value")["param"], field);
        }
    }
    scene.patch(&path, &json!({})).expect_code(400, "nothing_to_change");
}

#[test]
fn p21_a_dead_key_cannot_be_changed_back_to_life() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    let soon = json!({ "expires_at": "2026-03-15T12:00:10Z" });
    let path = format!("{}/{}", keys(&user), user.key_id);
    scene.patch(&path, &soon).expect(200);
    assert!(works(&scene, &user, &user.key));
    scene.platform.advance(Duration::from_secs(10));
    assert!(!works(&scene, &user, &user.key));
    scene.patch(&path, &json!({ "expires_at": null })).expect_code(404, "not_found");
    scene.post(&format!("{path}/rotate"), &json!({ "grace_seconds": 9 })).expect_code(404, "not_found");
    assert!(!works(&scene, &user, &user.key));
}

#[test]
fn p21_a_key_rotates_with_grace() {
    let scene = Scene::new();
    let user = scene
        .user("a@example.com", &json!({ "api_key": { "name": "ci", "budget": 5, "tokens_per_minute": 7 } }));
    let path = format!("{}/{}/rotate", keys(&user), user.key_id);
    let rotated = scene.post(&path, &json!({ "grace_seconds": 3_600 })).expect(201);
    let new = rotated["api_key"].as_str().unwrap().to_owned();
    assert_eq!((&rotated["name"], &rotated["rotated_api_key_id"]), (&json!("ci"), &json!(user.key_id)));
    assert_eq!(rotated["rotated_expires_at"], "2026-03-15T13:00:00.000Z");
    let limits: Vec<_> =
        scene.configuration(&user).keys.into_iter().map(|key| (key.budget, key.rates, key.clamp)).collect();
    assert_eq!(limits[0], limits[1]);
    assert!(works(&scene, &user, &user.key) && works(&scene, &user, &new));
    scene.platform.advance(Duration::from_secs(3_600));
    for _ in 0..100 {
        assert!(!works(&scene, &user, &user.key));
    }
    assert!(works(&scene, &user, &new));
    // Without grace the old one dies in the same step.
    let path = format!("{}/{}/rotate", keys(&user), rotated["api_key_id"].as_str().unwrap());
    let last = scene.post(&path, &json!({ "grace_seconds": 0 })).expect(201);
    assert!(!works(&scene, &user, &new) && works(&scene, &user, last["api_key"].as_str().unwrap()));
    for wrong in [json!({}), json!({ "grace_seconds": -1 }), json!({ "grace_seconds": 99_999_999 })] {
        let problem = scene.post(&path, &wrong).expect_code(400, "invalid_value");
        assert_eq!(problem["param"], "grace_seconds");
    }
}

#[test]
fn one_key_too_many_is_refused_and_none_is_cut() {
    let scene = Scene::new();
    let user = scene.user("a@example.com", &json!({}));
    for _ in 1..KEYS_MAX {
        scene.post(&keys(&user), &Value::Null).expect(201);
    }
    scene.post(&keys(&user), &Value::Null).expect_code(409, "too_many_keys");
    let rotate = format!("{}/{}/rotate", keys(&user), user.key_id);
    scene.post(&rotate, &json!({ "grace_seconds": 60 })).expect_code(409, "too_many_keys");
    assert!(works(&scene, &user, &user.key));
    // A rotation without grace needs no more room.
    let new = scene.post(&rotate, &json!({ "grace_seconds": 0 })).expect(201);
    assert!(works(&scene, &user, new["api_key"].as_str().unwrap()));
    let path = format!("{}/{}", keys(&user), new["api_key_id"].as_str().unwrap());
    scene.send(Some(KEY), "DELETE", &path, &Value::Null).expect(200);
    scene.post(&keys(&user), &Value::Null).expect(201);
    assert_eq!(scene.configuration(&user).keys.len(), KEYS_MAX);
}

#[test]
fn new_keys_are_made_under_the_newest_pepper_that_is_configured() {
    let scene = Scene::new();
    let version = |email: &str| {
        let key = scene.user(email, &json!({})).key;
        domain::api_key::UncheckedKey::read(&key).unwrap().pepper_version()
    };
    scene.platform.set_secret("API_KEY_PEPPER_2", "");
    assert_eq!(version("first@example.com"), 1);
    scene.platform.set_secret("API_KEY_PEPPER_2", "a second pepper");
    assert_eq!(version("second@example.com"), 2);
}
