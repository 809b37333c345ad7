//! `{"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"}`: input
//! without what was cached, output with what was thought.

use crate::fields::Fields;
use domain::price::Usage;

pub(super) fn write(usage: &Usage) -> Fields {
    let plain = usage.total_input().saturating_sub(usage.cached_input).saturating_sub(usage.cache_write);
    let mut fields = Fields::new();
    fields.set("input_tokens", plain).set("cache_creation_input_tokens", usage.cache_write);
    fields.set("cache_read_input_tokens", usage.cached_input).set("output_tokens", usage.total_output());
    fields
}
