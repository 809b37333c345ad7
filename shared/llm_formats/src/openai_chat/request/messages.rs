//! Messages as turns.

use crate::RequestError;
use crate::cache_control;
use crate::conversation::{Content, Detail, Part, Role, Source, Turn};
use crate::members::{Member, Members};
use crate::openai_chat::reasoning;
use crate::openai_chat::tool_call;

type Read<T> = Result<T, RequestError>;

pub(super) const DETAILS: [(&str, Detail); 3] =
    [("auto", Detail::Auto), ("low", Detail::Low), ("high", Detail::High)];

/// What an `input_audio` calls its format, and its media type.
pub(super) const AUDIO_FORMATS: [(&str, &str); 2] = [("wav", "audio/wav"), ("mp3", "audio/mpeg")];

#[derive(Clone, Copy)]
enum Speaker {
    Model(Role),
    Tool,
}

const SPEAKERS: [(&str, Speaker); 5] = [
    ("system", Speaker::Model(Role::System)),
    ("developer", Speaker::Model(Role::Developer)),
    ("user", Speaker::Model(Role::User)),
    ("assistant", Speaker::Model(Role::Assistant)),
    ("tool", Speaker::Tool),
];

/// The results of tools that follow each other are one turn.
pub(super) fn read(messages: Vec<Member>) -> Read<Vec<Turn>> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut after_tool = false;
    for message in messages {
        let mut message = message.object()?;
        let speaker = message.need("role", "say who speaks, such as `user`")?.one_of(&SPEAKERS)?;
        let name = message.text("name")?;
        let is_tool = matches!(speaker, Speaker::Tool);
        let (role, parts) = match speaker {
            Speaker::Tool => (Role::User, vec![tool_result(&mut message)?]),
            Speaker::Model(Role::Assistant) => (Role::Assistant, answer(&mut message)?),
            Speaker::Model(role) => (role, content(&mut message)?),
        };
        message.finish()?;
        match turns.last_mut() {
            Some(turn) if is_tool && after_tool => turn.parts.extend(parts),
            _ => turns.push(Turn { role, name: name.filter(|_| !is_tool), parts }),
        }
        after_tool = is_tool;
    }
    Ok(turns)
}

fn tool_result(message: &mut Members) -> Read<Part> {
    let cache = cache_control::read(message)?;
    let call_id = message.need_text("tool_call_id", "name the call that this answers")?;
    let parts = content(message)?;
    Ok(Part { content: Content::ToolResult { call_id, parts, is_error: false }, cache })
}

/// What a model has said: its thoughts, its text, its refusal, its calls.
fn answer(message: &mut Members) -> Read<Vec<Part>> {
    message.ignore(&["annotations"]);
    let mut parts = reasoning::read_of_request(message)?;
    parts.extend(content(message)?);
    parts.extend(message.text("refusal")?.map(|text| Content::Refusal(text).into()));
    for call in message.list("tool_calls")? {
        parts.push(tool_call::read_of_request(call)?);
    }
    Ok(parts)
}

/// A string, or parts; nothing where it is null or absent.
fn content(message: &mut Members) -> Read<Vec<Part>> {
    match message.take("content") {
        None => Ok(Vec::new()),
        Some(content) if content.value.is_string() => Ok(vec![Part::text(content.text()?)]),
        Some(content) => content.list()?.into_iter().map(part).collect(),
    }
}

fn part(part: Member) -> Read<Part> {
    let mut part = part.object()?;
    let cache = cache_control::read(&mut part)?;
    let kind = part.need("type", "send `text`")?;
    let unknown = kind.path.clone();
    let content = match kind.text()?.as_str() {
        "text" => Content::Text(part.need_text("text", "send the text")?),
        "refusal" => Content::Refusal(part.need_text("refusal", "send the text")?),
        "image_url" => image(&mut part)?,
        "input_audio" => audio(&mut part)?,
        "file" => file(&mut part)?,
        _ => return Err(RequestError::untranslatable(unknown)),
    };
    part.finish()?;
    Ok(Part { content, cache })
}

fn image(part: &mut Members) -> Read<Content> {
    let image = part.need("image_url", "send the image's URL")?;
    if image.value.is_string() {
        return Ok(Content::Image { source: Source::at(image.text()?), detail: Detail::Auto });
    }
    let mut image = image.object()?;
    let source = Source::at(image.need_text("url", "send an address, or a `data:` URL")?);
    let detail = image.take("detail").map(|detail| detail.one_of(&DETAILS)).transpose()?;
    image.finish()?;
    Ok(Content::Image { source, detail: detail.unwrap_or_default() })
}

fn audio(part: &mut Members) -> Read<Content> {
    let mut audio = part.need("input_audio", "send the sound")?.object()?;
    let data = audio.need_text("data", "send the sound in base64")?;
    let media_type = audio.need("format", "send `wav` or `mp3`")?.one_of(&AUDIO_FORMATS)?;
    audio.finish()?;
    Ok(Content::Audio { media_type: media_type.to_owned(), data })
}

fn file(part: &mut Members) -> Read<Content> {
    let mut file = part.need("file", "send the file")?.object()?;
    let name = file.text("filename")?;
    let source = Source::at(file.need_text("file_data", "send the file as a `data:` URL")?);
    file.finish()?;
    Ok(Content::File { source, name })
}
