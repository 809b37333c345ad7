//! What turns and answers are made of.

/// A piece of a turn, or of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub content: Content,
    /// A mark up to which the provider may cache the prompt.
    pub cache: Option<CacheLifetime>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Text(String),
    Image {
        source: Source,
        detail: Detail,
    },
    File {
        source: Source,
        name: Option<String>,
    },
    /// `data` in base64, `media_type` such as `audio/wav`.
    Audio {
        media_type: String,
        data: String,
    },
    ToolCall {
        id: String,
        name: String,
        /// JSON as the model wrote it, which may be broken; `{}` for none.
        arguments: String,
        /// The provider's seal over the thoughts that led here (Gemini's `thoughtSignature`), to be given back unchanged.
        signature: Option<String>,
    },
    ToolResult {
        call_id: String,
        /// Text, images and files.
        parts: Vec<Part>,
        is_error: bool,
    },
    /// What the model thought. A seal goes back unchanged with it; a target that did not make it may refuse it.
    Reasoning {
        text: String,
        signature: Option<String>,
    },
    /// Thoughts that only their provider can read.
    SealedReasoning(String),
    /// The model's words for not answering.
    Refusal(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `data` in base64.
    Inline {
        media_type: String,
        data: String,
    },
    Url(String),
}

/// How closely to look at an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    #[default]
    Auto,
    Low,
    High,
}

/// For how long a cached prompt should live. A hint: providers that cache by themselves do without, and
/// an answer is the same with and without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLifetime {
    FiveMinutes,
    OneHour,
}

impl From<Content> for Part {
    fn from(content: Content) -> Self {
        Part { content, cache: None }
    }
}

impl Part {
    pub fn text(text: impl Into<String>) -> Self {
        Content::Text(text.into()).into()
    }
}

impl Source {
    /// `data:…;base64,…`, or an address.
    pub(crate) fn at(url: String) -> Self {
        let inline = url.strip_prefix("data:").and_then(|data| data.split_once(";base64,"));
        match inline {
            Some((media_type, data)) => {
                Source::Inline { media_type: media_type.to_owned(), data: data.to_owned() }
            }
            None => Source::Url(url),
        }
    }

    /// An inline source as a `data:` URL.
    pub(crate) fn to_url(&self) -> String {
        match self {
            Source::Inline { media_type, data } => format!("data:{media_type};base64,{data}"),
            Source::Url(url) => url.clone(),
        }
    }
}
