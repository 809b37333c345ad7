//! What clients of messages call a feature.

use crate::conversation::Feature;

/// For the `param` of an error. What such a client cannot ask for never comes up.
pub fn name_of(feature: Feature) -> &'static str {
    match feature {
        Feature::TopK => "top_k",
        Feature::Temperature => "temperature",
        Feature::TopP => "top_p",
        Feature::Stop => "stop_sequences",
        Feature::ReasoningEffort => "output_config.effort",
        Feature::ReasoningBudget => "thinking.budget_tokens",
        Feature::JsonObject | Feature::JsonSchema => "output_config.format",
        Feature::ToolChoice => "tool_choice",
        Feature::StrictTools => "tools[].strict",
        Feature::ParallelToolCalls => "tool_choice.disable_parallel_tool_use",
        Feature::Image => "messages[].content[].source",
        Feature::ImageUrl => "messages[].content[].source.url",
        Feature::File => "messages[].content[].source",
        Feature::FileUrl => "messages[].content[].source.url",
        Feature::ToolResultMedia => "messages[].content[].content[]",
        Feature::ToolArguments => "messages[].content[].input",
        Feature::CacheHour => "cache_control.ttl",
        Feature::Prefill => "messages[].role",
        Feature::Choices
        | Feature::Seed
        | Feature::PresencePenalty
        | Feature::FrequencyPenalty
        | Feature::Logprobs
        | Feature::LogitBias
        | Feature::Verbosity
        | Feature::SpeakerName
        | Feature::Audio => "messages",
    }
}
