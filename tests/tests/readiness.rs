//! A host says that it is healthy only once it can be used.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use xtask::local::{HostKind, LocalHost, Options, read_facts};

/// The status and the rest of an answer; none while nobody listens.
fn ask(port: u16, path: &str, headers: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n").ok()?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Ok(_) => answer.split_once(' ').map(|(_, rest)| rest.to_owned()),
        // A port that is only being opened.
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn whoever_waits_for_health_can_use_the_seeded_keys_at_once() {
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("readiness-{}", std::process::id()));
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let port = port.expect("a free port").port();
    let host = std::env::var("TEST_HOST").unwrap_or_else(|_| HostKind::default().name().into());
    let host = HostKind::parse(&host).expect("a host");
    let options = Options { host, port, ..Options::new(&state) };
    let (told, started) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let starting = std::thread::spawn(move || {
        let host = LocalHost::start(options).expect("a host that starts");
        told.send(()).expect("a test that waits");
        let _ = ends.recv();
        host.stop();
    });
    let healthy = |name: &str| ask(port, name, "").is_some_and(|answer| answer.starts_with("200"));
    let alive = || !starting.is_finished();
    while !healthy("/billing/health") {
        assert!(alive(), "the host ended");
        std::thread::yield_now();
    }
    // From here on nothing may be missing.
    let facts = read_facts(&state).expect("readable facts").expect("facts once the host is healthy");
    let billing = format!("x-api-key: {}\r\n", facts.billing_api_key);
    let usage = ask(port, "/api/usage?tenant_id=demo", &billing).expect("an answer");
    assert!(usage.starts_with("200"), "{usage}");
    let bearer = format!("authorization: Bearer {}\r\n", facts.api_key);
    let budget = ask(port, "/v1/budget", &bearer).expect("an answer");
    assert!(budget.starts_with("200"), "{budget}");
    for path in ["/health", "/admin/health", "/webhooks/health", "/cron/health"] {
        assert!(healthy(path), "{path}");
    }
    started.recv().expect("a host that started");
    drop(end);
    starting.join().expect("a host that stops");
    std::fs::remove_dir_all(&state).expect("a folder of its own");
}
