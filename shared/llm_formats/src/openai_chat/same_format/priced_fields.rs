//! Request fields that change a call's price beyond its text tokens. They are refused by name unless
//! their value leaves the price alone. `null` is the same as absent and is checked by the caller.

use crate::json::{Cursor, JsonError, Kind, whole};
use crate::request_error::{RequestError, Stop};

/// Whether the value that the cursor stands at leaves the price alone; reads it.
type Harmless = fn(&mut Cursor) -> Result<bool, JsonError>;

struct PricedField {
    name: &'static str,
    harmless: Harmless,
    remedy: &'static str,
}

const PRICED_FIELDS: [PricedField; 13] = [
    field("audio", never, "audio output is not offered, remove it"),
    field("background", is_false, "remove it or send `false`"),
    field("best_of", is_one, "remove it or send 1"),
    field("conversation", never, "send the messages themselves"),
    field("modalities", is_text_only, "only `[\"text\"]` is offered"),
    // OpenRouter: other models that may answer instead, at their own prices.
    field("models", never, "name one model in `model`"),
    // OpenRouter: web search and file parsing.
    field("plugins", never, "remove it"),
    field("prediction", never, "rejected prediction tokens are billed on top, remove it"),
    field("previous_response_id", never, "send the messages themselves"),
    // xAI: live search.
    field("search_parameters", never, "remove it"),
    // `auto` is also what an absent field means, so it is the target's to pin: `Edits::standard_tier`.
    field("service_tier", is_standard_tier, "send `default` or remove it"),
    field("web_search_options", never, "web search is not offered, remove it"),
    // Groq: the same.
    field("search_settings", never, "remove it"),
];

/// How many such fields there are.
pub(super) const COUNT: usize = PRICED_FIELDS.len();

const fn field(name: &'static str, harmless: Harmless, remedy: &'static str) -> PricedField {
    PricedField { name, harmless, remedy }
}

/// The place of the field in the table, if it is one that changes the price.
pub(super) fn find(name: &str) -> Option<usize> {
    PRICED_FIELDS.iter().position(|field| field.name == name)
}

/// Reads the value of field `index`, which is not null.
pub(super) fn refuse_unless_harmless(index: usize, cursor: &mut Cursor) -> Result<(), Stop> {
    let field = &PRICED_FIELDS[index];
    if (field.harmless)(cursor)? {
        return Ok(());
    }
    Err(RequestError::unpriced(field.name, field.remedy).into())
}

fn never(_: &mut Cursor) -> Result<bool, JsonError> {
    Ok(false)
}

fn is_false(cursor: &mut Cursor) -> Result<bool, JsonError> {
    Ok(cursor.kind()? == Kind::Bool && !cursor.bool()?)
}

fn is_one(cursor: &mut Cursor) -> Result<bool, JsonError> {
    Ok(cursor.kind()? == Kind::Number && whole(cursor.number()?) == Some(1))
}

fn is_standard_tier(cursor: &mut Cursor) -> Result<bool, JsonError> {
    if cursor.kind()? != Kind::String {
        return Ok(false);
    }
    let tier = cursor.string()?;
    Ok(tier.is("default") || tier.is("auto"))
}

fn is_text_only(cursor: &mut Cursor) -> Result<bool, JsonError> {
    if cursor.kind()? != Kind::Array {
        return Ok(false);
    }
    cursor.open_array()?;
    while cursor.next_element()? {
        if cursor.kind()? != Kind::String || !cursor.string()?.is("text") {
            return Ok(false);
        }
    }
    Ok(true)
}
