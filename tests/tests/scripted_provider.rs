//! The suite's own instruments: what the other stories rely on.

use serde_json::{Value, json};
use tests::client::{Client, ClientError, raw};
use tests::upstream::{Ending, Progress, Reply, Upstream};
use tests::{Completion, Gate};

const PATH: &str = "/v1/chat/completions";

fn streamed(model: &str) -> Value {
    json!({"model": model, "stream": true, "stream_options": {"include_usage": true}})
}

#[tokio::test]
async fn a_gate_lets_exactly_as_many_pieces_pass_as_it_is_opened_for() {
    let upstream = Upstream::start();
    let gate = Gate::closed();
    upstream.always("m", Completion::of(&["a", "b", "c"]).pieces_behind(&gate));
    let mut stream = Client::new(&upstream.base_url()).post(PATH, &streamed("m")).stream().await;
    for piece in ["a", "b", "c"] {
        gate.open(1);
        assert_eq!(stream.next_text().await, piece);
    }
    assert_eq!(upstream.call(0).await.progress(), Progress::Answering(3));
    gate.open(1);
    let rest = stream.rest().await.expect("a complete stream");
    assert!(rest.is_done());
    assert_eq!(rest.usage().expect("usage")["completion_tokens"], 3);
    assert_eq!(upstream.call(0).await.progress(), Progress::Completed);
}

#[tokio::test]
async fn a_client_that_leaves_is_seen() {
    let upstream = Upstream::start();
    let gate = Gate::closed();
    upstream.always("m", Completion::words(9).pieces_behind(&gate));
    let mut stream = Client::new(&upstream.base_url()).post(PATH, &streamed("m")).stream().await;
    gate.open(2);
    stream.next_text().await;
    stream.next_text().await;
    drop(stream);
    assert_eq!(upstream.call(0).await.cancelled().await, 2);
}

#[tokio::test]
async fn a_cut_stream_delivers_its_pieces_and_then_breaks() {
    let upstream = Upstream::start();
    upstream.always("m", Completion::of(&["a", "b"]).ending(Ending::Cut));
    let client = Client::new(&upstream.base_url());
    let mut stream = client.post(PATH, &streamed("m")).stream().await;
    assert_eq!((stream.next_text().await, stream.next_text().await), ("a".into(), "b".into()));
    assert!(matches!(stream.next().await, Err(ClientError::Broken(_))));
    let unstreamed = client.post(PATH, &json!({"model": "m"})).try_send().await;
    assert!(matches!(unstreamed, Err(ClientError::Broken(_))));
}

#[tokio::test]
async fn replies_in_line_come_before_the_standing_one() {
    let upstream = Upstream::start();
    upstream.always("m", Completion::of(&["standing"]));
    upstream.next("m", Reply::error(429, "rate_limit_exceeded").header("retry-after", "7"));
    upstream.next("m", Reply::HangUp);
    let client = Client::new(&upstream.base_url());
    let request = || client.post(PATH, &json!({"model": "m"}));
    let limited = request().send().await.expect(429);
    assert_eq!(
        (limited.header("retry-after"), &limited.json()["error"]["code"]),
        ("7", &json!("rate_limit_exceeded"))
    );
    assert!(matches!(request().try_send().await, Err(ClientError::Broken(_))));
    assert_eq!(request().send().await.expect(200).json()["choices"][0]["message"]["content"], "standing");
}

#[tokio::test]
async fn a_provider_that_is_down_refuses_connections_until_it_is_back() {
    let upstream = Upstream::start();
    let client = Client::new(&upstream.base_url());
    upstream.go_down().await;
    let refused = client.post(PATH, &json!({"model": "m"})).try_send().await;
    assert!(matches!(refused, Err(ClientError::Connect(_))));
    upstream.come_back().await;
    client.post(PATH, &json!({"model": "m"})).send().await.expect(200);
}

#[tokio::test]
async fn bytes_that_are_no_request_get_an_answer_or_a_closed_connection() {
    let upstream = Upstream::start();
    let client = Client::new(&upstream.base_url());
    let answer = raw::exchange(client.authority(), b"NOT HTTP\r\n\r\n").await;
    assert!(answer.is_none_or(|answer| answer.status == 400));
}
