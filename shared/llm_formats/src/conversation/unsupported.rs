//! What a target has no words for.

/// Why a conversation cannot go to a target. The client's format knows what the feature is called there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{feature:?} is not offered by this model's provider")]
pub struct Unsupported {
    pub feature: Feature,
    /// What there is instead, as in "send it inline, as base64"; none: remove it.
    pub remedy: Option<&'static str>,
}

/// Whatever not every target can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    Choices,
    TopK,
    Temperature,
    TopP,
    Seed,
    PresencePenalty,
    FrequencyPenalty,
    Stop,
    Logprobs,
    LogitBias,
    Verbosity,
    ReasoningEffort,
    ReasoningBudget,
    JsonObject,
    JsonSchema,
    ToolChoice,
    StrictTools,
    ParallelToolCalls,
    SpeakerName,
    Image,
    ImageUrl,
    File,
    FileUrl,
    Audio,
    /// Images or files inside a tool's result.
    ToolResultMedia,
    /// A tool's arguments that are no JSON object.
    ToolArguments,
    /// A prompt's cache mark of an hour, which costs more to write than one of five minutes.
    CacheHour,
    /// A last turn of the assistant's, to be continued.
    Prefill,
}

impl Feature {
    pub fn unsupported(self) -> Unsupported {
        Unsupported { feature: self, remedy: None }
    }

    pub fn unless(self, remedy: &'static str) -> Unsupported {
        Unsupported { feature: self, remedy: Some(remedy) }
    }
}
