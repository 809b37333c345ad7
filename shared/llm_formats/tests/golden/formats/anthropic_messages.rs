//! Anthropic's messages.

use super::{Client, Format};
use llm_formats::anthropic_messages::{answer, request, stream};
use llm_formats::conversation::{Content, Conversation, Detail, OutputFormat, Part, Role};
use serde_json::json;

pub const FORMAT: Format = Format {
    name: "anthropic_messages",
    client: Some(Client {
        read_request: request::read,
        write_answer: answer::write,
        writer: |head| Box::new(stream::Writer::new(head)),
        as_said,
        unsayable: &[
            "audio",
            "json_object",
            "logprobs",
            "penalties",
            "refused_before",
            "seed",
            "two_choices",
            "verbosity",
        ],
    }),
    target: None,
};

/// There is one role for instructions, a schema has no name and no laxness, each tool has parameters.
fn as_said(mut conversation: Conversation) -> Conversation {
    for turn in &mut conversation.turns {
        if turn.role == Role::Developer {
            turn.role = Role::System;
        }
        turn.parts.iter_mut().for_each(forget_detail);
    }
    for tool in &mut conversation.tools {
        tool.parameters.get_or_insert_with(|| json!({"type": "object"}));
    }
    if let OutputFormat::JsonSchema { name, strict, .. } = &mut conversation.output_format {
        (*name, *strict) = (None, Some(true));
    }
    conversation
}

fn forget_detail(part: &mut Part) {
    match &mut part.content {
        Content::Image { detail, .. } => *detail = Detail::Auto,
        Content::ToolResult { parts, .. } => parts.iter_mut().for_each(forget_detail),
        _ => {}
    }
}
