//! Recorded streams through the meter: what the client gets and what was counted, however they are cut.

use bytes::Bytes;
use domain::price::Usage;
use llm_formats::openai_chat::{Piece, StreamMeter, StreamOptions};
use proptest::prelude::*;

/// What a test client got, and what the meter knows at the end.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    sent: String,
    usage: Option<Usage>,
    output: u64,
    complete: bool,
    unreadable: u64,
    error: Option<String>,
    stopped: bool,
}

const COST: &str = r#""cost_eur":"0.000123""#;

fn options(client_wants_usage: bool) -> StreamOptions {
    StreamOptions { client_wants_usage, choices: 1, output_tokens_max: None }
}

fn run<'a>(options: StreamOptions, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut meter = StreamMeter::new(options);
    let mut sent = Vec::new();
    let (mut error, mut stopped) = (None, false);
    let mut take = |meter: &mut StreamMeter| {
        while let Some(piece) = meter.next_piece() {
            match piece {
                Piece::Pass(bytes) | Piece::Done(bytes) => sent.extend_from_slice(&bytes),
                Piece::Usage(event) => sent.extend_from_slice(&event.with_members(COST)),
                Piece::Error { event, error: found } => {
                    sent.extend_from_slice(&event);
                    error = Some(found.message);
                }
                Piece::CeilingReached => {
                    sent.extend_from_slice(&meter.clean_end(None));
                    stopped = true;
                }
            }
        }
    };
    for chunk in chunks {
        meter.push(Bytes::copy_from_slice(chunk));
        take(&mut meter);
    }
    meter.end_of_upstream();
    take(&mut meter);
    Outcome {
        sent: String::from_utf8(sent).unwrap(),
        usage: meter.usage().copied(),
        output: meter.output_so_far(),
        complete: meter.is_complete(),
        unreadable: meter.unreadable_events(),
        error,
        stopped,
    }
}

struct Recorded {
    name: &'static str,
    stream: &'static str,
    usage: Option<Usage>,
    output: u64,
    complete: bool,
    /// Taken out for a client that did not ask: the start and end of the event.
    without: Option<(&'static str, &'static str)>,
    /// Changed for a client that asked.
    with: Option<(&'static str, &'static str)>,
}

macro_rules! recorded {
    ($name:literal) => {
        ($name, include_str!(concat!("../fixtures/openai_chat_stream/", $name, ".sse")))
    };
}

fn input_output(input: u64, output: u64) -> Option<Usage> {
    Some(Usage { input, output, ..Usage::default() })
}

