//! The outbox: what was acknowledged is gone, all else stays, whichever row it lies in.

use super::*;
use proptest::prelude::*;

#[test]
fn events_keep_their_order_across_both_places() {
    let mut host = Host::configured();
    for id in 0..100 {
        host.apply(adjust(id));
    }
    let waiting = host.waiting();
    assert!(waiting.iter().any(|(_, row)| *row) && waiting.iter().any(|(_, row)| !*row));
    assert_eq!(
        waiting.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(),
        (1..=100).collect::<Vec<_>>()
    );
}

/// Which operations a batch is about.
fn delivered(resident: &Resident<Account>, rows: &BTreeMap<u64, Vec<u8>>) -> (Vec<RequestId>, u64) {
    let rows: Vec<Vec<u8>> = rows.values().take(500).cloned().collect();
    let batch = resident.next_batch(&rows, 500).unwrap().expect("events wait");
    let row = |event| match event {
        Event::Usage(row) => row.request_id,
        other => panic!("an adjustment makes a row and not {other:?}"),
    };
    (batch.decoded().unwrap().into_iter().map(row).collect(), batch.through)
}

#[test]
fn a_batch_is_in_order_and_bounded() {
    let mut host = Host::configured();
    for id in 0..700 {
        host.apply(adjust(id));
    }
    // Of the first row only a part was delivered: it stays, and its first events do not come again.
    let writes = host.resident.acknowledge(3);
    host.disk.apply(writes);
    let (batch, through) = delivered(&host.resident, &host.disk.events);
    assert_eq!(batch, (3..503).map(request_id).collect::<Vec<_>>());
    assert_eq!(through, 503);
}

/// A row that was read later than the head tells of what this head does not know, and of what it has beside itself.
#[test]
fn p12_what_is_younger_than_the_head_waits_for_the_next_batch() {
    let mut host = Host::configured();
    for id in 0..3 {
        host.apply(adjust(id));
    }
    let seen = host.disk.load();
    let mut next = 3;
    while host.disk.events.len() < 2 {
        host.apply(adjust(next));
        next += 1;
    }
    let (operations, through) = delivered(&seen, &host.disk.events);
    assert_eq!((operations, through), ((0..3).map(request_id).collect::<Vec<_>>(), 3));
    let waiting = host.waiting().split_off(3);
    let writes = host.resident.acknowledge(through);
    host.disk.apply(writes);
    assert_eq!(host.waiting(), waiting);
    // Whoever saw less and comes later takes nothing with it.
    assert_eq!(host.resident.acknowledge(2), []);
}

#[test]
fn many_events_take_few_rows() {
    let mut host = Host::configured();
    for id in 0..1_000 {
        host.apply(adjust(id));
    }
    assert!((1..=250).contains(&host.disk.events.len()), "{} rows", host.disk.events.len());
}

#[test]
fn sequences_are_never_used_again() {
    let mut host = Host::configured();
    host.apply(adjust(1));
    let writes = host.resident.acknowledge(1);
    host.disk.apply(writes);
    host.crash();
    host.apply(adjust(2));
    assert_eq!(host.waiting(), [(2, false)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn acknowledging_drops_exactly_the_delivered_events(
        rounds in prop::collection::vec((1u64..60, any::<prop::sample::Index>(), any::<bool>()), 1..6),
    ) {
        let mut host = Host::configured();
        let mut operation = 0;
        for (events, delivered, crash) in rounds {
            for _ in 0..events {
                operation += 1;
                host.apply(adjust(operation));
            }
            let mut waiting = host.waiting();
            let delivered: Vec<_> = waiting.drain(..=delivered.index(waiting.len())).collect();
            if crash {
                host.crash();
            }
            let writes = host.resident.acknowledge(delivered.last().unwrap().0);
            host.disk.apply(writes);
            prop_assert_eq!(host.waiting(), waiting.clone());
            prop_assert_eq!(host.resident.undelivered(), waiting.len() as u64);
            prop_assert_eq!(host.disk.load().undelivered(), waiting.len() as u64);
        }
    }
}
