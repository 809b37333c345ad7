//! A host says that it is healthy only once it can be used.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use xtask::local::{HostKind, LocalHost, Options, read_facts};

/// The status of an answer; none while nobody listens.
fn ask(port: u16, path: &str, headers: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n").ok()?;
    let mut begun = [0; "HTTP/1.1 200".len()];
    // A port that is only being opened closes its connections.
    stream.read_exact(&mut begun).ok()?;
    let status = std::str::from_utf8(&begun[begun.len() - 3..]).expect("digits");
    Some(status.parse().expect("a status"))
}

#[tokio::test]
async fn whoever_waits_for_health_can_use_the_seeded_keys_at_once() {
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
    let healthy = |name: &str| ask(port, name, "") == Some(200);
    let alive = || !starting.is_finished();
    tests::eventually("the host to be healthy", async || {
        assert!(alive(), "the host ended");
        healthy("/billing/health").then_some(())
    })
    .await;
    // From here on nothing may be missing.
    let facts = read_facts(&state).expect("readable facts").expect("facts once the host is healthy");
    let billing = format!("x-api-key: {}\r\n", facts.billing_api_key);
    assert_eq!(ask(port, "/api/usage?tenant_id=demo", &billing), Some(200));
    let bearer = format!("authorization: Bearer {}\r\n", facts.api_key);
    assert_eq!(ask(port, "/v1/budget", &bearer), Some(200));
    for path in ["/health", "/admin/health", "/webhooks/health", "/cron/health"] {
        assert!(healthy(path), "{path}");
    }
    started.recv().expect("a host that started");
    drop(end);
    starting.join().expect("a host that stops");
    std::fs::remove_dir_all(&state).expect("a folder of its own");
}
