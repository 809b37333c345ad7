//! Ends an event of which a part has gone out already: whoever reads it gets a chunk that can be read, and so gets to
//! what follows. A client that meets half of a chunk fails at it, and never learns why the stream ended.

use crate::sse;

/// The members that clients reach for without a look: they are added where the part that went out lacks them.
const CHOICES: &[u8] = b"choices";
const DELTA: &[u8] = b"delta";
const DONE: &[u8] = b"[DONE]";

/// What completes the event that `open` begins; nothing if nothing was begun.
pub fn closing(open: &[u8]) -> Vec<u8> {
    if open.is_empty() {
        return Vec::new();
    }
    let line_start = open.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let line = &open[line_start..];
    let mut out = Vec::new();
    if b"data:".starts_with(line) && !line.is_empty() {
        out.extend_from_slice(&b"data:"[line.len()..]);
    } else if !line.is_empty() && !line.starts_with(b"data:") {
        // A comment, or a field of which nobody minds half.
        out.push(b'\n');
    }
    let data_goes_on = line.starts_with(b"data:") || out.ends_with(b":");
    let data = sse::data_of(open);
    if data_goes_on || data.is_some() {
        let data = data.unwrap_or_default();
        let data = data.trim_ascii_start();
        let completion = if DONE.starts_with(data) && !data.is_empty() {
            DONE[data.len()..].to_vec()
        } else {
            Scanner::of(data).completion()
        };
        if !data_goes_on && !completion.is_empty() {
            out.extend_from_slice(b"data: ");
        }
        out.extend_from_slice(&completion);
        if data_goes_on || !completion.is_empty() {
            out.push(b'\n');
        }
    }
    out.push(b'\n');
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The chunk.
    Chunk,
    Choices,
    /// An object in them.
    Choice,
    Other,
}

/// An object or array that is open.
struct Frame {
    place: Place,
    is_array: bool,
    /// Whether the key that was read last is the one that clients reach for.
    at_wanted: bool,
    has_wanted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// The first key or the end of an object.
    FirstKey,
    Key,
    Colon,
    /// The first value or the end of an array.
    FirstValue,
    Value,
    /// A comma or an end.
    Next,
}

enum State {
    Between(Expects),
    /// From this offset on.
    Text {
        from: usize,
        is_key: bool,
    },
    Scalar {
        from: usize,
    },
}

/// Where a JSON text stops that was cut anywhere. What is no JSON is read as if it were.
struct Scanner<'a> {
    json: &'a [u8],
    frames: Vec<Frame>,
    state: State,
}

impl Frame {
    const fn wanted(&self) -> Option<(&'static [u8], &'static [u8])> {
        match self.place {
            Place::Chunk if !self.has_wanted => Some((CHOICES, b"[]")),
            Place::Choice if !self.has_wanted => Some((DELTA, b"{}")),
            _ => None,
        }
    }

    fn key(&mut self, name: &[u8]) {
        self.at_wanted = self.wanted().is_some_and(|(wanted, _)| wanted == name);
    }
}

impl<'a> Scanner<'a> {
    fn of(json: &'a [u8]) -> Self {
        let mut scanner = Self { json, frames: Vec::new(), state: State::Between(Expects::Value) };
        let mut at = 0;
        while at < json.len() {
            at = scanner.step(at);
        }
        scanner
    }

    /// Reads what begins at `at`; returns where to go on.
    fn step(&mut self, at: usize) -> usize {
        let byte = self.json[at];
        match self.state {
            State::Text { .. } if byte == b'\\' => return at + 2,
            State::Text { from, is_key } if byte == b'"' => {
                let expects = if is_key { Expects::Colon } else { Expects::Next };
                if is_key && let Some(frame) = self.frames.last_mut() {
                    frame.key(&self.json[from..at]);
                }
                self.state = State::Between(expects);
            }
            State::Text { .. } => {}
            State::Scalar { .. } if !matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n') => {}
            State::Scalar { .. } => {
                self.state = State::Between(Expects::Next);
                return at;
            }
            State::Between(expects) => self.token(at, byte, expects),
        }
        at + 1
    }

