//! A conversation as a target's request.

use super::vendor::{Vendor, effort_of_budget, word_of};
use super::write_messages;
use crate::cache_control;
use crate::conversation::{
    CacheLifetime, Content, Conversation, Feature, OutputFormat, Part, Sampling, Tool, ToolChoice,
    Unsupported, Verbosity,
};
use crate::exchange::Wish;
use crate::fields::{Fields, typed};
use crate::openai_chat::tool_call;
use domain::routing::OpenAiServer;
use serde_json::{Value, json};

type Written<T> = Result<T, Unsupported>;

/// The body. Streams always ask for their usage. A result's error flag is lost: chat has none, and its
/// text says it.
pub fn write(conversation: &Conversation, wish: &Wish, server: &OpenAiServer) -> Written<String> {
    let vendor = Vendor::of(server.vendor);
    let mut body = Fields::new();
    body.set("model", wish.model);
    body.set("messages", write_messages::write(&conversation.turns, vendor)?);
    body.set(server.ceiling_field.name(), wish.output_tokens_max);
    if conversation.choices > 1 {
        require(vendor.choices, Feature::Choices)?;
        body.set("n", conversation.choices);
    }
    if conversation.stream {
        body.set("stream", true);
        if vendor.stream_options {
            body.set("stream_options", json!({"include_usage": true}));
        }
    }
    write_tools(conversation, vendor, &mut body)?;
    write_output_format(&conversation.output_format, &mut body);
    write_sampling(&conversation.sampling, vendor, &mut body)?;
    write_reasoning(conversation, vendor, &mut body);
    if let Some(verbosity) = conversation.verbosity {
        require(vendor.verbosity, Feature::Verbosity)?;
        let word = match verbosity {
            Verbosity::Low => "low",
            Verbosity::Medium => "medium",
            Verbosity::High => "high",
        };
        body.set("verbosity", word);
    }
    if vendor.end_user {
        body.set_some("user", conversation.end_user.as_deref());
    }
    if server.pins_service_tier {
        body.set("service_tier", "default");
    }
    Ok(body.text())
}

pub(super) fn require(offered: bool, feature: Feature) -> Written<()> {
    if offered { Ok(()) } else { Err(feature.unsupported()) }
}

/// A mark, where the server takes it; elsewhere prompts are cached without.
pub(super) fn mark(cache: Option<CacheLifetime>, vendor: &Vendor, fields: &mut Fields) -> Written<()> {
    let Some(lifetime) = cache.filter(|_| vendor.cache_marks) else { return Ok(()) };
    if lifetime == CacheLifetime::OneHour {
        return Err(Feature::CacheHour.unless("send `5m`, or no `ttl`"));
    }
    fields.set(cache_control::FIELD, cache_control::write(lifetime));
    Ok(())
}

fn write_tools(conversation: &Conversation, vendor: &Vendor, body: &mut Fields) -> Written<()> {
    let tools = conversation.tools.iter().map(|tool| write_tool(tool, vendor));
    body.set_list("tools", tools.collect::<Written<_>>()?);
    let choice = conversation.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => Value::from("auto"),
        ToolChoice::None => Value::from("none"),
        ToolChoice::Any => Value::from("required"),
        ToolChoice::Named(name) => {
            let mut function = Fields::new();
            function.set("name", name.as_str());
            tool_call::definition(function).into()
        }
    });
    // Servers refuse both of them without tools.
    if !conversation.tools.is_empty() {
        body.set_some("tool_choice", choice);
        body.set_some("parallel_tool_calls", conversation.parallel_tool_calls);
    }
    Ok(())
}

fn write_tool(tool: &Tool, vendor: &Vendor) -> Written<Value> {
    let mut function = Fields::new();
    function.set("name", tool.name.as_str()).set_some("description", tool.description.as_deref());
    // Not every server takes their absence.
    let none = || json!({"type": "object", "properties": {}});
    function.set("parameters", tool.parameters.clone().unwrap_or_else(none));
    function.set_some("strict", tool.strict);
    let mut written = tool_call::definition(function);
    mark(tool.cache, vendor, &mut written)?;
    Ok(written.into())
}

fn write_output_format(format: &OutputFormat, body: &mut Fields) {
    let written = match format {
        OutputFormat::Text => return,
        OutputFormat::JsonObject => typed("json_object"),
        OutputFormat::JsonSchema { name, description, schema, strict } => {
            let mut fields = Fields::new();
            fields.set("name", name.as_deref().unwrap_or("answer"));
            fields.set_some("description", description.as_deref());
            fields.set("schema", schema.clone()).set_some("strict", *strict);
            let mut format = typed("json_schema");
            format.set("json_schema", fields);
            format
        }
    };
    body.set("response_format", written);
}

fn write_sampling(sampling: &Sampling, vendor: &Vendor, body: &mut Fields) -> Written<()> {
    require(vendor.top_k || sampling.top_k.is_none(), Feature::TopK)?;
    require(vendor.token_values || sampling.logprobs.is_none(), Feature::Logprobs)?;
    require(vendor.token_values || sampling.logit_bias.is_none(), Feature::LogitBias)?;
    for (name, number) in [
        ("temperature", &sampling.temperature),
        ("top_p", &sampling.top_p),
        ("top_k", &sampling.top_k),
        (vendor.seed, &sampling.seed),
        ("presence_penalty", &sampling.presence_penalty),
        ("frequency_penalty", &sampling.frequency_penalty),
    ] {
        body.set_some(name, number.clone());
    }
    body.set_list("stop", sampling.stop.iter().map(|text| Value::from(text.as_str())).collect());
    if let Some(alternatives) = sampling.logprobs {
        body.set("logprobs", true);
        body.set_some("top_logprobs", Some(alternatives).filter(|count| *count > 0));
    }
    body.set_some("logit_bias", sampling.logit_bias.clone());
    Ok(())
}

fn write_reasoning(conversation: &Conversation, vendor: &Vendor, body: &mut Fields) {
    let wish = &conversation.reasoning;
    if !vendor.reasoning_object {
        let effort = wish.effort.or_else(|| wish.budget_tokens.map(effort_of_budget));
        body.set_some("reasoning_effort", effort.map(word_of));
        return;
    }
    let mut reasoning = Fields::new();
    match (wish.effort, wish.budget_tokens) {
        (Some(effort), _) => reasoning.set("effort", word_of(effort)),
        (None, Some(0)) => reasoning.set("enabled", false),
        (None, tokens) => reasoning.set_some("max_tokens", tokens),
    };
    reasoning.set_some("exclude", wish.shown.map(|shown| !shown).filter(|exclude| *exclude));
    body.set_object("reasoning", reasoning);
}

/// The one text of a turn that holds nothing else.
pub(super) fn sole_text<'a>(parts: &[&'a Part]) -> Option<&'a str> {
    match parts {
        [Part { content: Content::Text(text), cache: None }] => Some(text),
        _ => None,
    }
}
