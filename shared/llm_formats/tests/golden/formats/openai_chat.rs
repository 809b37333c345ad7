//! OpenAI's chat completions, to OpenAI itself.

use super::{Client, Format, Target};
use domain::routing::{CeilingField, OpenAiServer, OpenAiVendor};
use llm_formats::conversation::{Answer, Content, Conversation, Feature, Part, StopReason};
use llm_formats::openai_chat::{answer, request, stream};

const SERVER: OpenAiServer = OpenAiServer {
    vendor: OpenAiVendor::OpenAi,
    ceiling_field: CeilingField::MaxCompletionTokens,
    pins_service_tier: false,
};

pub const FORMAT: Format = Format {
    name: "openai_chat",
    client: Some(Client {
        read_request: request::read,
        write_answer: answer::write,
        writer: |head| Box::new(stream::Writer::new(head)),
        as_said,
        unsayable: &[],
    }),
    target: Some(Target {
        write_request: |conversation, wish| request::write(conversation, wish, &SERVER),
        read_answer: answer::read,
        reader: || Box::new(stream::Reader::default()),
        as_said: as_answered,
        refused: &[
            ("document_url", Feature::FileUrl),
            ("tool_image", Feature::ToolResultMedia),
            ("top_k", Feature::TopK),
        ],
        unsayable: &[],
        stream_suffix: "sse",
    }),
};

/// A result has no error flag.
fn as_said(mut conversation: Conversation) -> Conversation {
    for turn in &mut conversation.turns {
        turn.parts.iter_mut().for_each(forget_error);
    }
    conversation
}

fn forget_error(part: &mut Part) {
    if let Content::ToolResult { is_error, .. } = &mut part.content {
        *is_error = false;
    }
}

/// A stop sequence is an end like any other.
fn as_answered(mut answer: Answer) -> Answer {
    for choice in &mut answer.choices {
        if matches!(choice.stop, Some(StopReason::StopSequence(_))) {
            choice.stop = Some(StopReason::EndOfTurn);
        }
    }
    answer
}
