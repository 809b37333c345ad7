//! How many rows a step writes, and how large they are.

use super::*;

fn is_head_only(writes: &[Write]) -> bool {
    matches!(writes, [Write::Head(_)])
}

#[test]
fn each_step_of_a_quiet_account_writes_one_row() {
    let mut host = Host::configured();
    for id in 0..5 {
        let now = host.now;
        let steps = [(0, reserve(now, id)), (1, checkpoint(id)), (9, settle(id))];
        for (at, (seconds, command)) in steps.into_iter().enumerate() {
            let writes = host.later(Duration::from_secs(seconds)).writes(command);
            assert!(is_head_only(&writes), "step {at} of call {id}: {writes:?}");
        }
        let (sequence, _) = *host.waiting().last().unwrap();
        let writes = host.resident.acknowledge(sequence);
        assert!(is_head_only(&writes));
        host.disk.apply(writes);
    }
    assert_eq!((host.disk.parts.len(), host.disk.events.len()), (1, 0), "the configuration only");
}

#[test]
fn refusals_and_questions_write_nothing() {
    let mut host = Host::configured();
    host.apply(configure(2, 299));
    let now = host.now;
    let mut valid_long_ago = reserve(now, 3);
    if let Command::Reserve(command) = &mut valid_long_ago {
        command.valid_until = Timestamp::EPOCH;
    }
    let commands = [
        reserve(now, 1),
        valid_long_ago,
        Command::Inspect,
        Command::Wake,
        settle(1),
        checkpoint(1),
        configure(1, 5),
        Command::Authorize(domain::api_key::KeyHash::of("forged")),
    ];
    for command in commands {
        let text = format!("{command:?}");
        assert_eq!(host.later(Duration::from_secs(1)).writes(command), [], "{text}");
    }
}

#[test]
fn a_name_that_was_never_configured_writes_nothing() {
    let mut host = Host::empty();
    let now = host.now;
    for command in [reserve(now, 1), release(now, 1), top_up(2), Command::Inspect, Command::Wake] {
        assert_eq!(host.writes(command), []);
    }
    host.crash();
    assert_eq!(host.writes(Command::Inspect), []);
}

#[test]
fn with_a_thousand_open_holds_a_step_writes_few_rows_and_the_head_stays_small() {
    let mut host = Host::configured();
    let mut most = 0;
    for id in 0..1_000 {
        let now = host.now;
        most = most.max(host.writes(reserve(now, id)).len());
    }
    for id in 0..900 {
        let now = host.later(Duration::from_millis(10)).now;
        let commands = [checkpoint(id), reserve(now, 10_000 + id), settle(id)];
        for command in commands {
            let writes = host.writes(command);
            most = most.max(writes.len());
            for write in writes {
                if let Write::Head(value) = write {
                    assert!(value.len() < 3 * 4_096, "a head of {} bytes", value.len());
                }
            }
        }
    }
    // The head, the hold's own row, and the usage row, which waits in its own.
    assert!(most <= 3, "{most} rows in one step");
    assert_eq!(host.resident.undelivered(), 900);
}

#[test]
fn many_small_parts_do_not_make_the_head_large() {
    let mut host = Host::configured();
    for id in 0..1_000 {
        let now = host.now;
        host.apply(release(now, id));
        assert!(host.disk.head.as_ref().unwrap().len() < 4_096);
    }
}

#[test]
fn ids_of_operations_have_rows_of_their_own_and_are_not_kept_in_memory() {
    let mut host = Host::configured();
    for id in 0..100 {
        host.apply(top_up(id));
    }
    assert_eq!(host.disk.parts.len(), 101);
    assert_eq!(host.resident.missing(&top_up(7)).len(), 1);
    assert_eq!(host.writes(top_up(7)), [], "a repeated one changes nothing");
    assert_eq!(host.resident.missing(&top_up(7)).len(), 1);
}

#[test]
fn nothing_is_left_of_calls_that_ended() {
    let mut host = Host::configured();
    let now = host.now;
    for id in 0..200 {
        host.apply(reserve(now, id));
    }
    for id in 0..100 {
        host.apply(settle(id));
        host.apply(release(now, 100 + id));
    }
    let now = host.later(RESERVE_VALIDITY).now;
    host.apply(reserve(now, 201));
    host.apply(settle(201));
    assert_eq!(host.disk.parts.len(), 1, "the configuration only");
    let (sequence, _) = *host.waiting().last().unwrap();
    let writes = host.resident.acknowledge(sequence);
    host.disk.apply(writes);
    assert!(host.disk.events.is_empty() && host.disk.head.unwrap().len() < 200);
}
