//! Images, documents and sounds in a request.

use crate::conversation::Detail;

/// One of them, as far as its price depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// In the request, in base64.
    Inline { kind: MediaKind, base64_bytes: u64 },
    /// Fetched by the provider.
    Remote { kind: MediaKind },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    Image(Detail),
    Document,
    Audio,
}

/// What no provider counts for anything that it fetches itself.
const REMOTE_TOKENS_MAX: u64 = 1 << 20;

impl Media {
    /// `base64` as it stands in the request, without a `data:` head.
    pub(crate) fn inline(kind: MediaKind, base64: &[u8]) -> Self {
        Media::Inline { kind, base64_bytes: base64.len() as u64 }
    }

    /// `url`: `data:…;base64,…`, or an address.
    pub(crate) fn at(kind: MediaKind, url: &str) -> Self {
        match url.strip_prefix("data:").and_then(|data| data.split_once(',')) {
            Some((_, base64)) => Media::inline(kind, base64.as_bytes()),
            None => Media::Remote { kind },
        }
    }

    pub fn tokens_max(&self) -> u64 {
        match self {
            Media::Inline { base64_bytes, .. } => *base64_bytes,
            Media::Remote { .. } => REMOTE_TOKENS_MAX,
        }
    }
}
