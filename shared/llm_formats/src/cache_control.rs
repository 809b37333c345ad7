//! Marks up to which a prompt may be cached: `{"type": "ephemeral", "ttl": "5m" | "1h"}`, in Anthropic's words, which
//! OpenRouter takes in chat completions, too.

use crate::RequestError;
use crate::conversation::CacheLifetime;
use crate::fields::typed;
use crate::members::Members;
use serde_json::Value;

pub(crate) const FIELD: &str = "cache_control";

/// The mark of a part or tool.
pub(crate) fn read(members: &mut Members) -> Result<Option<CacheLifetime>, RequestError> {
    let Some(mut mark) = members.object(FIELD)? else { return Ok(None) };
    mark.need("type", "send `ephemeral`")?.one_of(&[("ephemeral", ())])?;
    let lifetimes = [("5m", CacheLifetime::FiveMinutes), ("1h", CacheLifetime::OneHour)];
    let lifetime = mark.take("ttl").map(|ttl| ttl.one_of(&lifetimes)).transpose()?;
    mark.finish()?;
    Ok(Some(lifetime.unwrap_or(CacheLifetime::FiveMinutes)))
}

pub(crate) fn write(lifetime: CacheLifetime) -> Value {
    let mut mark = typed("ephemeral");
    if lifetime == CacheLifetime::OneHour {
        mark.set("ttl", "1h");
    }
    mark.into()
}
