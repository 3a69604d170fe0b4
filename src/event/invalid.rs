//! Why a value cannot be part of an event.

use std::fmt;

/// Why a value cannot be part of an event: a stable code and a sentence for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Invalid {}
