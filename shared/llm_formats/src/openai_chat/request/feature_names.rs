//! What clients of chat completions call a feature.

use crate::conversation::Feature;

/// For the `param` of an error.
pub fn name_of(feature: Feature) -> &'static str {
    match feature {
        Feature::Choices => "n",
        Feature::TopK => "top_k",
        Feature::Temperature => "temperature",
        Feature::TopP => "top_p",
        Feature::Seed => "seed",
        Feature::PresencePenalty => "presence_penalty",
        Feature::FrequencyPenalty => "frequency_penalty",
        Feature::Stop => "stop",
        Feature::Logprobs => "logprobs",
        Feature::LogitBias => "logit_bias",
        Feature::Verbosity => "verbosity",
        Feature::ReasoningEffort => "reasoning_effort",
        Feature::ReasoningBudget => "reasoning.max_tokens",
        Feature::JsonObject | Feature::JsonSchema => "response_format",
        Feature::ToolChoice => "tool_choice",
        Feature::StrictTools => "tools[].function.strict",
        Feature::ParallelToolCalls => "parallel_tool_calls",
        Feature::SpeakerName => "messages[].name",
        Feature::Image => "messages[].content[].image_url",
        Feature::ImageUrl => "messages[].content[].image_url.url",
        Feature::File => "messages[].content[].file",
        Feature::FileUrl => "messages[].content[].file.file_data",
        Feature::Audio => "messages[].content[].input_audio",
        Feature::ToolResultMedia => "messages[].content[]",
        Feature::ToolArguments => "messages[].tool_calls[].function.arguments",
        Feature::CacheHour => "cache_control.ttl",
        Feature::Prefill => "messages[].role",
    }
}
