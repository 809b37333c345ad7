//! Events as a client's chunks.

use crate::conversation::{Event, StopReason};
use crate::exchange::{EventWriter, Head};
use crate::fields::Fields;
use crate::openai_chat::same_format::DONE;
use crate::openai_chat::{logprobs, reasoning, stop_reason, tool_call, usage};
use domain::price::Usage;
use serde_json::Value;

pub struct Writer {
    head: Head,
    choices: Vec<Choice>,
}

#[derive(Clone, Default)]
struct Choice {
    started: bool,
    finished: bool,
    has_refusal: bool,
    /// Since the last seal.
    thought: String,
}

impl Writer {
    pub fn new(head: Head) -> Self {
        let choices = usize::try_from(head.choices.max(1)).unwrap_or(1);
        Self { head, choices: vec![Choice::default(); choices] }
    }

    /// Pieces of a choice that nobody asked for go nowhere.
    fn delta(&mut self, choice: u64, name: &str, value: impl Into<Value>, out: &mut String) {
        let mut delta = Fields::new();
        delta.set(name, value);
        self.chunk(choice, delta, Value::Null, None, out);
    }

    fn chunk(
        &mut self,
        choice: u64,
        delta: Fields,
        logprobs: Value,
        stop: Option<&'static str>,
        out: &mut String,
    ) {
        let Some(so_far) = usize::try_from(choice).ok().and_then(|index| self.choices.get_mut(index)) else {
            return;
        };
        if !std::mem::replace(&mut so_far.started, true) {
            let mut first = Fields::new();
            first.set("role", "assistant").set("content", "").set("refusal", Value::Null);
            self.push(choice, first, Value::Null, None, out);
        }
        self.push(choice, delta, logprobs, stop, out);
    }

    fn push(
        &self,
        choice: u64,
        delta: Fields,
        logprobs: Value,
        stop: Option<&'static str>,
        out: &mut String,
    ) {
        let mut fields = Fields::new();
        fields.set("index", choice).set("delta", delta).set("logprobs", logprobs).set("finish_reason", stop);
        let mut chunk = self.head();
        chunk.set("choices", vec![Value::from(fields)]);
        push_event(chunk, out);
    }

    fn head(&self) -> Fields {
        let mut chunk = Fields::new();
        chunk.set("id", format!("chatcmpl-{}", self.head.id)).set("object", "chat.completion.chunk");
        chunk.set("created", self.head.created).set("model", self.head.model.as_str());
        chunk
    }

    fn so_far(&mut self, choice: u64) -> Option<&mut Choice> {
        self.choices.get_mut(usize::try_from(choice).ok()?)
    }
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event, out: &mut String) {
        match event {
            Event::Text { choice, text } => self.delta(*choice, "content", text.as_str(), out),
            Event::Refusal { choice, text } => {
                if let Some(so_far) = self.so_far(*choice) {
                    so_far.has_refusal = true;
                }
                self.delta(*choice, "refusal", text.as_str(), out);
            }
            Event::Reasoning { choice, text } => {
                if let Some(so_far) = self.so_far(*choice) {
                    so_far.thought.push_str(text);
                }
                self.delta(*choice, "reasoning_content", text.as_str(), out);
            }
            Event::ReasoningSignature { choice, signature } => {
                let thought = self.so_far(*choice).map(|so_far| std::mem::take(&mut so_far.thought));
                let detail = reasoning::text_detail(&thought.unwrap_or_default(), Some(signature));
                self.delta(*choice, "reasoning_details", vec![detail], out);
            }
            Event::SealedReasoning { choice, data } => {
                self.delta(*choice, "reasoning_details", vec![reasoning::sealed_detail(data)], out);
            }
            Event::ToolStarted { choice, call, id, name, signature } => {
                let mut started = Fields::new();
                started.set("index", *call).set_all(tool_call::write(id, name, "", signature.as_deref()));
                self.delta(*choice, "tool_calls", vec![Value::from(started)], out);
            }
            Event::ToolArguments { choice, call, fragment } => {
                let (mut more, mut function) = (Fields::new(), Fields::new());
                function.set("arguments", fragment.as_str());
                more.set("index", *call).set("function", function);
                self.delta(*choice, "tool_calls", vec![Value::from(more)], out);
            }
            Event::Logprobs { choice, tokens } => {
                self.chunk(*choice, Fields::new(), logprobs::write(tokens), None, out);
            }
            Event::Finished { choice, reason } => {
                let Some(so_far) = self.so_far(*choice) else { return };
                so_far.finished = true;
                let word = stop_reason::write(reason, so_far.has_refusal);
                self.chunk(*choice, Fields::new(), Value::Null, Some(word), out);
            }
            Event::Started | Event::Usage(_) | Event::Error(_) | Event::Unreadable { .. } | Event::Ended => {}
        }
    }

    fn finish(&mut self, usage: &Usage, out: &mut String) {
        for choice in 0..self.choices.len() as u64 {
            if self.so_far(choice).is_some_and(|so_far| !so_far.finished) {
                self.write(&Event::Finished { choice, reason: StopReason::Length }, out);
            }
        }
        if self.head.include_usage {
            let mut chunk = self.head();
            chunk.set("choices", Vec::<Value>::new()).set("usage", usage::value(usage));
            push_event(chunk, out);
        }
        out.push_str(DONE);
    }

    fn fail(&mut self, message: &str, code: &str, out: &mut String) {
        let (mut event, mut error) = (Fields::new(), Fields::new());
        error.set("message", message).set("type", "server_error").set("param", Value::Null).set("code", code);
        event.set("error", error);
        push_event(event, out);
    }
}

fn push_event(event: Fields, out: &mut String) {
    out.push_str("data: ");
    out.push_str(&event.text());
    out.push_str("\n\n");
}
