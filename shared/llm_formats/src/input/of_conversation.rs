//! The count of a request that has been read already.

use super::InputCount;
use crate::conversation::{Content, Conversation, Feature, OutputFormat, Part, Tool};
use serde_json::Value;

/// The count, and the bytes of the content alone.
pub(crate) struct Counted {
    pub input: InputCount,
    pub content_bytes: u64,
}

/// Fails at what nobody can bound: a file's pages and a sound's seconds are not known from its bytes.
pub(crate) fn count(conversation: &Conversation) -> Result<Counted, Feature> {
    let mut counted = Counted { input: InputCount::default(), content_bytes: 0 };
    for turn in &conversation.turns {
        counted.input.message();
        counted.plain(turn.name.as_deref().unwrap_or_default());
        counted.parts(&turn.parts)?;
    }
    for tool in &conversation.tools {
        counted.tool(tool);
    }
    if let OutputFormat::JsonSchema { name, description, schema, .. } = &conversation.output_format {
        counted.plain(name.as_deref().unwrap_or_default());
        counted.plain(description.as_deref().unwrap_or_default());
        counted.json(schema);
    }
    Ok(counted)
}

impl Counted {
    fn parts(&mut self, parts: &[Part]) -> Result<(), Feature> {
        parts.iter().try_for_each(|part| self.part(&part.content))
    }

    fn part(&mut self, content: &Content) -> Result<(), Feature> {
        match content {
            Content::Text(text) | Content::Refusal(text) => self.content(text),
            Content::Image { .. } => self.input.image(),
            Content::File { .. } => return Err(Feature::File),
            Content::Audio { .. } => return Err(Feature::Audio),
            Content::ToolCall { id, name, arguments, signature } => {
                self.input.tool();
                let signature = signature.as_deref().unwrap_or_default();
                [id, name, arguments, signature].iter().for_each(|text| self.plain(text));
            }
            Content::ToolResult { call_id, parts, .. } => {
                // Some formats make a message of it.
                self.input.message();
                self.plain(call_id);
                self.parts(parts)?;
            }
            Content::Reasoning { text, signature } => {
                self.plain(text);
                self.plain(signature.as_deref().unwrap_or_default());
            }
            Content::SealedReasoning(data) => self.plain(data),
        }
        Ok(())
    }

    fn tool(&mut self, tool: &Tool) {
        self.input.tool();
        self.plain(&tool.name);
        self.plain(tool.description.as_deref().unwrap_or_default());
        if let Some(parameters) = &tool.parameters {
            self.json(parameters);
        }
    }

    fn content(&mut self, text: &str) {
        self.plain(text);
        self.content_bytes += text.len() as u64;
    }

    fn plain(&mut self, text: &str) {
        self.input.json(text.as_bytes());
    }

    fn json(&mut self, value: &Value) {
        self.plain(&value.to_string());
    }
}
