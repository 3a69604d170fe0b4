//! Why a value cannot be part of an event.

use thiserror::Error;

/// Why a value cannot be part of an event: a stable code and a sentence for its sender.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Invalid {
    code: &'static str,
    detail: String,
}

impl Invalid {
    /// A refusal with this code, and a sentence that names the value and what is allowed.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// Stable, machine-readable, for example `invalid_topic`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }
}
