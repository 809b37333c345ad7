//! What is checked of each format.

use crate::cases::{self, Case};
use crate::formats::Format;
use domain::price::Usage;
use llm_formats::conversation::{Answer, Choice, Content, Event, Part};
use llm_formats::exchange::{Head, Wish};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const OUTPUT_TOKENS_MAX: u64 = 1_024;

pub fn client_requests(format: &Format) {
    let Some(client) = &format.client else { return };
    for Case { name, value } in cases::requests() {
        if client.unsayable.contains(&name) {
            continue;
        }
        let body = read(&file("requests", name, format, "client", "json"));
        let conversation = (client.read_request)(&body);
        let conversation = conversation.unwrap_or_else(|error| panic!("{}: {name}: {error}", format.name));
        assert_eq!(conversation, (client.as_said)(value), "{}: {name}", format.name);
    }
}

pub fn target_requests(format: &Format) {
    let Some(target) = &format.target else { return };
    let wish = Wish { model: "the-targets-model", output_tokens_max: OUTPUT_TOKENS_MAX };
    for Case { name, value } in cases::requests() {
        let written = (target.write_request)(&value, &wish);
        match target.refused.iter().find(|(refused, _)| *refused == name) {
            Some((_, feature)) => {
                assert_eq!(written.unwrap_err().feature, *feature, "{}: {name}", format.name);
            }
            None => {
                let written = written.unwrap_or_else(|error| panic!("{}: {name}: {error}", format.name));
                same_json(&file("requests", name, format, "target", "json"), &written);
            }
        }
    }
}

pub fn target_answers(format: &Format) {
    let Some(target) = &format.target else { return };
    for Case { name, value } in cases::answers() {
        if target.unsayable.contains(&name) {
            continue;
        }
        let body = read(&file("answers", name, format, "target", "json"));
        let answer = (target.read_answer)(&body);
        assert_eq!(answer, Some((target.as_said)(value)), "{}: {name}", format.name);
    }
}

pub fn client_answers(format: &Format) {
    let Some(client) = &format.client else { return };
    for Case { name, value } in cases::answers() {
        if !client.unsayable.contains(&name) {
            let usage = value.usage.unwrap_or_default();
            let written = (client.write_answer)(&head(&value), &value, &usage);
            same_json(&file("answers", name, format, "client", "json"), &written);
        }
    }
}

pub fn target_streams(format: &Format) {
    let Some(target) = &format.target else { return };
    for Case { name, value } in cases::answers() {
        if target.unsayable.contains(&name) {
            continue;
        }
        let path = file("streams", name, format, "target", target.stream_suffix);
        let stream = if target.stream_suffix == "hex" { from_hex(&read(&path)) } else { read(&path) };
        let read = |pieces: &[&[u8]]| {
            let (mut reader, mut events) = ((target.reader)(), Vec::new());
            pieces.iter().for_each(|piece| reader.push(piece, &mut events));
            reader.end(&mut events);
            events
        };
        let whole = read(&[&stream]);
        assert_eq!(collected(&whole), (target.as_said)(value), "{}: {name}", format.name);
        assert_eq!(whole.last(), Some(&Event::Ended), "{}: {name}", format.name);
        for cut in 0..stream.len() {
            assert_eq!(
                read(&[&stream[..cut], &stream[cut..]]),
                whole,
                "{}: {name}: cut at {cut}",
                format.name
            );
        }
    }
}

pub fn client_streams(format: &Format) {
    let Some(client) = &format.client else { return };
    for Case { name, value } in cases::answers() {
        if client.unsayable.contains(&name) {
            continue;
        }
        let (mut writer, mut stream) = ((client.writer)(head(&value)), String::new());
        for event in cases::events(&value) {
            writer.write(&event, &mut stream);
        }
        writer.finish(&value.usage.unwrap_or_default(), &mut stream);
        same_text(&file("streams", name, format, "client", "sse"), &stream);
    }
}

fn head(answer: &Answer) -> Head {
    Head {
        id: "0190f3e2".to_owned(),
        created: 1_700_000_000,
        model: "the-clients-model".to_owned(),
        include_usage: true,
        choices: answer.choices.len() as u64,
        input_estimate: 7,
    }
}

