//! What a chat request asks for, read in one pass. The body itself stays bytes.

use super::input_bound::InputCount;
use super::priced_fields;
use super::request_error::{RequestError, Stop};
use super::request_messages::{self, MessageFacts};
use crate::json::{Cursor, JsonError, Kind, whole};
use bytes::Bytes;
use std::ops::Range;

/// Highest accepted ceiling, per choice. With [`CHOICES_MAX`] choices it stays below `Usage::UNITS_MAX`.
pub const OUTPUT_TOKENS_MAX: u64 = 1_000_000_000;

/// Most answers to one request; OpenAI's own limit for `n`.
pub const CHOICES_MAX: u64 = 128;

/// Longest model name, in bytes.
pub const MODEL_BYTES_MAX: usize = 256;

/// A chat request that may be priced: everything that we cannot price has been refused.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    pub model: String,
    pub stream: bool,
    /// The client wants the usage chunk at the end of the stream.
    pub include_usage: bool,
    /// The client's ceiling for each choice, in tokens, from `max_completion_tokens` or `max_tokens`.
    pub output_tokens_max: Option<u64>,
    /// `n`, at least 1: multiplies the ceiling.
    pub choices: u64,
    /// No tokenizer finds more input tokens; see [`super::input_bound`].
    pub input_tokens_max: u64,
    /// Bytes of the messages' content alone.
    pub content_bytes: u64,
    pub(super) body: Bytes,
    pub(super) places: Places,
    last_user_content: Option<Range<usize>>,
}

/// Where the members stand that may have to be rewritten.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub object_start: usize,
    pub model: Member,
    pub max_tokens: Option<Member>,
    pub max_completion_tokens: Option<Member>,
    pub choices: Option<Member>,
    pub service_tier: Option<Member>,
    pub stream_options: Option<Member>,
    /// The value of `stream_options.include_usage`.
    pub include_usage: Option<Range<usize>>,
}

/// Byte offsets of a member of the top object.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    /// Of the key's opening quote.
    pub key_start: usize,
    pub value: Range<usize>,
}

impl ChatRequest {
    pub fn scan(body: &Bytes) -> Result<ChatRequest, RequestError> {
        let not_json = |error| RequestError::not_json(error, body);
        std::str::from_utf8(body).map_err(|error| {
            not_json(JsonError { at: error.valid_up_to(), what: "bytes that are not UTF-8" })
        })?;
        let mut scan = Scan::default();
        match scan.document(body) {
            Ok(()) => scan.into_request(body),
            Err(Stop::Json(error)) => Err(not_json(error)),
            Err(Stop::Request(error)) => Err(error),
        }
    }

    /// The body as the client sent it.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The text of the last message whose role is `user`: its content, or its text parts joined.
    pub fn last_user_text(&self) -> Option<String> {
        request_messages::content_text(&self.body[self.last_user_content.clone()?])
    }
}

/// The fields that we read and that have no table of their own. Each may appear once: of two, a
/// provider might honour the one that we did not reserve for.
const READ_FIELDS: [&str; 8] =
    ["max_completion_tokens", "max_tokens", "messages", "model", "n", "stream", "stream_options", "tools"];

const _: () =
    assert!(READ_FIELDS.len() + priced_fields::COUNT <= u32::BITS as usize, "Scan::seen is too small");

/// Fields that no model reads as text; all others count towards the input bound.
const NOT_INPUT: [&str; 2] = ["logit_bias", "metadata"];

/// The state of one pass.
#[derive(Default)]
struct Scan {
    /// A bit for each of [`READ_FIELDS`] and, above them, of the priced fields.
    seen: u32,
    model: Option<String>,
    messages: Option<MessageFacts>,
    stream: bool,
    include_usage: bool,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    choices: Option<u64>,
    input: InputCount,
    places: Places,
}

impl Scan {
    fn document(&mut self, body: &[u8]) -> Result<(), Stop> {
        let mut cursor = Cursor::new(body);
        if cursor.kind()? != Kind::Object {
            let message = "The body must be a JSON object with `model` and `messages`.".to_owned();
            return Err(RequestError { message, param: None, code: "invalid_type" }.into());
        }
        self.places.object_start = cursor.at();
        cursor.open_object()?;
        while let Some(key) = cursor.next_key()? {
            let name = key.name();
            if let Some(index) = READ_FIELDS.iter().position(|field| *field == name) {
                self.once(index, &name)?;
                self.read_field(key.start(), READ_FIELDS[index], &mut cursor)?;
            } else if let Some(index) = priced_fields::find(&name) {
                self.once(READ_FIELDS.len() + index, &name)?;
                let value_start = start_of_value(&mut cursor)?;
                if !read_null(&mut cursor)? {
                    priced_fields::refuse_unless_harmless(index, &mut cursor)?;
                }
                if name == "service_tier" {
                    self.places.service_tier =
                        Some(Member { key_start: key.start(), value: value_start..cursor.at() });
                }
            } else {
                let bytes = cursor.range()?.len() as u64;
                if !NOT_INPUT.contains(&name.as_ref()) {
                    self.input.bytes += bytes;
                }
            }
        }
        Ok(cursor.end()?)
    }