    fn token(&mut self, at: usize, byte: u8, expects: Expects) {
        let is_array = self.frames.last().is_some_and(|frame| frame.is_array);
        self.state = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return,
            b'"' => State::Text { from: at + 1, is_key: matches!(expects, Expects::FirstKey | Expects::Key) },
            b'{' | b'[' => self.open(byte == b'['),
            b'}' | b']' => {
                self.frames.pop();
                State::Between(Expects::Next)
            }
            b',' => State::Between(if is_array { Expects::Value } else { Expects::Key }),
            b':' => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.has_wanted |= frame.at_wanted;
                }
                State::Between(Expects::Value)
            }
            _ => State::Scalar { from: at },
        };
    }

    fn open(&mut self, is_array: bool) -> State {
        let place = match (self.frames.last(), is_array) {
            (None, false) => Place::Chunk,
            (Some(frame), true) if frame.place == Place::Chunk && frame.at_wanted => Place::Choices,
            (Some(frame), false) if frame.place == Place::Choices => Place::Choice,
            _ => Place::Other,
        };
        self.frames.push(Frame { place, is_array, at_wanted: false, has_wanted: false });
        State::Between(if is_array { Expects::FirstValue } else { Expects::FirstKey })
    }

    fn completion(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let expects = match self.state {
            State::Text { from, is_key } => {
                end_text(&self.json[from.min(self.json.len())..], &mut out);
                if is_key && let Some(frame) = self.frames.last_mut() {
                    frame.key(&self.json[from..]);
                }
                if is_key { Expects::Colon } else { Expects::Next }
            }
            State::Scalar { from } => {
                end_scalar(&self.json[from..], &mut out);
                Expects::Next
            }
            State::Between(expects) => expects,
        };
        self.fill(expects, &mut out);
        let mut is_first = expects == Expects::FirstKey;
        while let Some(frame) = self.frames.pop() {
            if let Some((key, value)) = frame.wanted() {
                let comma: &[u8] = if is_first || out.ends_with(b",") { b"" } else { b"," };
                for part in [comma, b"\"", key, b"\":", value] {
                    out.extend_from_slice(part);
                }
            }
            is_first = false;
            out.push(if frame.is_array { b']' } else { b'}' });
        }
        out
    }

    /// Whatever has to stand where the text stops.
    fn fill(&mut self, expects: Expects, out: &mut Vec<u8>) {
        match (expects, self.frames.last_mut()) {
            (Expects::Value, None) => out.extend_from_slice(b"{\"choices\":[]}"),
            (Expects::Key, _) => out.extend_from_slice(b"\"\":null"),
            (Expects::Value, Some(frame)) if frame.is_array && frame.place == Place::Choices => {
                out.extend_from_slice(b"{\"delta\":{}}");
            }
            (Expects::Colon | Expects::Value, Some(frame)) => {
                out.extend_from_slice(if expects == Expects::Colon { b":" } else { b"" });
                let value: &[u8] = match frame.place {
                    Place::Chunk if frame.at_wanted => b"[]",
                    Place::Choice if frame.at_wanted => b"{}",
                    _ => b"null",
                };
                frame.has_wanted |= frame.at_wanted;
                out.extend_from_slice(value);
            }
            _ => {}
        }
    }
}

/// The rest of a text's last character or escape, and its closing quote.
fn end_text(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    let mut after_high = false;
    while at < text.len() {
        if text[at] != b'\\' {
            after_high = false;
            at += 1;
            continue;
        }
        match text.get(at + 1) {
            None => {
                out.extend_from_slice(if after_high { b"udc00" } else { b"\\" });
                after_high = false;
                break;
            }
            Some(b'u') => {
                let digits = &text[at + 2..text.len().min(at + 6)];
                let rest: &[u8] = if after_high { b"dc00" } else { b"0000" };
                out.extend_from_slice(&rest[digits.len()..]);
                let high = |digits: &[u8]| {
                    matches!(digits, [b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..])
                };
                after_high = high(digits) || (!after_high && high(&[digits, &rest[digits.len()..]].concat()));
                at += 6;
            }
            Some(_) => {
                after_high = false;
                at += 2;
            }
        }
    }
    if after_high {
        out.extend_from_slice(b"\\udc00");
    }
    end_character(text, out);
    out.push(b'"');
}