/// The answer that a stream's events add up to.
fn collected(events: &[Event]) -> Answer {
    let mut choices: BTreeMap<u64, Choice> = BTreeMap::new();
    let mut usage: Option<Usage> = None;
    for event in events {
        let choice = match event {
            Event::Text { choice, .. }
            | Event::Refusal { choice, .. }
            | Event::Reasoning { choice, .. }
            | Event::ReasoningSignature { choice, .. }
            | Event::SealedReasoning { choice, .. }
            | Event::ToolStarted { choice, .. }
            | Event::ToolArguments { choice, .. }
            | Event::Logprobs { choice, .. }
            | Event::Finished { choice, .. } => choice,
            Event::Usage(reported) => {
                usage = Some(*reported);
                continue;
            }
            Event::Started | Event::Ended => continue,
            Event::Error(_) | Event::Unreadable { .. } => panic!("{event:?}"),
        };
        let choice = choices.entry(*choice).or_insert_with(|| Choice {
            parts: Vec::new(),
            stop: None,
            logprobs: Vec::new(),
        });
        add(choice, event.clone());
    }
    let mut choices: Vec<Choice> = choices.into_values().collect();
    for part in choices.iter_mut().flat_map(|choice| &mut choice.parts) {
        if let Content::ToolCall { arguments, .. } = &mut part.content
            && arguments.is_empty()
        {
            arguments.push_str("{}");
        }
    }
    Answer { choices, usage }
}

fn add(choice: &mut Choice, event: Event) {
    let last = choice.parts.last_mut().map(|part| &mut part.content);
    let new: Content = match (event, last) {
        (Event::Text { text, .. }, Some(Content::Text(sum))) => return sum.push_str(&text),
        (Event::Refusal { text, .. }, Some(Content::Refusal(sum))) => return sum.push_str(&text),
        (Event::Reasoning { text, .. }, Some(Content::Reasoning { text: sum, signature: None })) => {
            return sum.push_str(&text);
        }
        (Event::ReasoningSignature { signature, .. }, Some(Content::Reasoning { signature: seal, .. })) => {
            *seal = Some(signature);
            return;
        }
        (Event::ToolArguments { call, fragment, .. }, _) => {
            let mut calls = choice.parts.iter_mut().filter_map(|part| match &mut part.content {
                Content::ToolCall { arguments, .. } => Some(arguments),
                _ => None,
            });
            return calls.nth(call as usize).expect("a call that has begun").push_str(&fragment);
        }
        (Event::Logprobs { tokens, .. }, _) => return choice.logprobs.extend(tokens),
        (Event::Finished { reason, .. }, _) => {
            choice.stop = Some(reason);
            return;
        }
        (Event::Text { text, .. }, _) => Content::Text(text),
        (Event::Refusal { text, .. }, _) => Content::Refusal(text),
        (Event::Reasoning { text, .. }, _) => Content::Reasoning { text, signature: None },
        (Event::SealedReasoning { data, .. }, _) => Content::SealedReasoning(data),
        (Event::ToolStarted { id, name, signature, .. }, _) => {
            Content::ToolCall { id, name, arguments: String::new(), signature }
        }
        (event, _) => panic!("out of place: {event:?}"),
    };
    choice.parts.push(Part::from(new));
}

fn file(kind: &str, case: &str, format: &Format, side: &str, suffix: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    root.join(kind).join(case).join(format!("{}.{side}.{suffix}", format.name))
}

fn read(path: &PathBuf) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn from_hex(text: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> =
        text.iter().filter_map(|byte| (*byte as char).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

fn same_json(path: &PathBuf, written: &str) {
    let value: Value = serde_json::from_str(written).unwrap_or_else(|error| panic!("{error}: {written}"));
    if blesses(path, &format!("{value:#}\n")) {
        return;
    }
    let golden: Value = serde_json::from_slice(&read(path)).unwrap();
    assert_eq!(format!("{value:#}"), format!("{golden:#}"), "{}", path.display());
}

fn same_text(path: &PathBuf, written: &str) {
    if !blesses(path, written) {
        assert_eq!(written, String::from_utf8(read(path)).unwrap(), "{}", path.display());
    }
}

fn blesses(path: &PathBuf, text: &str) -> bool {
    let blesses = std::env::var_os("BLESS").is_some();
    if blesses {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    blesses
}
