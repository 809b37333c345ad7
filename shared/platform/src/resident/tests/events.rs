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
    let rows = rows.iter().take(500).map(|(sequence, value)| (*sequence, value.clone())).collect();
    let batch = resident.next_batch(rows, 500).expect("events wait");
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
    // Room beside the head again: younger events lie there, older ones in rows.
    let writes = host.resident.acknowledge(3, 0);
    host.disk.apply(writes);
    host.apply(adjust(700));
    let (batch, through) = delivered(&host.resident, &host.disk.events);
    assert_eq!(batch, (3..503).map(request_id).collect::<Vec<_>>());
    assert_eq!(through, 503);
}

/// What the younger row tells of came after an event that this head does not know: delivered and acknowledged, it
/// would take that one with it.
#[test]
fn p12_rows_that_are_younger_than_the_head_wait_for_the_next_batch() {
    let mut host = Host::configured();
    let mut next = 0;
    let mut apply = |host: &mut Host| {
        host.apply(adjust(next));
        next += 1;
    };
    while host.disk.events.is_empty() {
        apply(&mut host);
    }
    let seen = host.disk.load();
    // Somebody delivers meanwhile what lay beside the head, and others come: beside it, then in rows.
    let inline = host.waiting().iter().filter(|(_, row)| !row).count() as u64;
    let writes = host.resident.acknowledge(inline, 0);
    host.disk.apply(writes);
    for _ in 0..inline + 3 {
        apply(&mut host);
    }
    let youngest = *host.disk.events.keys().last().unwrap();
    let (_, through) = delivered(&seen, &host.disk.events);
    assert_eq!(through, inline + 1);
    assert!(youngest > through + inline);
}

#[test]
fn sequences_are_never_used_again() {
    let mut host = Host::configured();
    host.apply(adjust(1));
    let writes = host.resident.acknowledge(1, 0);
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
            let of_rows = delivered.iter().filter(|(_, row)| *row).count() as u64;
            if crash {
                host.crash();
            }
            let writes = host.resident.acknowledge(delivered.last().unwrap().0, of_rows);
            host.disk.apply(writes);
            prop_assert_eq!(host.waiting(), waiting.clone());
            prop_assert_eq!(host.resident.undelivered(), waiting.len() as u64);
            prop_assert_eq!(host.disk.load().undelivered(), waiting.len() as u64);
        }
    }
}
