//! A messages request as a conversation.

use super::blocks;
use crate::RequestError;
use crate::cache_control;
use crate::conversation::{
    Conversation, Effort, OutputFormat, ReasoningWish, Role, Sampling, Tool, ToolChoice, Turn,
};
use crate::members::{Member, Members};
use crate::{MODEL_BYTES_MAX, OUTPUT_TOKENS_MAX};

type Read<T> = Result<T, RequestError>;

/// Members that change no answer elsewhere.
const IGNORED: [&str; 2] = [
    // What may be forgotten of a long prompt to save tokens; other providers read all of it.
    "context_management",
    "service_tier",
];

const EFFORTS: [(&str, Effort); 5] = [
    ("low", Effort::Low),
    ("medium", Effort::Medium),
    ("high", Effort::High),
    ("xhigh", Effort::Max),
    ("max", Effort::Max),
];

/// Reads the body, every member of it: one that cannot be carried over is refused by its path.
pub fn read(body: &[u8]) -> Read<Conversation> {
    let conversation = read_to_count(body)?;
    match conversation.output_tokens_max {
        Some(1..=OUTPUT_TOKENS_MAX) => Ok(conversation),
        Some(_) => {
            let wanted = format!("a whole number from 1 to {OUTPUT_TOKENS_MAX}");
            Err(RequestError::wrong_value("max_tokens", &wanted))
        }
        None => Err(RequestError::missing("max_tokens", "say how long the answer may be")),
    }
}

/// The same of a request whose tokens are only counted: it needs no `max_tokens`.
pub fn read_to_count(body: &[u8]) -> Read<Conversation> {
    let mut members = Members::of_body(body)?;
    members.ignore(&IGNORED);
    let mut conversation = Conversation {
        model: model(&mut members)?,
        stream: members.bool("stream")?.unwrap_or(false),
        turns: turns(&mut members)?,
        tools: members.list("tools")?.into_iter().map(tool).collect::<Read<_>>()?,
        sampling: sampling(&mut members)?,
        output_tokens_max: members.count("max_tokens")?,
        choices: 1,
        end_user: end_user(&mut members)?,
        ..Conversation::default()
    };
    tool_choice(&mut members, &mut conversation)?;
    thinking(&mut members, &mut conversation.reasoning)?;
    output(&mut members, &mut conversation)?;
    members.finish()?;
    Ok(conversation)
}

fn model(members: &mut Members) -> Read<String> {
    let model = members.need_text("model", "name the model to ask")?;
    match model.len() {
        1..=MODEL_BYTES_MAX => Ok(model),
        _ => Err(RequestError::wrong_value("model", "the name of a model, 1 to 256 bytes")),
    }
}

fn turns(members: &mut Members) -> Read<Vec<Turn>> {
    let mut turns = Vec::new();
    if let Some(system) = members.take("system") {
        turns.push(Turn { role: Role::System, name: None, parts: blocks::read(system)? });
    }
    let messages = members.need("messages", "send at least one message")?.list()?;
    if messages.is_empty() {
        return Err(RequestError::wrong_value("messages", "an array with at least one message"));
    }
    for message in messages {
        let mut message = message.object()?;
        let roles = [("user", Role::User), ("assistant", Role::Assistant)];
        let role = message.need("role", "say who speaks: `user` or `assistant`")?.one_of(&roles)?;
        let parts = blocks::read(message.need("content", "send a string or blocks")?)?;
        message.finish()?;
        turns.push(Turn { role, name: None, parts });
    }
    Ok(turns)
}

fn tool(tool: Member) -> Read<Tool> {
    let mut tool = tool.object()?;
    if let Some(kind) = tool.take("type") {
        let path = kind.path.clone();
        // All others run at the provider, or are known to Claude alone.
        if kind.text()? != "custom" {
            return Err(RequestError::untranslatable(path));
        }
    }
    // How arguments are streamed.
    tool.ignore(&["eager_input_streaming"]);
    let read = Tool {
        name: tool.need_text("name", "name the tool")?,
        description: tool.text("description")?,
        parameters: Some(tool.need("input_schema", "send the JSON schema of its input")?.value),
        strict: tool.bool("strict")?,
        cache: cache_control::read(&mut tool)?,
    };
    tool.finish()?;
    Ok(read)
}

fn tool_choice(members: &mut Members, conversation: &mut Conversation) -> Read<()> {
    let Some(mut choice) = members.object("tool_choice")? else { return Ok(()) };
    let kind = choice.need("type", "send `auto`, `any`, `tool` or `none`")?;
    let kinds = [
        ("auto", ToolChoice::Auto),
        ("any", ToolChoice::Any),
        ("none", ToolChoice::None),
        ("tool", ToolChoice::Named(String::new())),
    ];
    let read = match kind.one_of(&kinds)? {
        ToolChoice::Named(_) => ToolChoice::Named(choice.need_text("name", "name the tool")?),
        read => read,
    };
    conversation.tool_choice = Some(read);
    conversation.parallel_tool_calls = choice.bool("disable_parallel_tool_use")?.map(|disabled| !disabled);
    choice.finish()
}

fn thinking(members: &mut Members, wish: &mut ReasoningWish) -> Read<()> {
    let Some(mut thinking) = members.object("thinking")? else { return Ok(()) };
    let kind = thinking.need("type", "send `enabled`, `adaptive` or `disabled`")?;
    let shown = thinking.take("display");
    let shown = shown.map(|shown| shown.one_of(&[("summarized", true), ("omitted", false)])).transpose()?;
    match kind.one_of(&[("enabled", 0), ("adaptive", 1), ("disabled", 2)])? {
        0 => {
            let budget = thinking.need("budget_tokens", "say how many tokens it may think")?;
            wish.budget_tokens = Some(budget.count()?);
            wish.shown = Some(shown.unwrap_or(true));
        }
        // By how much is the model's own affair, or `output_config.effort`'s.
        1 => wish.shown = Some(shown.unwrap_or(true)),
        _ => wish.budget_tokens = Some(0),
    }
    thinking.finish()
}

/// `output_config`, and `output_format`, as structured output was called before.
fn output(members: &mut Members, conversation: &mut Conversation) -> Read<()> {
    let mut format = members.object("output_format")?;
    if let Some(mut config) = members.object("output_config")? {
        let effort = config.take("effort").map(|effort| effort.one_of(&EFFORTS)).transpose()?;
        conversation.reasoning.effort = effort;
        format = config.object("format")?.or(format);
        config.finish()?;
    }
    let Some(mut format) = format else { return Ok(()) };
    format.need("type", "send `json_schema`")?.one_of(&[("json_schema", ())])?;
    let schema = format.need("schema", "send the JSON schema itself")?.value;
    // Such an answer always keeps to its schema.
    conversation.output_format =
        OutputFormat::JsonSchema { name: None, description: None, schema, strict: Some(true) };
    format.finish()
}

fn sampling(members: &mut Members) -> Read<Sampling> {
    Ok(Sampling {
        temperature: members.number("temperature")?,
        top_p: members.number("top_p")?,
        top_k: members.number("top_k")?,
        stop: members.list("stop_sequences")?.into_iter().map(Member::text).collect::<Read<_>>()?,
        ..Sampling::default()
    })
}

fn end_user(members: &mut Members) -> Read<Option<String>> {
    let Some(mut metadata) = members.object("metadata")? else { return Ok(None) };
    let user = metadata.text("user_id")?;
    metadata.finish()?;
    Ok(user)
}
