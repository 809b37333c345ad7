//! Events as a client's: a message of blocks, each with its start, its deltas and its stop.

use crate::anthropic_messages::{answer, usage};
use crate::conversation::{Event, StopReason};
use crate::exchange::{EventWriter, Head};
use crate::fields::{Fields, typed};
use domain::price::Usage;
use serde_json::{Map, Value};

pub struct Writer {
    head: Head,
    started: bool,
    /// Blocks that have begun; the last of them may be open.
    blocks: u64,
    open: Option<Kind>,
    /// The block of each tool call.
    calls: Vec<u64>,
    stop: Option<StopReason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    /// Holds nothing else after its start, or a call's fragments.
    Single,
}

impl Writer {
    pub fn new(head: Head) -> Self {
        Self { head, started: false, blocks: 0, open: None, calls: Vec::new(), stop: None }
    }

    /// What the prompt took is known at the end only; here stands the estimate.
    fn start(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let estimate = Usage { input: self.head.input_estimate, ..Usage::default() };
        let mut message = answer::begun(&self.head);
        message.set("content", Vec::<Value>::new());
        answer::set_stop(&mut message, None);
        message.set("usage", usage::write(&estimate));
        let mut event = typed("message_start");
        event.set("message", message);
        push(event, "message_start", out);
    }

    fn begin(&mut self, kind: Kind, block: Fields, out: &mut String) {
        self.start(out);
        self.close(out);
        let mut event = typed("content_block_start");
        event.set("index", self.blocks).set("content_block", block);
        push(event, "content_block_start", out);
        self.blocks += 1;
        self.open = Some(kind);
    }

    fn close(&mut self, out: &mut String) {
        if self.open.take().is_some() {
            let mut event = typed("content_block_stop");
            event.set("index", self.blocks - 1);
            push(event, "content_block_stop", out);
        }
    }

    fn text(&mut self, text: &str, out: &mut String) {
        if self.open != Some(Kind::Text) {
            self.begin(Kind::Text, answer::text(""), out);
        }
        delta(self.blocks - 1, "text_delta", "text", text, out);
    }

    fn thinking(&mut self, name: &str, member: &str, text: &str, out: &mut String) {
        if self.open != Some(Kind::Thinking) {
            self.begin(Kind::Thinking, answer::thinking("", None), out);
        }
        delta(self.blocks - 1, name, member, text, out);
    }
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event, out: &mut String) {
        match event {
            Event::Started => self.start(out),
            // The format knows one choice; nobody has asked for more.
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => self.text(text, out),
            Event::Reasoning { choice: 0, text } => self.thinking("thinking_delta", "thinking", text, out),
            Event::ReasoningSignature { choice: 0, signature } => {
                self.thinking("signature_delta", "signature", signature, out);
                self.close(out);
            }
            Event::SealedReasoning { choice: 0, data } => {
                self.begin(Kind::Single, answer::redacted(data), out);
                self.close(out);
            }
            Event::ToolStarted { choice: 0, id, name, .. } => {
                let block = answer::tool_use(id, name, Value::Object(Map::new()));
                self.begin(Kind::Single, block, out);
                self.calls.push(self.blocks - 1);
            }
            Event::ToolArguments { choice: 0, call, fragment } => {
                let block = usize::try_from(*call).ok().and_then(|call| self.calls.get(call));
                if let Some(block) = block {
                    delta(*block, "input_json_delta", "partial_json", fragment, out);
                }
            }
            Event::Finished { choice: 0, reason } => self.stop = Some(reason.clone()),
            _ => {}
        }
    }

    fn finish(&mut self, usage: &Usage, out: &mut String) {
        self.start(out);
        self.close(out);
        let mut end = Fields::new();
        answer::set_stop(&mut end, Some(self.stop.as_ref().unwrap_or(&StopReason::Length)));
        let mut event = typed("message_delta");
        event.set("delta", end).set("usage", usage::write(usage));
        push(event, "message_delta", out);
        push(typed("message_stop"), "message_stop", out);
    }

    fn fail(&mut self, message: &str, code: &str, out: &mut String) {
        let mut error = typed("api_error");
        error.set("message", message).set("code", code);
        let mut event = typed("error");
        event.set("error", error);
        push(event, "error", out);
    }
}

fn delta(block: u64, kind: &str, member: &str, text: &str, out: &mut String) {
    let mut piece = typed(kind);
    piece.set(member, text);
    let mut event = typed("content_block_delta");
    event.set("index", block).set("delta", piece);
    push(event, "content_block_delta", out);
}

fn push(event: Fields, name: &str, out: &mut String) {
    for piece in ["event: ", name, "\ndata: ", &event.text(), "\n\n"] {
        out.push_str(piece);
    }
}
