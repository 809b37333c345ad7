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
