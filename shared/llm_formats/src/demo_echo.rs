//! The built-in model `demo/echo`: it answers with the last user message, streamed or not, counts
//! tokens and costs like a real one, and needs no provider.
//!
//! Its tokens: of the prompt, one for each started four bytes of content; of the answer, the same for
//! each word, so that the streamed chunks, one word each, are never more than the tokens.

use crate::json::push_string;
use crate::openai_chat::ChatRequest;
use crate::openai_chat::same_format::DONE;
use crate::openai_chat::usage::write_usage;
use bytes::Bytes;
use domain::price::Usage;

/// The model's name.
pub const MODEL: &str = "demo/echo";

const BYTES_PER_TOKEN: usize = 4;

/// An answer, complete before it is sent.
#[derive(Clone, Debug)]
pub struct EchoAnswer {
    id: String,
    created: u64,
    model: String,
    text: String,
    /// The same text is given for each choice.
    choices: u64,
    finish_reason: &'static str,
    include_usage: bool,
    pub usage: Usage,
}

/// Answers `request`. `id` starts with `chatcmpl-`; `created` is in Unix seconds.
pub fn answer(request: &ChatRequest, id: &str, created: u64) -> EchoAnswer {
    let said = request.last_user_text().unwrap_or_default();
    let full = if said.is_empty() { "You said nothing.".to_owned() } else { format!("You said: {said}") };
    let (length, tokens) = cut(&full, request.asked.output_tokens_max.unwrap_or(u64::MAX));
    let finish_reason = if length < full.len() { "length" } else { "stop" };
    EchoAnswer {
        id: id.to_owned(),
        created,
        model: request.asked.model.clone(),
        text: full[..length].to_owned(),
        choices: request.asked.choices,
        finish_reason,
        include_usage: request.asked.include_usage,
        usage: Usage {
            input: request.asked.content_bytes.div_ceil(BYTES_PER_TOKEN as u64).max(1),
            output: tokens * request.asked.choices,
            ..Usage::default()
        },
    }
}

impl EchoAnswer {
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The unstreamed body.
    pub fn completion(&self) -> Bytes {
        let mut text = String::new();
        push_string(&mut text, &self.text);
        let choices: Vec<String> = (0..self.choices)
            .map(|index| {
                format!(
                    "{{\"index\":{index},\"message\":{{\"role\":\"assistant\",\"content\":{text},\
                     \"refusal\":null}},\"logprobs\":null,\"finish_reason\":\"{}\"}}",
                    self.finish_reason
                )
            })
            .collect();
        let usage = write_usage(&self.usage, "");
        let head = self.head("chat.completion");
        format!("{head},\"choices\":[{}],\"usage\":{usage}}}", choices.join(",")).into()
    }

    /// The streamed events, one chunk each: for each choice its role, its words, its finish reason;
    /// then the usage, if the request asked for it, and `[DONE]`.
    pub fn chunks(&self) -> impl Iterator<Item = Bytes> + '_ {
        let head = self.head("chat.completion.chunk");
        let usage = self.include_usage.then(|| {
            let usage = write_usage(&self.usage, "");
            format!("data: {head},\"choices\":[],\"usage\":{usage}}}\n\n").into()
        });
        let choices = (0..self.choices).flat_map(move |index| self.choice_chunks(head.clone(), index));
        choices.chain(usage).chain([Bytes::from_static(DONE.as_bytes())])
    }

    fn choice_chunks(&self, head: String, index: u64) -> impl Iterator<Item = Bytes> + '_ {
        let start =
            ("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}".to_owned(), "null".to_owned());
        let words = self.text.split_inclusive(' ').map(|word| {
            let mut delta = "{\"content\":".to_owned();
            push_string(&mut delta, word);
            delta.push('}');
            (delta, "null".to_owned())
        });
        let end = ("{}".to_owned(), format!("\"{}\"", self.finish_reason));
        std::iter::once(start).chain(words).chain([end]).map(move |(delta, finish_reason)| {
            format!(
                "data: {head},\"choices\":[{{\"index\":{index},\"delta\":{delta},\
                 \"logprobs\":null,\"finish_reason\":{finish_reason}}}]}}\n\n"
            )
            .into()
        })
    }

    fn head(&self, object: &str) -> String {
        let mut head = "{\"id\":".to_owned();
        push_string(&mut head, &self.id);
        head.push_str(&format!(",\"object\":\"{object}\",\"created\":{},\"model\":", self.created));
        push_string(&mut head, &self.model);
        head
    }
}

/// How many bytes of `text` fit into `tokens_max` tokens, and how many tokens they are.
fn cut(text: &str, tokens_max: u64) -> (usize, u64) {
    let (mut length, mut tokens) = (0, 0);
    for word in text.split_inclusive(' ') {
        let more = word.len().div_ceil(BYTES_PER_TOKEN) as u64;
        let left = tokens_max - tokens;
        if more > left {
            let part = word.floor_char_boundary(left as usize * BYTES_PER_TOKEN);
            return (length + part, tokens + part.div_ceil(BYTES_PER_TOKEN) as u64);
        }
        length += word.len();
        tokens += more;
    }
    (length, tokens)
}
