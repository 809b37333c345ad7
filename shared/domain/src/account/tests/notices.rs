//! P27: a notice for every limit, whether more is used or the limit falls, each once per period.

use super::builders::*;
use crate::account::*;
use crate::notice::Notice;

fn told(ledger: &Ledger) -> Vec<u8> {
    ledger.notices.iter().map(|notice| notice.percent).collect()
}

fn limit(ledger: &mut Ledger, version: u64, budget: i64) {
    ledger.configure(Configuration { version, ..configuration(budget) });
}

#[test]
fn p27_a_lowered_budget_is_told_of_once_however_often_it_moves() {
    let mut ledger = Ledger::with_budget(1_000);
    ledger.apply(report(1, 400, 0));
    assert!(told(&ledger).is_empty());
    limit(&mut ledger, 2, 500);
    assert_eq!(told(&ledger), [50, 80]);
    limit(&mut ledger, 3, 400);
    assert_eq!(told(&ledger), [50, 80, 95, 100]);
    limit(&mut ledger, 4, 5_000);
    limit(&mut ledger, 5, 10);
    limit(&mut ledger, 6, 0);
    assert_eq!(told(&ledger).len(), 4);
}

#[test]
fn p27_a_budget_taken_away_is_used_up_once_something_was_used() {
    let mut ledger = Ledger::with_budget(1_000);
    limit(&mut ledger, 2, 0);
    assert!(told(&ledger).is_empty());
    limit(&mut ledger, 3, 1_000);
    ledger.apply(report(1, 1, 0));
    limit(&mut ledger, 4, 0);
    assert_eq!(told(&ledger), [50, 80, 95, 100]);
}

#[test]
fn p27_a_refund_that_leaves_less_is_told_of() {
    let mut ledger = Ledger::with_budget(100);
    ledger.apply(top_up(1, 900));
    ledger.apply(report(2, 80, 0));
    ledger.apply(refund(3, 900));
    assert_eq!(told(&ledger), [50, 80]);
}

fn with_keys(version: u64, budgets: [Option<i64>; 2]) -> Configuration {
    let key = |name: &str, budget: Option<i64>| Key {
        budget: budget.map(nano),
        name: format!("Key {name}"),
        ..Key::new(name, key_hash(name))
    };
    Configuration { version, keys: vec![key("a", budgets[0]), key("b", budgets[1])], ..configuration(10_000) }
}

fn spend(ledger: &mut Ledger, id: u64, key: &str, cost: u64) {
    let now = ledger.later(SECOND).now;
    reserved(ledger.apply(Reserve { key: Some(key_hash(key)), ..reserve_at(now, id, cost, 0) }));
    ledger.apply(settle(id, cost, 0));
}

#[test]
fn p27_each_share_of_each_keys_budget_is_told_once_per_period() {
    let mut ledger = Ledger::configured(with_keys(1, [Some(100), Some(100)]));
    spend(&mut ledger, 1, "a", 50);
    spend(&mut ledger, 2, "b", 85);
    let of = |notice: &Notice| (notice.source, notice.key.clone().unwrap().id, notice.percent);
    let told: Vec<_> = ledger.notices.iter().map(of).collect();
    let key = LimitSource::Key;
    assert_eq!(told, [(key, "a".into(), 50), (key, "b".into(), 50), (key, "b".into(), 80)]);
    let first = &ledger.notices[0];
    assert_eq!((first.used, first.limit), (nano(50), nano(100)));
    assert_eq!(first.key.as_ref().unwrap().name, "Key a");
    let ids: std::collections::BTreeSet<_> = ledger.notices.iter().map(|notice| notice.id("eu-1")).collect();
    assert_eq!(ids.len(), 3, "two keys' notices of one share are two");
    ledger.configure(with_keys(2, [Some(50), Some(100)]));
    assert_eq!(ledger.notices.len(), 6, "the lowered key's 80, 95 and 100");
    ledger.configure(with_keys(3, [None, Some(100)]));
    ledger.configure(with_keys(4, [Some(40), Some(100)]));
    assert_eq!(ledger.notices.len(), 6);
    ledger.later(SECOND).apply(reset(9));
    spend(&mut ledger, 3, "a", 20);
    assert_eq!(ledger.notices.len(), 7);
}

#[test]
fn p27_a_call_refused_for_a_keys_rest_tells_that_the_key_is_used_up() {
    let mut ledger = Ledger::configured(with_keys(1, [Some(100), None]));
    spend(&mut ledger, 1, "a", 96);
    for id in 2..5 {
        let now = ledger.now;
        budget_refusal(ledger.apply(Reserve { key: Some(key_hash("a")), ..reserve_at(now, id, 10, 0) }));
    }
    assert_eq!(told(&ledger), [50, 80, 95, 100]);
}
