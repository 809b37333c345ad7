//! What a host may fail with.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct PlatformError {
    pub kind: PlatformErrorKind,
    /// For the log; never sent to a caller.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformErrorKind {
    /// Out of reach, or broken; a repeat may succeed.
    #[error("unavailable")]
    Unavailable,
    /// No answer within the bounded wait.
    #[error("timed out")]
    TimedOut,
    /// The other side answered what cannot be understood.
    #[error("malformed")]
    Malformed,
    /// A constraint of the database was violated.
    #[error("conflict")]
    Conflict,
    /// The host's configuration lacks this.
    #[error("not configured")]
    NotConfigured,
}

impl PlatformError {
    pub fn new(kind: PlatformErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(PlatformErrorKind::Unavailable, detail)
    }

    pub fn timed_out(detail: impl Into<String>) -> Self {
        Self::new(PlatformErrorKind::TimedOut, detail)
    }

    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(PlatformErrorKind::Malformed, detail)
    }

    pub fn not_configured(name: &str) -> Self {
        Self::new(PlatformErrorKind::NotConfigured, name)
    }
}