    fn once(&mut self, index: usize, name: &str) -> Result<(), RequestError> {
        let bit = 1 << index;
        if self.seen & bit != 0 {
            return Err(RequestError::duplicate(name));
        }
        self.seen |= bit;
        Ok(())
    }

    fn read_field(&mut self, key_start: usize, name: &'static str, cursor: &mut Cursor) -> Result<(), Stop> {
        let value_start = start_of_value(cursor)?;
        if !read_null(cursor)? {
            match name {
                "model" => self.model = Some(read_model(cursor)?),
                "messages" => self.messages = Some(request_messages::read(cursor, &mut self.input)?),
                "stream" => self.stream = read_bool(cursor, "stream")?,
                "stream_options" => self.read_stream_options(cursor)?,
                "max_tokens" => self.max_tokens = Some(read_count(cursor, name, OUTPUT_TOKENS_MAX)?),
                "max_completion_tokens" => {
                    self.max_completion_tokens = Some(read_count(cursor, name, OUTPUT_TOKENS_MAX)?);
                }
                "n" => self.choices = Some(read_count(cursor, "n", CHOICES_MAX)?),
                _ => request_messages::read_tools(cursor, &mut self.input)?,
            }
        }
        let member = Member { key_start, value: value_start..cursor.at() };
        match name {
            "model" => self.places.model = member,
            "stream_options" => self.places.stream_options = Some(member),
            "n" => self.places.choices = Some(member),
            "max_tokens" => self.places.max_tokens = Some(member),
            "max_completion_tokens" => self.places.max_completion_tokens = Some(member),
            _ => {}
        }
        Ok(())
    }

    fn read_stream_options(&mut self, cursor: &mut Cursor) -> Result<(), Stop> {
        if cursor.kind()? != Kind::Object {
            return Err(RequestError::wrong_type("stream_options", "an object").into());
        }
        cursor.open_object()?;
        while let Some(key) = cursor.next_key()? {
            if !key.is("include_usage") {
                cursor.skip()?;
                continue;
            }
            if self.places.include_usage.is_some() {
                return Err(RequestError::duplicate("stream_options.include_usage").into());
            }
            let value_start = start_of_value(cursor)?;
            self.include_usage = !read_null(cursor)? && read_bool(cursor, "stream_options.include_usage")?;
            self.places.include_usage = Some(value_start..cursor.at());
        }
        Ok(())
    }

    fn into_request(self, body: &Bytes) -> Result<ChatRequest, RequestError> {
        let model = self.model.ok_or_else(|| RequestError::missing("model", "name the model to ask"))?;
        let messages =
            self.messages.ok_or_else(|| RequestError::missing("messages", "send at least one message"))?;
        let output_tokens_max = match (self.max_completion_tokens, self.max_tokens) {
            (Some(new), Some(old)) if new != old => {
                let wanted = "equal to `max_completion_tokens`; better send only the latter";
                return Err(RequestError::wrong_value("max_tokens", wanted));
            }
            (new, old) => new.or(old),
        };
        Ok(ChatRequest {
            model,
            stream: self.stream,
            include_usage: self.stream && self.include_usage,
            output_tokens_max,
            choices: self.choices.unwrap_or(1),
            input_tokens_max: self.input.tokens_max(),
            content_bytes: messages.content_bytes,
            body: body.clone(),
            places: self.places,
            last_user_content: messages.last_user_content,
        })
    }
}

/// Passes white space; the offset at which the value starts.
fn start_of_value(cursor: &mut Cursor) -> Result<usize, JsonError> {
    cursor.kind()?;
    Ok(cursor.at())
}

/// Reads a null, which counts as absent; leaves anything else.
fn read_null(cursor: &mut Cursor) -> Result<bool, JsonError> {
    let null = cursor.kind()? == Kind::Null;
    if null {
        cursor.null()?;
    }
    Ok(null)
}

fn read_model(cursor: &mut Cursor) -> Result<String, Stop> {
    if cursor.kind()? != Kind::String {
        return Err(RequestError::wrong_type("model", "a string").into());
    }
    match cursor.string()?.decode() {
        Some(model) if (1..=MODEL_BYTES_MAX).contains(&model.len()) => Ok(model.into_owned()),
        _ => Err(RequestError::wrong_value("model", "the name of a model, 1 to 256 bytes").into()),
    }
}

fn read_bool(cursor: &mut Cursor, param: &str) -> Result<bool, Stop> {
    if cursor.kind()? != Kind::Bool {
        return Err(RequestError::wrong_type(param, "true or false").into());
    }
    Ok(cursor.bool()?)
}

/// A whole number from 1 to `max`, however it is written.
fn read_count(cursor: &mut Cursor, param: &str, max: u64) -> Result<u64, Stop> {
    let wanted = || format!("a whole number from 1 to {max}");
    if cursor.kind()? != Kind::Number {
        return Err(RequestError::wrong_type(param, &wanted()).into());
    }
    let Some(number) = whole(cursor.number()?) else {
        return Err(RequestError::wrong_type(param, &wanted()).into());
    };
    match u64::try_from(number) {
        Ok(count) if (1..=max).contains(&count) => Ok(count),
        _ => Err(RequestError::wrong_value(param, &wanted()).into()),
    }
}
