//! A chat completions request as a conversation.

use super::messages;
use crate::RequestError;
use crate::cache_control;
use crate::conversation::{
    Conversation, Effort, OutputFormat, ReasoningWish, Sampling, Tool, ToolChoice, Verbosity,
};
use crate::members::{Member, Members};

type Read<T> = Result<T, RequestError>;

/// Members that change no answer, or that the scan has found to be harmless.
const IGNORED: [&str; 10] = [
    "background",
    "best_of",
    "metadata",
    "modalities",
    "prompt_cache_key",
    "prompt_cache_retention",
    "service_tier",
    "stream_options",
    // OpenRouter's wish for a usage that we always give.
    "usage",
    // Open WebUI's, of its own pipelines.
    "chat_id",
];

/// Reads the body, every member of it: one that cannot be carried over is refused by its path.
pub fn read(body: &[u8]) -> Read<Conversation> {
    let mut members = Members::of_body(body)?;
    members.ignore(&IGNORED);
    refuse_true(&mut members, "store")?;
    let ceilings = [members.count("max_completion_tokens")?, members.count("max_tokens")?];
    let end_users = [members.text("safety_identifier")?, members.text("user")?];
    let conversation = Conversation {
        model: members.need_text("model", "name the model to ask")?,
        stream: members.bool("stream")?.unwrap_or(false),
        turns: messages::read(members.need("messages", "send at least one message")?.list()?)?,
        tools: members.list("tools")?.into_iter().map(tool).collect::<Read<_>>()?,
        tool_choice: members.take("tool_choice").map(tool_choice).transpose()?,
        parallel_tool_calls: members.bool("parallel_tool_calls")?,
        output_format: output_format(&mut members)?,
        sampling: sampling(&mut members)?,
        output_tokens_max: ceilings.into_iter().flatten().next(),
        choices: members.count("n")?.unwrap_or(1).max(1),
        reasoning: reasoning(&mut members)?,
        verbosity: members.take("verbosity").map(|member| member.one_of(&VERBOSITIES)).transpose()?,
        end_user: end_users.into_iter().flatten().next(),
    };
    members.finish()?;
    Ok(conversation)
}

pub(super) const VERBOSITIES: [(&str, Verbosity); 3] =
    [("low", Verbosity::Low), ("medium", Verbosity::Medium), ("high", Verbosity::High)];

/// As OpenAI orders them; `max` is what others call the highest.
pub(crate) const EFFORTS: [(&str, Effort); 7] = [
    ("none", Effort::None),
    ("minimal", Effort::Minimal),
    ("low", Effort::Low),
    ("medium", Effort::Medium),
    ("high", Effort::High),
    ("xhigh", Effort::Max),
    ("max", Effort::Max),
];

fn refuse_true(members: &mut Members, name: &str) -> Read<()> {
    match members.bool(name)? {
        Some(true) => Err(RequestError::untranslatable(members.path_of(name))),
        _ => Ok(()),
    }
}

fn tool(tool: Member) -> Read<Tool> {
    let mut tool = tool.object()?;
    tool.need("type", "send `function`")?.one_of(&[("function", ())])?;
    let cache = cache_control::read(&mut tool)?;
    let mut function = tool.need("function", "describe the function")?.object()?;
    tool.finish()?;
    let read = Tool {
        name: function.need_text("name", "name the function")?,
        description: function.text("description")?,
        parameters: function.take("parameters").map(|member| member.value),
        strict: function.bool("strict")?,
        cache,
    };
    function.finish()?;
    Ok(read)
}

fn tool_choice(choice: Member) -> Read<ToolChoice> {
    if choice.value.is_object() {
        let mut choice = choice.object()?;
        choice.need("type", "send `function`")?.one_of(&[("function", ())])?;
        let mut function = choice.need("function", "name the function")?.object()?;
        choice.finish()?;
        let name = function.need_text("name", "name the function")?;
        function.finish()?;
        return Ok(ToolChoice::Named(name));
    }
    choice.one_of(&[("auto", ToolChoice::Auto), ("none", ToolChoice::None), ("required", ToolChoice::Any)])
}

fn output_format(members: &mut Members) -> Read<OutputFormat> {
    let Some(mut format) = members.object("response_format")? else { return Ok(OutputFormat::Text) };
    let kind = format.need("type", "send `text`, `json_object` or `json_schema`")?;
    let read = match kind.one_of(&[("text", 0), ("json_object", 1), ("json_schema", 2)])? {
        0 => OutputFormat::Text,
        1 => OutputFormat::JsonObject,
        _ => {
            let mut schema = format.need("json_schema", "send the schema")?.object()?;
            let read = OutputFormat::JsonSchema {
                name: schema.text("name")?,
                description: schema.text("description")?,
                schema: schema.need("schema", "send the JSON schema itself")?.value,
                strict: schema.bool("strict")?,
            };
            schema.finish()?;
            read
        }
    };
    format.finish()?;
    Ok(read)
}

fn sampling(members: &mut Members) -> Read<Sampling> {
    let stop = match members.take("stop") {
        Some(stop) if stop.value.is_string() => vec![stop.text()?],
        Some(stops) => stops.list()?.into_iter().map(Member::text).collect::<Read<_>>()?,
        None => Vec::new(),
    };
    let wants_logprobs = members.bool("logprobs")?.unwrap_or(false);
    let alternatives = members.count("top_logprobs")?;
    Ok(Sampling {
        temperature: members.number("temperature")?,
        top_p: members.number("top_p")?,
        top_k: members.number("top_k")?,
        seed: members.number("seed")?,
        presence_penalty: members.number("presence_penalty")?,
        frequency_penalty: members.number("frequency_penalty")?,
        stop,
        logprobs: wants_logprobs.then(|| alternatives.unwrap_or(0)),
        logit_bias: members.take("logit_bias").map(|member| member.value).filter(|bias| !is_empty(bias)),
    })
}

fn is_empty(value: &serde_json::Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// OpenAI's `reasoning_effort`, and OpenRouter's `reasoning: {effort | max_tokens, exclude, enabled}`.
fn reasoning(members: &mut Members) -> Read<ReasoningWish> {
    let effort = |member: Member| member.one_of(&EFFORTS);
    let mut wish = ReasoningWish {
        effort: members.take("reasoning_effort").map(effort).transpose()?,
        ..ReasoningWish::default()
    };
    let Some(mut reasoning) = members.object("reasoning")? else { return Ok(wish) };
    wish.effort = reasoning.take("effort").map(effort).transpose()?.or(wish.effort);
    wish.budget_tokens = reasoning.count("max_tokens")?;
    wish.shown = reasoning.bool("exclude")?.map(|exclude| !exclude);
    match reasoning.bool("enabled")? {
        Some(false) => wish.effort = Some(Effort::None),
        // By how much is the model's own affair.
        Some(true) if wish.effort.is_none() && wish.budget_tokens.is_none() => {
            wish.effort = Some(Effort::Medium);
        }
        _ => {}
    }
    reasoning.finish()?;
    Ok(wish)
}
