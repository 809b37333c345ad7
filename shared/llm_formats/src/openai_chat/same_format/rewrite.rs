//! The body as the provider gets it: a few members changed, every other byte as the client sent it.

use super::scan::ChatRequest;
use crate::json::push_string;
use crate::scanning::Member;
use crate::splices::Splices;
use bytes::Bytes;
use domain::routing::CeilingField;
use std::ops::Range;

/// What must hold in the body that is sent.
#[derive(Clone, Copy, Debug)]
pub struct Edits<'a> {
    /// The model's name at the provider.
    pub model: &'a str,
    /// `None` leaves the client's ceiling, or its absence, as it is.
    pub ceiling: Option<Ceiling>,
    /// Ask for the usage chunk at the end of a stream. Only for streams: others refuse the field.
    pub include_usage: bool,
    /// Pin `service_tier` to `default`. At OpenAI `auto` and absence mean what the project is set to,
    /// which may be the dearer `priority`; other servers may not know the field.
    pub standard_tier: bool,
}

/// The most output tokens of each choice, and how the target wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    pub field: CeilingField,
    pub tokens: u64,
}

impl ChatRequest {
    /// The same bytes, uncopied, if the body already is as `edits` want it.
    pub fn rewrite(&self, edits: &Edits) -> Bytes {
        let mut splices = Splices::default();
        // New members, each with a comma after it, to stand first in the object.
        let mut inserted = String::new();
        if edits.model != self.asked.model {
            let mut text = String::new();
            push_string(&mut text, edits.model);
            splices.push(self.places.model.value.clone(), text);
        }
        if let Some(choices) = &self.places.choices {
            self.write_plainly(choices, &mut splices);
        }
        if let Some(ceiling) = edits.ceiling {
            self.set_ceiling(ceiling, &mut splices, &mut inserted);
        }
        if edits.include_usage && !self.asked.include_usage {
            self.set_include_usage(&mut splices, &mut inserted);
        }
        if edits.standard_tier {
            self.set_standard_tier(&mut splices, &mut inserted);
        }
        if !inserted.is_empty() {
            let at = self.places.object_start + 1;
            splices.push(at..at, inserted);
        }
        splices.apply(&self.body)
    }

    /// Not every server takes `1.0` for a whole number.
    fn write_plainly(&self, choices: &Member, splices: &mut Splices) {
        let written = &self.body[choices.value.clone()];
        if !written.iter().all(u8::is_ascii_digit) && written != b"null" {
            splices.push(choices.value.clone(), self.asked.choices.to_string());
        }
    }

    fn set_ceiling(&self, ceiling: Ceiling, splices: &mut Splices, inserted: &mut String) {
        let places = &self.places;
        let (wanted, other) = match ceiling.field {
            CeilingField::MaxTokens => (&places.max_tokens, &places.max_completion_tokens),
            CeilingField::MaxCompletionTokens => (&places.max_completion_tokens, &places.max_tokens),
        };
        let name = ceiling.field.name();
        let tokens = ceiling.tokens.to_string();
        match (wanted, other) {
            (Some(wanted), other) => {
                if self.body[wanted.value.clone()] != *tokens.as_bytes() {
                    splices.push(wanted.value.clone(), tokens);
                }
                if let Some(other) = other {
                    splices.push(self.with_its_comma(other), "");
                }
            }
            (None, Some(other)) => {
                let text = format!("\"{name}\":{tokens}");
                splices.push(other.key_start..other.value.end, text);
            }
            (None, None) => inserted.push_str(&format!("\"{name}\":{tokens},")),
        }
    }

    fn set_include_usage(&self, splices: &mut Splices, inserted: &mut String) {
        let places = &self.places;
        if let Some(value) = &places.include_usage {
            splices.push(value.clone(), "true");
            return;
        }
        match &places.stream_options {
            None => inserted.push_str("\"stream_options\":{\"include_usage\":true},"),
            Some(options) if self.body[options.value.start] == b'{' => {
                let at = options.value.start + 1;
                let empty = self.next_visible(at) == b'}';
                let text = if empty { "\"include_usage\":true" } else { "\"include_usage\":true," };
                splices.push(at..at, text);
            }
            Some(null) => splices.push(null.value.clone(), "{\"include_usage\":true}"),
        }
    }

    fn set_standard_tier(&self, splices: &mut Splices, inserted: &mut String) {
        const DEFAULT: &str = "\"default\"";
        match &self.places.service_tier {
            None => inserted.push_str("\"service_tier\":\"default\","),
            Some(tier) if self.body[tier.value.clone()] == *DEFAULT.as_bytes() => {}
            Some(tier) => splices.push(tier.value.clone(), DEFAULT),
        }
    }

    /// The bytes to take out so that the object stays valid; it always has other members.
    fn with_its_comma(&self, member: &Member) -> Range<usize> {
        let before = self.body[..member.key_start].trim_ascii_end();
        if before.ends_with(b",") {
            return before.len() - 1..member.value.end;
        }
        let after = &self.body[member.value.end..];
        let spaces = after.len() - after.trim_ascii_start().len();
        member.key_start..member.value.end + spaces + 1
    }

    fn next_visible(&self, at: usize) -> u8 {
        self.body[at..].trim_ascii_start().first().copied().unwrap_or_default()
    }
}
