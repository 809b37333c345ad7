//! What a stream's events add up to.

use super::Facts;
use crate::conversation::Event;
use crate::produced::Produced;
use domain::price::Usage;

#[derive(Debug)]
pub struct EventMeter {
    choices: u64,
    output_tokens_max: Option<u64>,
    produced: Produced,
    usage: Option<Usage>,
    ended: bool,
}

impl EventMeter {
    /// `output_tokens_max` of all choices together; `None`: never stopped.
    pub fn new(choices: u64, output_tokens_max: Option<u64>) -> Self {
        Self { choices, output_tokens_max, produced: Produced::default(), usage: None, ended: false }
    }

    /// Adds an event; whether more came than the ceiling allows.
    pub fn count(&mut self, event: &Event) -> bool {
        let bytes = match event {
            Event::Text { text, .. } | Event::Refusal { text, .. } | Event::Reasoning { text, .. } => {
                text.len()
            }
            Event::ToolStarted { name, .. } => name.len(),
            Event::ToolArguments { fragment, .. } => fragment.len(),
            // No token of the model's, or none that was not counted before.
            Event::SealedReasoning { .. } | Event::ReasoningSignature { .. } | Event::Logprobs { .. } => 0,
            Event::Unreadable { bytes } => *bytes as usize,
            Event::Finished { choice, .. } => {
                let bit = u32::try_from(*choice).ok().and_then(|choice| 1u128.checked_shl(choice));
                self.produced.finished |= bit.unwrap_or(0);
                0
            }
            Event::Usage(usage) => {
                self.keep(*usage);
                0
            }
            Event::Ended => {
                self.ended = true;
                0
            }
            Event::Started | Event::Error(_) => 0,
        };
        if bytes == 0 {
            return false;
        }
        self.produced.add(Produced { texts: 1, bytes: bytes as u64, finished: 0 });
        self.output_tokens_max.is_some_and(|max| self.produced.tokens_at_least() > max)
    }

    pub fn facts(&self) -> Facts {
        let has_output = self.produced.texts > 0;
        let usage = self.usage.filter(|usage| usage.total() > 0 || !has_output);
        Facts {
            usage,
            output_so_far: usage
                .map_or_else(|| self.produced.tokens_estimate(), |usage| usage.total_output()),
            counted_output: self.produced.tokens_at_least(),
            has_output,
            is_complete: self.ended || u64::from(self.produced.finished.count_ones()) >= self.choices.max(1),
        }
    }

    /// Of several reports the last, unless it is smaller.
    fn keep(&mut self, usage: Usage) {
        if self.usage.is_none_or(|kept| usage.total() >= kept.total()) {
            self.usage = Some(usage);
        }
    }
}
