//! A target's chunks as events, also of servers that keep to OpenAI's form only roughly.

use crate::conversation::{Content, Event};
use crate::exchange::EventReader;
use crate::openai_chat::answer::read_content;
use crate::openai_chat::stop_reason::{self, Brought};
use crate::openai_chat::{logprobs, reasoning, tool_call, usage};
use crate::sse::Events;
use crate::upstream_error::UpstreamError;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Reader {
    events: Events,
    chunks: Chunks,
}

impl EventReader for Reader {
    fn push(&mut self, chunk: &[u8], events: &mut Vec<Event>) {
        let chunks = &mut self.chunks;
        self.events.push(chunk, |data| chunks.take(data, events));
    }

    /// Not every server says `[DONE]`: an answer is whole, too, if each of its choices has finished.
    fn end(&mut self, events: &mut Vec<Event>) {
        let chunks = &mut self.chunks;
        self.events.end(|data| chunks.take(data, events));
        let whole = !chunks.choices.is_empty() && chunks.choices.values().all(|choice| choice.finished);
        if whole && !chunks.over {
            chunks.over = true;
            events.push(Event::Ended);
        }
    }
}

#[derive(Default)]
struct Chunks {
    started: bool,
    /// Nothing follows.
    over: bool,
    choices: BTreeMap<u64, Choice>,
}

#[derive(Default)]
struct Choice {
    brought: Brought,
    finished: bool,
    /// Thoughts come as plain text, so details repeat it.
    has_plain_reasoning: bool,
    /// The server's index and id of each call.
    calls: Vec<(Option<u64>, String)>,
}

impl Chunks {
    fn take(&mut self, data: &[u8], events: &mut Vec<Event>) {
        if self.over || data.is_empty() {
            return;
        }
        if data.trim_ascii() == b"[DONE]" {
            self.over = true;
            events.push(Event::Ended);
            return;
        }
        let Ok(chunk) = serde_json::from_slice::<Value>(data) else {
            events.push(Event::Unreadable { bytes: data.len() as u64 });
            return;
        };
        if !chunk["error"].is_null() {
            self.over = true;
            events.push(Event::Error(UpstreamError::read(data).unwrap_or_default()));
            return;
        }
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Started);
        }
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().unwrap_or(0);
            self.choices.entry(index).or_default().take(index, choice, events);
        }
        // Groq's older streams report in a place of their own.
        let reported = usage::of(&chunk["usage"]).or_else(|| usage::of(&chunk["x_groq"]["usage"]));
        events.extend(reported.map(Event::Usage));
    }
}

impl Choice {
    fn take(&mut self, choice: u64, chunk: &Value, events: &mut Vec<Event>) {
        let delta = &chunk["delta"];
        self.take_reasoning(choice, delta, events);
        for part in read_content(&delta["content"]) {
            events.extend(match part.content {
                Content::Text(text) => Some(Event::Text { choice, text }),
                Content::Reasoning { text, .. } => Some(Event::Reasoning { choice, text }),
                _ => None,
            });
        }
        if let Some(text) = delta["refusal"].as_str().filter(|text| !text.is_empty()) {
            self.brought.refusal = true;
            events.push(Event::Refusal { choice, text: text.to_owned() });
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.take_call(choice, call, events);
        }
        let tokens = logprobs::read(&chunk["logprobs"]);
        if !tokens.is_empty() {
            events.push(Event::Logprobs { choice, tokens });
        }
        if let Some(reason) = stop_reason::read(&chunk["finish_reason"], self.brought)
            && !std::mem::replace(&mut self.finished, true)
        {
            events.push(Event::Finished { choice, reason });
        }
    }

    fn take_reasoning(&mut self, choice: u64, delta: &Value, events: &mut Vec<Event>) {
        if let Some(text) = reasoning::plain(delta) {
            self.has_plain_reasoning = true;
            events.push(Event::Reasoning { choice, text: text.to_owned() });
        }
        for detail in reasoning::details(delta) {
            match reasoning::of_detail(detail) {
                Some(Content::Reasoning { text, signature }) => {
                    if !self.has_plain_reasoning && !text.is_empty() {
                        events.push(Event::Reasoning { choice, text });
                    }
                    events.extend(signature.map(|signature| Event::ReasoningSignature { choice, signature }));
                }
                Some(Content::SealedReasoning(data)) => events.push(Event::SealedReasoning { choice, data }),
                _ => {}
            }
        }
    }

    fn take_call(&mut self, choice: u64, delta: &Value, events: &mut Vec<Event>) {
        let function = &delta["function"];
        let id = delta["id"].as_str().unwrap_or_default();
        let index = delta["index"].as_u64();
        let call = match self.find(index, id) {
            Some(call) => call,
            None => {
                self.brought.calls = true;
                self.calls.push((index, id.to_owned()));
                let call = self.calls.len() as u64 - 1;
                events.push(Event::ToolStarted {
                    choice,
                    call,
                    id: if id.is_empty() { format!("call_{choice}_{call}") } else { id.to_owned() },
                    name: function["name"].as_str().unwrap_or_default().to_owned(),
                    signature: tool_call::signature(delta).map(str::to_owned),
                });
                call
            }
        };
        if let Some(fragment) = function["arguments"].as_str().filter(|fragment| !fragment.is_empty()) {
            events.push(Event::ToolArguments { choice, call, fragment: fragment.to_owned() });
        }
    }

    /// The call that a fragment belongs to. Some servers give every call the same index, or none: then a
    /// new id begins a new call.
    fn find(&self, index: Option<u64>, id: &str) -> Option<u64> {
        let is_it = |(of_call, known): &(Option<u64>, String)| {
            *of_call == index && (id.is_empty() || known.is_empty() || id == known)
        };
        self.calls.iter().rposition(is_it).map(|at| at as u64)
    }
}
