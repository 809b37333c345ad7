//! What the scripted provider answers.

use super::Gate;
use serde_json::{Value, json};

/// One scripted answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A chat completion, streamed when the request asks for it.
    Completion(Completion),
    /// Exactly this status, these headers and this body; JSON unless a header says otherwise.
    Exactly { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// The request is read and never answered.
    Silence,
    /// The request is read and the connection closed.
    HangUp,
}

impl Reply {
    /// An error in OpenAI's shape.
    pub fn error(status: u16, code: &str) -> Self {
        let body = json!({"error": {"message": format!("upstream says {code}"), "type": code, "param": null, "code": code}});
        Self::Exactly { status, headers: vec![], body: body.to_string() }
    }

    /// 200 with a body that no parser accepts.
    pub fn malformed() -> Self {
        Self::Exactly { status: 200, headers: vec![], body: "{\"choices\": [".into() }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Exactly { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

impl From<Completion> for Reply {
    fn from(completion: Completion) -> Self {
        Self::Completion(completion)
    }
}

/// How a stream ends; an unstreamed completion knows only `Done` and `Cut`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Finish reason, usage if asked for, `[DONE]`.
    Done,
    /// The body ends well-formed, but after the last piece, without finish reason, usage and `[DONE]`.
    Early,
    /// The same, in the middle of one more chunk.
    Half,
    /// The connection breaks in the middle of the body.
    Cut,
    /// An error event instead of the rest.
    ErrorEvent,
    /// A `data:` line that is not JSON, then the proper end.
    Garbage,
}

/// Tokens as the provider bills them, true or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub prompt: u64,
    pub completion: u64,
    /// Part of `prompt`.
    pub cached: u64,
}

/// A chat completion. It ignores the request's `max_tokens`: what it says is what the script says.
#[derive(Clone, Debug)]
pub struct Completion {
    pub(super) pieces: Vec<String>,
    pub(super) tokens: Option<Tokens>,
    pub(super) finish_reason: &'static str,
    pub(super) before_head: Option<Gate>,
    pub(super) before_pieces: Option<Gate>,
    pub(super) ending: Ending,
}

impl Completion {
    /// These pieces, one chunk each when streamed; bills 9 prompt tokens and one token for each piece.
    pub fn of(pieces: &[&str]) -> Self {
        Self::from_pieces(pieces.iter().map(|&piece| piece.to_owned()).collect())
    }

    /// `count` pieces of one short word each.
    pub fn words(count: usize) -> Self {
        Self::from_pieces((0..count).map(|index| format!("w{} ", index % 10)).collect())
    }

    fn from_pieces(pieces: Vec<String>) -> Self {
        let tokens = Tokens { prompt: 9, completion: pieces.len() as u64, cached: 0 };
        Self {
            pieces,
            tokens: Some(tokens),
            finish_reason: "stop",
            before_head: None,
            before_pieces: None,
            ending: Ending::Done,
        }
    }

    /// Bills this many tokens.
    pub fn bills(mut self, prompt: u64, completion: u64) -> Self {
        self.tokens = Some(Tokens { prompt, completion, cached: 0 });
        self
    }

    /// Never reports usage, asked or not.
    pub fn without_usage(mut self) -> Self {
        self.tokens = None;
        self
    }

    /// Nothing, not even the status, is sent before the gate lets it.
    pub fn head_behind(mut self, gate: &Gate) -> Self {
        self.before_head = Some(gate.clone());
        self
    }

    /// Each piece of a stream needs one turn of the gate, and its end one more.
    pub fn pieces_behind(mut self, gate: &Gate) -> Self {
        self.before_pieces = Some(gate.clone());
        self
    }

    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    pub(super) fn unstreamed(&self, model: &str) -> Value {
        let message = json!({"role": "assistant", "content": self.pieces.concat()});
        let mut body = json!({
            "id": "chatcmpl-scripted", "object": "chat.completion", "created": 1_700_000_000, "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason}],
        });
        if let Some(tokens) = self.tokens {
            body["usage"] = usage(tokens);
        }
        body
    }

    /// The events of piece `index`; `include_usage` as the request asked.
    pub(super) fn piece_event(&self, model: &str, index: usize, include_usage: bool) -> String {
        let mut delta = json!({"content": self.pieces[index]});
        if index == 0 {
            delta["role"] = "assistant".into();
        }
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": null}]);
        event(&chunk(model, choices, include_usage.then_some(Value::Null)))
    }

    /// All that comes after the last piece; `None` breaks the connection.
    pub(super) fn end_events(&self, model: &str, include_usage: bool) -> Option<String> {
        match self.ending {
            Ending::Done => Some(self.proper_end(model, include_usage)),
            Ending::Early => Some(String::new()),
            Ending::Half => {
                let mut event = self.piece_event(model, 0, include_usage);
                event.truncate(event.len() / 2);
                Some(event)
            }
            Ending::Cut => None,
            Ending::ErrorEvent => Some(event(
                &json!({"error": {"message": "upstream broke", "type": "server_error", "code": null}}),
            )),
            Ending::Garbage => Some(format!("data: {{not json\n\n{}", self.proper_end(model, include_usage))),
        }
    }

    fn proper_end(&self, model: &str, include_usage: bool) -> String {
        let choices = json!([{"index": 0, "delta": {}, "finish_reason": self.finish_reason}]);
        let mut events = event(&chunk(model, choices, include_usage.then_some(Value::Null)));
        if let (true, Some(tokens)) = (include_usage, self.tokens) {
            events += &event(&chunk(model, json!([]), Some(usage(tokens))));
        }
        events + "data: [DONE]\n\n"
    }
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "prompt_tokens": tokens.prompt, "completion_tokens": tokens.completion,
        "total_tokens": tokens.prompt + tokens.completion,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
    })
}

fn chunk(model: &str, choices: Value, usage: Option<Value>) -> Value {
    let mut chunk = json!({
        "id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1_700_000_000,
        "model": model, "choices": choices,
    });
    // As OpenAI does: with include_usage every chunk has the field, null until the last.
    if let Some(usage) = usage {
        chunk["usage"] = usage;
    }
    chunk
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
