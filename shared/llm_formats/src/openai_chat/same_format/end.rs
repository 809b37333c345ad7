//! Events of our own at the end of a stream that we end, in the shape of the stream's own chunks.

use super::meter::StreamMeter;
use crate::json::{Cursor, JsonError};
use crate::openai_chat::usage::write_usage;
use crate::sse;
use bytes::Bytes;
use domain::price::Usage;

/// The stream's last event.
pub const DONE: &str = "data: [DONE]\n\n";

impl StreamMeter {
    /// Ends the stream in order: `finish_reason: "length"` for each choice that has not finished, the
    /// usage with `members` inside if it is given (see [`write_usage`]), then `[DONE]`.
    pub fn clean_end(&self, usage: Option<(&Usage, &str)>) -> Bytes {
        let head = self.chunk_head();
        // Inside an event its end comes first.
        let mut events = if self.oversized { "\n\n".to_owned() } else { String::new() };
        for index in 0..self.options.choices.max(1) {
            let bit = 1u128.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0);
            if self.produced.finished & bit == 0 {
                events.push_str(&format!(
                    "data: {head},\"choices\":[{{\"index\":{index},\"delta\":{{}},\
                     \"logprobs\":null,\"finish_reason\":\"length\"}}]}}\n\n"
                ));
            }
        }
        if let Some((usage, members)) = usage {
            push_usage(&mut events, &head, usage, members);
        }
        events.push_str(DONE);
        events.into()
    }

    /// A usage chunk, for a client that asked for it and a provider that sent none.
    pub fn usage_event(&self, usage: &Usage, members: &str) -> Bytes {
        let mut events = String::new();
        push_usage(&mut events, &self.chunk_head(), usage, members);
        events.into()
    }

    /// The members that all chunks of this stream share, without the closing brace.
    fn chunk_head(&self) -> String {
        let data = sse::data_of(&self.first_event).unwrap_or_default();
        let Identity { id, created, model } = Identity::read(&data).unwrap_or_default();
        format!("{{\"id\":{id},\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":{model}")
    }
}

fn push_usage(events: &mut String, head: &str, usage: &Usage, members: &str) {
    let usage = write_usage(usage, members);
    events.push_str(&format!("data: {head},\"choices\":[],\"usage\":{usage}}}\n\n"));
}

/// JSON values as the stream's first chunk has them.
struct Identity<'a> {
    id: &'a str,
    created: &'a str,
    model: &'a str,
}

impl Default for Identity<'_> {
    fn default() -> Self {
        Identity { id: "\"chatcmpl-unknown\"", created: "0", model: "\"\"" }
    }
}

impl<'a> Identity<'a> {
    fn read(data: &'a [u8]) -> Result<Self, JsonError> {
        let mut identity = Identity::default();
        let mut cursor = Cursor::new(data);
        cursor.open_object()?;
        while let Some(key) = cursor.next_key()? {
            let value = std::str::from_utf8(&data[cursor.range()?]).ok();
            let place = match key.name().as_ref() {
                "id" => &mut identity.id,
                "created" => &mut identity.created,
                "model" => &mut identity.model,
                _ => continue,
            };
            *place = value.unwrap_or(*place);
        }
        Ok(identity)
    }
}
