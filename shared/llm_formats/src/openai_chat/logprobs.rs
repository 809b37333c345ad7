//! `{"content": [{"token", "logprob", "bytes", "top_logprobs"}], "refusal": null}`

use crate::conversation::TokenLogprob;
use crate::fields::Fields;
use serde_json::Value;

/// Of a choice, whole or a chunk's; tokens of a refusal count like others.
pub(super) fn read(logprobs: &Value) -> Vec<TokenLogprob> {
    ["content", "refusal"].iter().flat_map(|name| list(&logprobs[*name], "top_logprobs")).collect()
}

fn list(tokens: &Value, alternatives: &str) -> Vec<TokenLogprob> {
    tokens.as_array().into_iter().flatten().filter_map(|token| read_token(token, alternatives)).collect()
}

fn read_token(token: &Value, alternatives: &str) -> Option<TokenLogprob> {
    let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
    Some(TokenLogprob {
        token: token["token"].as_str()?.to_owned(),
        logprob: token["logprob"].as_number()?.clone(),
        bytes: token["bytes"].as_array().and_then(|bytes| bytes.iter().map(byte).collect()),
        // Alternatives have none of their own.
        top: if alternatives.is_empty() { Vec::new() } else { list(&token[alternatives], "") },
    })
}

/// Null where there are none.
pub(super) fn write(tokens: &[TokenLogprob]) -> Value {
    if tokens.is_empty() {
        return Value::Null;
    }
    let mut logprobs = Fields::new();
    let content: Vec<Value> = tokens.iter().map(|token| write_token(token, true)).collect();
    logprobs.set("content", content).set("refusal", Value::Null);
    logprobs.into()
}

fn write_token(token: &TokenLogprob, with_alternatives: bool) -> Value {
    let mut fields = Fields::new();
    fields.set("token", token.token.as_str()).set("logprob", token.logprob.clone());
    fields.set("bytes", token.bytes.clone().map_or(Value::Null, Value::from));
    if with_alternatives {
        let top: Vec<Value> = token.top.iter().map(|token| write_token(token, false)).collect();
        fields.set("top_logprobs", top);
    }
    fields.into()
}
