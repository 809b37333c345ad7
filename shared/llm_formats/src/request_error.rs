//! Why a request is refused before it costs anything: always status 400.

use crate::conversation::Unsupported;
use crate::json::JsonError;

/// Fields of OpenAI's error object: `message` names the remedy, `param` the field's path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    pub message: String,
    /// Such as `messages[0].content[1]`; `None` where the body as a whole is meant.
    pub param: Option<String>,
    /// `invalid_json`, `missing_field`, `duplicate_field`, `invalid_type`, `invalid_value`,
    /// `unpriced_feature` or `unsupported_field`.
    pub code: &'static str,
}

impl RequestError {
    pub(crate) fn missing(param: impl Into<String>, remedy: &str) -> Self {
        let param = param.into();
        Self::new("missing_field", format!("`{param}` is missing: {remedy}."), param)
    }

    pub(crate) fn duplicate(param: impl Into<String>) -> Self {
        let param = param.into();
        Self::new("duplicate_field", format!("`{param}` is given twice: send it once."), param)
    }

    /// `wanted` as in "must be an array of messages".
    pub(crate) fn wrong_type(param: impl Into<String>, wanted: &str) -> Self {
        let param = param.into();
        Self::new("invalid_type", format!("`{param}` must be {wanted}."), param)
    }

    pub(crate) fn wrong_value(param: impl Into<String>, wanted: &str) -> Self {
        let param = param.into();
        Self::new("invalid_value", format!("`{param}` must be {wanted}."), param)
    }

    /// `remedy` as in "remove it".
    pub(crate) fn unpriced(param: impl Into<String>, remedy: &str) -> Self {
        let param = param.into();
        let message = format!("`{param}` changes the price in a way that is not supported: {remedy}.");
        Self::new("unpriced_feature", message, param)
    }

    /// Of a request that has to be put into another format.
    pub(crate) fn untranslatable(param: impl Into<String>) -> Self {
        let param = param.into();
        let message = format!(
            "`{param}` cannot be said in the format of this model's provider: remove it, or ask a model \
             whose provider speaks this format."
        );
        Self::new("unsupported_field", message, param)
    }

    /// What the client calls `param`, the target has no words for.
    pub fn unsupported(param: impl Into<String>, unsupported: Unsupported) -> Self {
        let param = param.into();
        let remedy = unsupported.remedy.unwrap_or("remove it");
        let message = format!("`{param}` is not offered by this model's provider: {remedy}.");
        Self::new("unsupported_field", message, param)
    }

    pub(crate) fn no_object() -> Self {
        RequestError {
            message: "The body must be a JSON object.".to_owned(),
            param: None,
            code: "invalid_type",
        }
    }

    /// Not JSON, read by serde.
    pub(crate) fn unreadable(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let message =
            format!("The body is not valid JSON: something is wrong at line {line}, column {column}.");
        RequestError { message, param: None, code: "invalid_json" }
    }

    /// Not JSON; says the line and column (both from 1, in bytes).
    pub(crate) fn not_json(error: JsonError, body: &[u8]) -> Self {
        let before = &body[..error.at.min(body.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
        RequestError {
            message: format!("The body is not valid JSON: {} at line {line}, column {column}.", error.what),
            param: None,
            code: "invalid_json",
        }
    }

    fn new(code: &'static str, message: String, param: String) -> Self {
        RequestError { message, param: Some(param), code }
    }
}

/// What stops a scan: [`RequestError`], or bad JSON whose line is not yet worked out.
pub(crate) enum Stop {
    Json(JsonError),
    Request(RequestError),
}

impl From<JsonError> for Stop {
    fn from(error: JsonError) -> Self {
        Stop::Json(error)
    }
}

impl From<RequestError> for Stop {
    fn from(error: RequestError) -> Self {
        Stop::Request(error)
    }
}
