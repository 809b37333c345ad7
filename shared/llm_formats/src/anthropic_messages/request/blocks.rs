//! Content blocks as parts.

use crate::RequestError;
use crate::cache_control;
use crate::conversation::{Content, Detail, Part, Source};
use crate::members::{Member, Members};

type Read<T> = Result<T, RequestError>;

/// A string, or blocks.
pub(super) fn read(content: Member) -> Read<Vec<Part>> {
    if content.value.is_string() {
        return Ok(vec![Part::text(content.text()?)]);
    }
    content.list()?.into_iter().map(block).collect()
}

fn block(block: Member) -> Read<Part> {
    let mut block = block.object()?;
    let cache = cache_control::read(&mut block)?;
    let kind = block.need("type", "send `text`")?;
    let path = kind.path.clone();
    let content = match kind.text()?.as_str() {
        "text" => {
            // Of earlier answers.
            block.ignore(&["citations"]);
            Content::Text(block.need_text("text", "send the text")?)
        }
        "image" => image(&mut block)?,
        "document" => document(&mut block)?,
        "tool_use" => tool_use(&mut block)?,
        "tool_result" => tool_result(&mut block)?,
        "thinking" => Content::Reasoning {
            text: block.need_text("thinking", "send the block as it came")?,
            // Empty of a model that seals nothing.
            signature: block.text("signature")?.filter(|signature| !signature.is_empty()),
        },
        "redacted_thinking" => {
            Content::SealedReasoning(block.need_text("data", "send the block as it came")?)
        }
        _ => return Err(RequestError::untranslatable(path)),
    };
    block.finish()?;
    Ok(Part { content, cache })
}

fn image(block: &mut Members) -> Read<Content> {
    let mut source = block.need("source", "send the image")?.object()?;
    let read = match source_kind(&mut source, &["base64", "url"])? {
        "url" => Source::Url(source.need_text("url", "send its address")?),
        _ => inline(&mut source)?,
    };
    source.finish()?;
    Ok(Content::Image { source: read, detail: Detail::Auto })
}

/// Plain text is text like any other, under its title.
fn document(block: &mut Members) -> Read<Content> {
    let name = block.text("title")?;
    refuse_citations(block)?;
    let mut source = block.need("source", "send the document")?.object()?;
    let content = match source_kind(&mut source, &["base64", "url", "text"])? {
        "url" => Content::File { source: Source::Url(source.need_text("url", "send its address")?), name },
        "text" => {
            source.ignore(&["media_type"]);
            let text = source.need_text("data", "send the text")?;
            Content::Text(name.map(|name| format!("{name}\n\n{text}")).unwrap_or(text))
        }
        _ => Content::File { source: inline(&mut source)?, name },
    };
    source.finish()?;
    Ok(content)
}

fn refuse_citations(block: &mut Members) -> Read<()> {
    let Some(mut citations) = block.object("citations")? else { return Ok(()) };
    if citations.bool("enabled")? == Some(true) {
        return Err(RequestError::untranslatable(citations.path_of("enabled")));
    }
    citations.finish()
}

fn source_kind(source: &mut Members, known: &[&'static str]) -> Read<&'static str> {
    let kind = source.need("type", "send `base64` or `url`")?;
    let path = kind.path.clone();
    let kind = kind.text()?;
    known.iter().find(|known| **known == kind).copied().ok_or_else(|| RequestError::untranslatable(path))
}

fn inline(source: &mut Members) -> Read<Source> {
    Ok(Source::Inline {
        media_type: source.need_text("media_type", "send its media type, such as `image/png`")?,
        data: source.need_text("data", "send it in base64")?,
    })
}

fn tool_use(block: &mut Members) -> Read<Content> {
    // Who called: of earlier answers.
    block.ignore(&["caller"]);
    let id = block.need_text("id", "send the block as it came")?;
    let name = block.need_text("name", "send the block as it came")?;
    let input = block.need("input", "send the block as it came")?;
    if !input.value.is_object() {
        return Err(RequestError::wrong_type(input.path, "an object"));
    }
    Ok(Content::ToolCall { id, name, arguments: input.value.to_string(), signature: None })
}

fn tool_result(block: &mut Members) -> Read<Content> {
    Ok(Content::ToolResult {
        call_id: block.need_text("tool_use_id", "name the call that this answers")?,
        parts: block.take("content").map(read).transpose()?.unwrap_or_default(),
        is_error: block.bool("is_error")?.unwrap_or(false),
    })
}