/// A character of several bytes whose last are missing.
fn end_character(text: &[u8], out: &mut Vec<u8>) {
    let Err(error) = core::str::from_utf8(text) else { return };
    // Bytes that are no text at all stay what they are.
    if error.error_len().is_some() {
        return;
    }
    let (lead, rest) = (text[error.valid_up_to()], &text[error.valid_up_to() + 1..]);
    let length = if lead >= 0xf0 {
        3
    } else if lead >= 0xe0 {
        2
    } else {
        1
    };
    let first = match lead {
        0xe0 => 0xa0,
        0xf0 => 0x90,
        _ => 0x80,
    };
    out.extend(core::iter::once(first).chain(core::iter::repeat(0x80)).take(length).skip(rest.len()));
}

fn end_scalar(scalar: &[u8], out: &mut Vec<u8>) {
    for literal in [&b"true"[..], b"false", b"null"] {
        if literal.starts_with(scalar) {
            out.extend_from_slice(&literal[scalar.len()..]);
            return;
        }
    }
    if scalar.last().is_some_and(|last| !last.is_ascii_digit()) {
        out.push(b'0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const CHUNKS: [&str; 6] = [
        r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"K\u00f6ln \ud83d\ude00 \\ \" é € 😀"},"logprobs":null,"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"finish_reason":"stop","delta":{}}],"id":"x"}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":50,"cost":-1.5e-7,"more":[1,[2,{"a":true}],false]}}"#,
        r#"{ "a" : { "choices" : 1 , "delta" : 2 } , "choices" : [ { "x" : [ ] , "delta" : { } } ] }"#,
        "{}",
        r#"{"error":{"message":"no","type":"server_error"}}"#,
    ];

    fn assert_usable(event: &[u8], whole: &str) {
        let text = core::str::from_utf8(event).unwrap_or_else(|_| panic!("{}", event.escape_ascii()));
        assert!(text.ends_with("\n\n"), "{text:?}");
        let Some(data) = sse::data_of(event) else { return };
        let chunk: Value = serde_json::from_slice(&data).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(text.len() < 8 || chunk.is_object(), "{text}");
        let whole: Value = serde_json::from_str(whole).unwrap();
        if whole["choices"].is_array() {
            let choices = chunk["choices"].as_array().unwrap_or_else(|| panic!("{text}"));
            assert!(choices.iter().all(|choice| choice["delta"].is_object()), "{text}");
        }
    }

    #[test]
    fn an_event_that_was_cut_anywhere_is_closed_to_a_chunk_that_clients_can_read() {
        for chunk in CHUNKS {
            for head in ["data: ", "data:", "event: x\ndata: ", ": ping\r\ndata: "] {
                let event = format!("{head}{chunk}\n");
                for cut in 1..=event.len() {
                    let open = &event.as_bytes()[..cut];
                    let closed = [open, &closing(open)].concat();
                    assert_usable(&closed, chunk);
                }
            }
        }
        assert_eq!(closing(b""), b"");
    }

    #[test]
    fn several_lines_of_data_are_one_text() {
        let event = "data: {\"choices\":[\ndata: {\"delta\":{\ndata: \"content\":\"x\"}}]}\n";
        for cut in 1..=event.len() {
            let open = &event.as_bytes()[..cut];
            assert_usable(&[open, &closing(open)].concat(), "{\"choices\":[]}");
        }
    }

    #[test]
    fn the_end_is_ended() {
        for cut in 7.."data: [DONE]\n".len() {
            let open = &b"data: [DONE]\n"[..cut];
            let closed = [open, &closing(open)].concat();
            assert_eq!(sse::data_of(&closed).as_deref(), Some(DONE), "{}", closed.escape_ascii());
        }
    }
}
