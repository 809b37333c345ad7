//! What a chat request asks for, read in one pass. The body itself stays bytes.

use super::messages::{self, MessageFacts};
use super::priced_fields;
use crate::asked::Asked;
use crate::input::InputCount;
use crate::json::{Cursor, JsonError, Kind};
use crate::request_error::{RequestError, Stop};
use crate::scanning::{
    CHOICES_MAX, Member, OUTPUT_TOKENS_MAX, read_bool, read_count, read_model, read_null, start_of_value,
};
use bytes::Bytes;
use std::ops::Range;

/// A chat request that may be priced.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    pub asked: Asked,
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
        messages::content_text(&self.body[self.last_user_content.clone()?])
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
                let value = cursor.range()?;
                if !NOT_INPUT.contains(&name.as_ref()) {
                    self.input.json(&body[value]);
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
                "messages" => self.messages = Some(messages::read(cursor, &mut self.input)?),
                "stream" => self.stream = read_bool(cursor, "stream")?,
                "stream_options" => self.read_stream_options(cursor)?,
                "max_tokens" => self.max_tokens = Some(read_count(cursor, name, OUTPUT_TOKENS_MAX)?),
                "max_completion_tokens" => {
                    self.max_completion_tokens = Some(read_count(cursor, name, OUTPUT_TOKENS_MAX)?);
                }
                "n" => self.choices = Some(read_count(cursor, "n", CHOICES_MAX)?),
                _ => messages::read_tools(cursor, &mut self.input)?,
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
            asked: Asked {
                model,
                stream: self.stream,
                include_usage: self.stream && self.include_usage,
                output_tokens_max,
                choices: self.choices.unwrap_or(1),
                input: self.input,
                content_bytes: messages.content_bytes,
            },
            body: body.clone(),
            places: self.places,
            last_user_content: messages.last_user_content,
        })
    }
}
