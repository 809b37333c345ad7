//! What a request asks for, in any format, as far as its price depends on it.

use crate::RequestError;
use crate::conversation::{Conversation, Feature};
use crate::input::{InputCount, of_conversation};

/// The facts of one scan. Everything that we cannot price has been refused.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub model: String,
    pub stream: bool,
    /// The client wants the usage at the end of a chat stream; other formats always carry it.
    pub include_usage: bool,
    /// The client's ceiling for each choice, in tokens.
    pub output_tokens_max: Option<u64>,
    /// At least 1: multiplies the ceiling.
    pub choices: u64,
    /// All that the model will read.
    pub input: InputCount,
    /// Bytes of the messages' content alone.
    pub content_bytes: u64,
}

impl Asked {
    /// Of a request that goes on in another format. `name_of`: what the client's format calls a feature.
    pub fn of(
        conversation: &Conversation,
        name_of: fn(Feature) -> &'static str,
    ) -> Result<Self, RequestError> {
        let counted = of_conversation::count(conversation)
            .map_err(|feature| RequestError::unpriced(name_of(feature), "send text or images"))?;
        Ok(Self {
            model: conversation.model.clone(),
            stream: conversation.stream,
            include_usage: true,
            output_tokens_max: conversation.output_tokens_max,
            choices: conversation.choices,
            input: counted.input,
            content_bytes: counted.content_bytes,
        })
    }
}
