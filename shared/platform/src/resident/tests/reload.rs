//! A host that dies and loads again goes on as if nothing had happened.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Happening {
    Command(u8, u64),
    /// As many calls at once, so that holds no longer fit beside the head.
    Burst(u64),
    Configure(i64),
    Pass(u64),
    Acknowledge(prop::sample::Index),
    Crash,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        12 => (0u8..8, 0u64..40).prop_map(|(kind, id)| Happening::Command(kind, id)),
        1 => (1u64..30).prop_map(Happening::Burst),
        1 => (0i64..1_000_000).prop_map(Happening::Configure),
        3 => prop::sample::select(vec![1, 3, 11, 60, 700, 3_600, 86_400, 3_000_000]).prop_map(Happening::Pass),
        2 => any::<prop::sample::Index>().prop_map(Happening::Acknowledge),
        2 => Just(Happening::Crash),
    ]
}

fn commands(happening: &Happening, now: Timestamp, version: u64) -> Vec<Command> {
    match happening {
        Happening::Command(kind, id) => vec![match kind {
            0 | 1 => reserve(now, *id),
            2 => settle(*id),
            3 => checkpoint(*id),
            4 => release(now, *id),
            5 => top_up(*id),
            6 => adjust(*id),
            _ => Command::Reset(Reset { operation_id: request_id(*id) }),
        }],
        Happening::Burst(count) => (0..*count).map(|id| reserve(now, 20 + id)).collect(),
        Happening::Configure(budget) => vec![configure(version, *budget)],
        Happening::Pass(_) | Happening::Acknowledge(_) | Happening::Crash => vec![Command::Inspect],
    }
}

fn acknowledge(host: &mut Host, at: prop::sample::Index) {
    let waiting = host.waiting();
    if waiting.is_empty() {
        return;
    }
    let delivered = &waiting[..=at.index(waiting.len())];
    let writes = host.resident.acknowledge(delivered[delivered.len() - 1].0);
    host.disk.apply(writes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn p03_a_machine_loaded_again_at_any_point_answers_and_stores_the_same(
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut kept = Host::configured();
        let mut always_reloaded = Host::configured();
        let mut sometimes_reloaded = Host::configured();
        for (version, happening) in (2..).zip(happenings) {
            for host in [&mut kept, &mut always_reloaded, &mut sometimes_reloaded] {
                match &happening {
                    Happening::Pass(seconds) => drop(host.later(Duration::from_secs(*seconds))),
                    Happening::Acknowledge(at) => acknowledge(host, *at),
                    _ => {}
                }
            }
            if matches!(happening, Happening::Crash) {
                sometimes_reloaded.crash();
            }
            for command in commands(&happening, kept.now, version) {
                always_reloaded.crash();
                let expected = kept.apply(command.clone());
                prop_assert_eq!(&always_reloaded.apply(command.clone()), &expected);
                prop_assert_eq!(&sometimes_reloaded.apply(command), &expected);
                prop_assert_eq!(&always_reloaded.disk, &kept.disk);
                prop_assert_eq!(&sometimes_reloaded.disk, &kept.disk);
                prop_assert_eq!(always_reloaded.resident.wake_at(), kept.resident.wake_at());
            }
        }
    }
}

#[test]
fn p03_a_step_that_was_not_stored_did_not_happen() {
    let mut host = Host::configured();
    let now = host.now;
    host.apply(reserve(now, 1));
    let disk = host.disk.clone();
    host.resident.step(settle(1), now);
    host.crash();
    assert_eq!(host.disk, disk);
    assert!(matches!(host.apply(settle(1)), Reply::Settled(_)));
}
