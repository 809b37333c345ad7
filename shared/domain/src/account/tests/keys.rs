//! Who may call.

use super::builders::*;
use crate::account::{Command, Configuration, KEYS_MAX, Key, ModelAccess, Refusal, Reply, Reserve, Status};

fn key(name: &str) -> Key {
    Key::new(format!("id of {name}"), key_hash(name))
}

fn with_key(name: &str) -> Reserve {
    Reserve { key: Some(key_hash(name)), ..reserve(1, 1, 0) }
}

#[test]
fn p21_unknown_expired_and_revoked_keys_are_refused_alike() {
    let keys = vec![
        key("good"),
        Key { expires: Some(START), ..key("expired") },
        Key { revoked: true, ..key("revoked") },
    ];
    let mut ledger = Ledger::configured(Configuration { keys, ..configuration(1_000) });
    for name in ["unknown", "expired", "revoked"] {
        assert_eq!(refusal(ledger.apply(with_key(name))), Refusal::InvalidKey, "{name}");
        let authorize = Command::Authorize(key_hash(name));
        assert_eq!(refusal(ledger.apply(authorize)), Refusal::InvalidKey, "{name}");
    }
    reserved(ledger.apply(with_key("good")));
    ledger.apply(settle(1, 1, 0));
    assert_eq!(ledger.row().key_id.as_deref(), Some("id of good"));
    assert!(matches!(ledger.apply(Command::Authorize(key_hash("good"))), Reply::Balance(_)));
}

#[test]
fn p21_a_key_dies_at_the_instant_it_expires() {
    let keys = vec![Key { expires: Some(START.plus(SECOND)), ..key("short") }];
    let mut ledger = Ledger::configured(Configuration { keys, ..configuration(1_000) });
    reserved(ledger.apply(with_key("short")));
    ledger.later(SECOND);
    assert_eq!(refusal(ledger.apply(with_key("short"))), Refusal::InvalidKey);
}

#[test]
fn p21_a_revoked_key_is_dead_for_the_next_call_and_its_open_call_settles() {
    let mut ledger = Ledger::configured(Configuration { keys: vec![key("k")], ..configuration(1_000) });
    reserved(ledger.apply(with_key("k")));
    let keys = vec![Key { revoked: true, ..key("k") }];
    ledger.configure(Configuration { version: 2, keys, ..configuration(1_000) });
    assert_eq!(refusal(ledger.apply(with_key("k"))), Refusal::InvalidKey);
    assert_eq!(charged(&ledger.apply(settle(1, 1, 0))), 1);
}

#[test]
fn only_the_newest_keys_are_kept() {
    let keys = (0..=KEYS_MAX).map(|n| key(&n.to_string())).collect();
    let mut ledger = Ledger::configured(Configuration { keys, ..configuration(1_000) });
    assert_eq!(refusal(ledger.apply(with_key("0"))), Refusal::InvalidKey);
    reserved(ledger.apply(with_key("1")));
}

#[test]
fn only_active_users_of_active_tenants_may_call() {
    for status in [Status::Pending, Status::Suspended] {
        let mut ledger = Ledger::configured(Configuration { user_status: status, ..configuration(1_000) });
        assert_eq!(refusal(ledger.apply(reserve(1, 1, 0))), Refusal::UserInactive);
        let mut ledger = Ledger::configured(Configuration { tenant_status: status, ..configuration(1_000) });
        assert_eq!(refusal(ledger.apply(reserve(1, 1, 0))), Refusal::TenantInactive);
    }
}

#[test]
fn whoever_has_no_good_key_learns_nothing_of_the_account() {
    let mut ledger = Ledger::configured(Configuration {
        user_status: Status::Suspended,
        models: ModelAccess::Only(Vec::new()),
        ..configuration(0)
    });
    assert_eq!(refusal(ledger.apply(with_key("forged"))), Refusal::InvalidKey);
}

#[test]
fn only_models_of_the_list_may_be_called() {
    let models = ModelAccess::Only(vec!["model".into()]);
    let mut ledger = Ledger::configured(Configuration { models, ..configuration(1_000) });
    reserved(ledger.apply(reserve(1, 1, 0)));
    let other = Reserve { model: "other".into(), ..reserve(2, 1, 0) };
    assert_eq!(refusal(ledger.apply(other)), Refusal::ModelNotAllowed);
}
