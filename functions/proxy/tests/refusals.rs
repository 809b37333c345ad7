//! Requests that are refused before they cost anything.

mod scene;

use domain::account::Key;
use domain::identity::{AccountId, Home};
use domain::money::NanoEur;
use platform::Clock;
use platform_memory::MemoryPlatform;
use scene::{Scene, chat_request, issue_key, question};

#[test]
fn a_body_over_the_limit_is_too_large() {
    let scene = Scene::new();
    let request = chat_request(Some(&scene.key), vec![b' '; http_api::BODY_BYTES_MAX + 1]);
    scene.send(request).expect_error(413, "request_too_large");
    assert_eq!(scene.platform.upstream_calls(), 0);
    scene.expect_untouched();
}

#[test]
fn a_malformed_body_is_refused_and_the_field_is_named() {
    let cases = [
        ("", "invalid_json", None),
        ("{\"model\":", "invalid_json", None),
        ("{\"model\":\"priced\"}", "missing_field", Some("messages")),
        ("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "missing_field", Some("model")),
        (
            "{\"model\":\"priced\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":\"9\"}",
            "invalid_type",
            Some("max_tokens"),
        ),
        (
            "{\"model\":\"priced\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":1001}",
            "invalid_value",
            Some("max_tokens"),
        ),
    ];
    let scene = Scene::new();
    for (body, code, param) in cases {
        let error = scene.send(chat_request(Some(&scene.key), body)).expect_error(400, code);
        assert_eq!(error["param"].as_str(), param, "{body}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    assert_eq!(scene.platform.upstream_calls(), 0);
    scene.expect_untouched();
}

#[test]
fn an_unknown_model_is_not_found() {
    let scene = Scene::new();
    let mut body = question(10);
    body["model"] = "no-such-model".into();
    let error = scene.chat(&body).expect_error(404, "model_not_found");
    assert_eq!(error["param"], "model");
    scene.expect_untouched();
}

/// Keys that look right and are not.
fn bad_keys(scene: &Scene) -> Vec<(&'static str, String)> {
    let platform = &scene.platform;
    let mut forged = scene.key.clone();
    let last = if forged.pop() == Some('0') { '1' } else { '0' };
    forged.push(last);
    let foreign_pepper = MemoryPlatform::seeded(2);
    let (revoked, expired) = (issue_key(platform, scene.account, 2), issue_key(platform, scene.account, 3));
    let keys = vec![
        scene.key_entry(&scene.key),
        Key { revoked: true, ..scene.key_entry(&revoked) },
        Key { expires: Some(platform.now()), ..scene.key_entry(&expired) },
    ];
    scene.configure(2, NanoEur::euros(1), keys);
    vec![
        ("forged", forged),
        ("of another pepper", issue_key(&foreign_pepper, scene.account, 1)),
        ("revoked", revoked),
        ("expired", expired),
        ("unknown to its account", issue_key(platform, scene.account, 4)),
        ("of no account", issue_key(platform, AccountId::new(Home::Eu, [0xee; 16]), 1)),
        ("cut", scene.key[..20].to_owned()),
        ("of another kind", "sk-something-else".to_owned()),
    ]
}

#[test]
fn p21_missing_forged_revoked_and_unknown_keys_get_one_and_the_same_answer() {
    let scene = Scene::new();
    let body = question(10).to_string();
    // Only the request's own id may differ.
    let refusal = |key: Option<&str>, body: String| {
        let mut error = scene.send(chat_request(key, body)).expect_error(401, "invalid_api_key");
        error["request_id"].take();
        error.to_string()
    };
    let missing = refusal(None, body.clone());
    for (kind, key) in bad_keys(&scene) {
        for model in ["priced", "no-such-model"] {
            let body = body.replace("priced", model);
            assert_eq!(refusal(Some(&key), body), missing, "{kind}, {model}");
        }
    }
    assert_eq!(scene.platform.upstream_calls(), 0);
    scene.expect_untouched();
}

#[test]
fn p21_a_revoked_key_is_dead_at_once() {
    let scene = Scene::new();
    scene.platform.answer_with(|_| scene::provider::completion(20, 5));
    scene.chat(&question(10)).expect_ok();
    let revoked = Key { revoked: true, ..scene.key_entry(&scene.key) };
    scene.configure(2, NanoEur::euros(1), vec![revoked]);
    for _ in 0..100 {
        scene.chat(&question(10)).expect_error(401, "invalid_api_key");
    }
    assert_eq!(scene.platform.upstream_calls(), 1);
}
