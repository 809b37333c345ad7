//! `{"id", "type": "function", "function": {"name", "arguments"}}`. Gemini's seal stands beside them in
//! `extra_content.google.thought_signature`, where Google's own chat endpoint puts it.

use crate::RequestError;
use crate::conversation::{Content, Part};
use crate::fields::{Fields, typed};
use crate::members::{Member, Members};
use serde_json::Value;

/// What is written for a call without arguments.
pub(super) const NO_ARGUMENTS: &str = "{}";

pub(super) fn read_of_request(call: Member) -> Result<Part, RequestError> {
    let mut call = call.object()?;
    call.ignore(&["index"]);
    if let Some(kind) = call.take("type") {
        kind.one_of(&[("function", ())])?;
    }
    let id = call.need_text("id", "send the call's id as the model gave it")?;
    let signature = read_signature(&mut call)?;
    let mut function = call.need("function", "say what was called")?.object()?;
    call.finish()?;
    let name = function.need_text("name", "name the function")?;
    let arguments = function.text("arguments")?.unwrap_or_default();
    function.finish()?;
    Ok(Content::ToolCall { id, name, arguments: or_none(arguments), signature }.into())
}

fn read_signature(call: &mut Members) -> Result<Option<String>, RequestError> {
    let Some(mut extra) = call.object("extra_content")? else { return Ok(None) };
    let google = extra.object("google")?;
    extra.finish()?;
    let Some(mut google) = google else { return Ok(None) };
    let signature = google.text("thought_signature")?;
    google.finish()?;
    Ok(signature)
}

/// Of an answer's message.
pub(super) fn read(call: &Value) -> Option<Part> {
    let function = &call["function"];
    let arguments = function["arguments"].as_str().unwrap_or_default();
    let call = Content::ToolCall {
        id: call["id"].as_str().unwrap_or_default().to_owned(),
        name: function["name"].as_str()?.to_owned(),
        arguments: or_none(arguments.to_owned()),
        signature: signature(call).map(str::to_owned),
    };
    Some(call.into())
}

pub(super) fn signature(call: &Value) -> Option<&str> {
    call["extra_content"]["google"]["thought_signature"].as_str()
}

pub(super) fn write(id: &str, name: &str, arguments: &str, signature: Option<&str>) -> Fields {
    let (mut call, mut function) = (Fields::new(), Fields::new());
    function.set("name", name).set("arguments", arguments);
    call.set("id", id).set("type", "function").set("function", function);
    if let Some(signature) = signature {
        let (mut extra, mut google) = (Fields::new(), Fields::new());
        google.set("thought_signature", signature);
        extra.set("google", google);
        call.set("extra_content", extra);
    }
    call
}

/// A tool that the model could run.
pub(super) fn definition(function: Fields) -> Fields {
    let mut tool = typed("function");
    tool.set("function", function);
    tool
}

fn or_none(arguments: String) -> String {
    if arguments.trim_ascii().is_empty() { NO_ARGUMENTS.to_owned() } else { arguments }
}