fn recordings() -> Vec<Recorded> {
    let full = Some(Usage { input: 5, cached_input: 16, output: 3, reasoning: 2, ..Usage::default() });
    let usage_only = Some((
        r#"data: {"id":"chatcmpl-7f3a","object":"chat.completion.chunk","created":1750000000,"model":"gpt-4o-mini-2024-07-18","choices":[],"usage""#,
        "\n\n",
    ));
    let priced = Some((
        r#""rejected_prediction_tokens":0}}}"#,
        r#""rejected_prediction_tokens":0},"cost_eur":"0.000123"}}"#,
    ));
    let row = |(name, stream), usage, output, complete, without, with| Recorded {
        name,
        stream,
        usage,
        output,
        complete,
        without,
        with,
    };
    vec![
        row(recorded!("plain"), full, 5, true, usage_only, priced),
        row(recorded!("without_usage"), None, 5, true, None, None),
        row(
            recorded!("crlf_and_comments"),
            full,
            5,
            true,
            Some((
                r#"data:{"id":"chatcmpl-7f3a","object":"chat.completion.chunk","created":1750000000,"model":"gpt-4o-mini-2024-07-18","choices":[],"usage""#,
                "\r\n\r\n",
            )),
            None,
        ),
        row(
            recorded!("multi_line_data"),
            input_output(21, 5),
            5,
            true,
            Some(("event: chunk\nid: 7\n", "\n\n")),
            Some((
                "event: chunk\nid: 7\ndata: {\"id\":\"chatcmpl-7f3a\",\ndata: \"choices\":[], \"usage\" : {\"prompt_tokens\": 21,\ndata:   \"completion_tokens\": 5 }\ndata: }\n\n",
                "data: {\"id\":\"chatcmpl-7f3a\", \"choices\":[], \"usage\" : {\"prompt_tokens\": 21,   \"completion_tokens\": 5 ,\"cost_eur\":\"0.000123\"} }\n\n",
            )),
        ),
        row(
            recorded!("usage_with_finish"),
            input_output(9, 4),
            4,
            true,
            None,
            Some((r#""total_tokens":13}"#, r#""total_tokens":13,"cost_eur":"0.000123"}"#)),
        ),
        row(recorded!("error_midway"), None, 2, false, None, None),
        row(recorded!("cut_off"), None, 5, false, None, None),
        row(recorded!("no_last_line_end"), full, 5, true, usage_only, priced),
        row(
            recorded!("reasoning_and_tools"),
            Some(Usage { input: 40, output: 12, reasoning: 20, ..Usage::default() }),
            32,
            true,
            usage_only,
            None,
        ),
        row(recorded!("two_choices"), full, 5, true, usage_only, priced),
        row(recorded!("filter_results_first"), full, 5, true, usage_only, priced),
        row(recorded!("not_json"), None, 11, true, None, None),
    ]
}

impl Recorded {
    /// What a client gets that did not ask for usage.
    fn unasked(&self) -> String {
        let mut expected = self.whole();
        if let Some((start, end)) = self.without {
            let from = expected.find(start).expect(self.name);
            let to = from + expected[from..].find(end).unwrap() + end.len();
            expected.replace_range(from..to, "");
        }
        expected
    }

    /// The stream as far as its events are whole, the last one ended.
    fn whole(&self) -> String {
        match self.name {
            "cut_off" => self.stream[..self.stream.rfind("data: ").unwrap()].to_owned(),
            "no_last_line_end" => format!("{}\n\n", self.stream),
            _ => self.stream.to_owned(),
        }
    }
}

#[test]
fn p11_recorded_streams_are_metered() {
    for recorded in recordings() {
        let outcome = run(options(false), [recorded.stream.as_bytes()]);
        assert_eq!(outcome.sent, recorded.unasked(), "{}", recorded.name);
        assert_eq!(outcome.usage, recorded.usage, "{}", recorded.name);
        assert_eq!(outcome.output, recorded.output, "{}", recorded.name);
        assert_eq!(outcome.complete, recorded.complete, "{}", recorded.name);
        assert_eq!(outcome.unreadable, if recorded.name == "not_json" { 2 } else { 0 });
        let error = (recorded.name == "error_midway")
            .then_some("The server had an error while processing your request.");
        assert_eq!(outcome.error.as_deref(), error);
    }
}

#[test]
fn a_client_that_asked_gets_the_usage_with_the_cost() {
    for recorded in recordings() {
        let Some((before, after)) = recorded.with else { continue };
        let outcome = run(options(true), [recorded.stream.as_bytes()]);
        let expected = recorded.whole().replace(before, after);
        assert_ne!(expected, recorded.whole(), "{}", recorded.name);
        assert_eq!(outcome.sent, expected, "{}", recorded.name);
    }
}

#[test]
fn a_running_usage_grows_to_the_last() {
    let stream = recorded!("running_usage").1;
    let outcome = run(options(true), [stream.as_bytes()]);
    assert_eq!(outcome.usage, input_output(9, 5));
    assert_eq!(outcome.sent.matches(COST).count(), 5);
    assert_eq!(run(options(false), [stream.as_bytes()]).sent, stream);
}

#[test]
fn p09_a_stream_cut_after_any_event_is_never_free() {
    let stream = recorded!("plain").1;
    let mut outputs = Vec::new();
    for (at, _) in stream.match_indices("\n\n") {
        outputs.push(run(options(false), [&stream.as_bytes()[..at + 2]]).output);
    }
    assert_eq!(outputs, [0, 2, 3, 5, 5, 5, 5, 5]);
}

#[test]
fn every_cut_gives_the_same() {
    for recorded in recordings() {
        for wants in [false, true] {
            let stream = recorded.stream.as_bytes();
            let whole = run(options(wants), [stream]);
            for cut in 0..=stream.len() {
                let halves = run(options(wants), [&stream[..cut], &stream[cut..]]);
                assert_eq!(halves, whole, "{} cut at {cut}", recorded.name);
            }
            assert_eq!(run(options(wants), stream.chunks(1)), whole, "{} byte by byte", recorded.name);
        }
    }
}

#[test]
fn whole_events_pass_uncopied() {
    let stream = Bytes::from_static(recorded!("without_usage").1.as_bytes());
    let mut meter = StreamMeter::new(options(false));
    meter.push(stream.clone());
    let Some(Piece::Pass(passed)) = meter.next_piece() else { panic!("nothing passed") };
    assert_eq!(passed.as_ptr(), stream.as_ptr());
    assert_eq!(passed.len() + "data: [DONE]\n\n".len(), stream.len());
    assert!(matches!(meter.next_piece(), Some(Piece::Done(_))));
    assert_eq!(meter.next_piece(), None);
}

#[test]
fn p10_a_stream_above_its_ceiling_is_ended_in_order() {
    let stream = recorded!("plain").1;
    let limited = StreamOptions { output_tokens_max: Some(3), ..options(true) };
    let outcome = run(limited, [stream.as_bytes()]);
    assert!(outcome.stopped);
    let delivered = stream.find("data: {\"id\":\"chatcmpl-7f3a\",\"object\":\"chat.completion.chunk\",\"created\":1750000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\".\"}").unwrap();
    let end = "data: {\"id\":\"chatcmpl-7f3a\",\"object\":\"chat.completion.chunk\",\"created\":1750000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
    assert_eq!(outcome.sent, format!("{}{end}", &stream[..delivered]));
    for cut in 0..stream.len() {
        assert_eq!(run(limited, [&stream.as_bytes()[..cut], &stream.as_bytes()[cut..]]), outcome);
    }
}

#[test]
fn p11_a_report_of_nothing_beside_an_answer_is_no_report() {
    let text =
        r#"data: {"choices":[{"index":0,"delta":{"content":"forty bytes of text, or thereabouts, say"}}]}"#;
    let nothing =
        r#"data: {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
    let stream = format!("{text}\n\n{nothing}\n\ndata: [DONE]\n\n");
    let outcome = run(options(false), [stream.as_bytes()]);
    assert_eq!((outcome.usage, outcome.output), (None, 10));
    let stream = format!("{nothing}\n\ndata: [DONE]\n\n");
    assert_eq!(run(options(false), [stream.as_bytes()]).usage, input_output(0, 0));
}

#[test]
fn p10_the_event_beyond_the_ceiling_is_not_sent_and_counts() {
    let event = |text: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    let stream = [event("a"), event("b"), event("c")].concat();
    let options = StreamOptions { output_tokens_max: Some(2), ..options(false) };
    let outcome = run(options, [stream.as_bytes()]);
    assert!(outcome.stopped && outcome.sent.contains("\"b\"") && !outcome.sent.contains("\"c\""));
    assert_eq!(outcome.output, 3);
}

#[test]
fn p10_only_choices_that_have_not_finished_are_finished() {
    let stream = recorded!("two_choices").1;
    let mut meter = StreamMeter::new(StreamOptions { choices: 2, ..options(true) });
    meter.push(Bytes::copy_from_slice(&stream.as_bytes()[..stream.find("\"length\"").unwrap()]));
    while meter.next_piece().is_some() {}
    assert!(!meter.is_complete());
    let usage = Usage { input: 3, output: 4, ..Usage::default() };
    let end = String::from_utf8(meter.clean_end(Some((&usage, COST))).to_vec()).unwrap();
    let events: Vec<&str> = end.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 3);
    assert!(events[0].contains(r#""index":0"#) && events[0].contains(r#""finish_reason":"length""#));
    assert!(events[1].contains(r#""choices":[],"usage":{"prompt_tokens":3"#) && events[1].contains(COST));
    assert_eq!(events[2], "data: [DONE]");
}

#[test]
fn an_event_too_large_to_hold_passes_unread_and_is_counted() {
    let huge = format!("data: {{\"usage\":{{}},\"x\":\"{}\"}}\n\n", "y".repeat(3 << 20));
    let stream = format!("{}{huge}{}", recorded!("error_midway").1, recorded!("plain").1);
    let whole = run(options(true), [stream.as_bytes()]);
    assert!(whole.sent.contains(&huge));
    let without_usage = recorded!("without_usage").1;
    let uncounted = format!("{huge}{without_usage}");
    assert!(run(options(true), [uncounted.as_bytes()]).output >= huge.len() as u64 / 4);
    for size in [65_536, 1 << 20, (1 << 20) + 1] {
        assert_eq!(run(options(true), stream.as_bytes().chunks(size)), whole);
        let counted = run(options(true), uncounted.as_bytes().chunks(size));
        assert_eq!(counted, run(options(true), [uncounted.as_bytes()]));
    }
    let limited = StreamOptions { output_tokens_max: Some(100), ..options(true) };
    let stopped = run(limited, huge.as_bytes().chunks(65_536));
    assert!(stopped.stopped && stopped.sent.len() < 2 << 20);
}

proptest! {
    #[test]
    fn any_pieces_give_the_same(which in 0usize..12, sizes in prop::collection::vec(1usize..90, 1..60)) {
        let recorded = &recordings()[which];
        let whole = run(options(true), [recorded.stream.as_bytes()]);
        let mut rest = recorded.stream.as_bytes();
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(run(options(true), chunks), whole);
    }
}
