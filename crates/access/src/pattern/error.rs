use super::{MAX_PATTERN_BYTES, MAX_TEMPLATE_BYTES, MAX_VARIABLES};

/// Why a text is no pattern of topics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// No text.
    #[error("a pattern is empty; \"*\" matches every topic")]
    Empty,
    /// Longer than [`MAX_PATTERN_BYTES`].
    #[error("a pattern is {bytes} bytes long; at most {MAX_PATTERN_BYTES} are allowed")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A control or format character, which does not show.
    #[error("a pattern has a control or format character at byte {at}")]
    ControlCharacter {
        /// Offset in bytes.
        at: usize,
    },
    /// A template that compiles to too much.
    #[error(
        "the pattern {0:?} is too complex; a template may have {MAX_VARIABLES} variables, and compile to \
         {MAX_TEMPLATE_BYTES} bytes"
    )]
    TooComplex(String),
    /// A text with braces that is not a template.
    #[error(
        "{0:?} has braces and is not a URI template; write each variable as {{name}}, or {{\"exact\": \"…\"}} for \
         the text itself"
    )]
    InvalidTemplate(String),
    /// Not a URL pattern.
    #[error("{text:?} is not a URL pattern: {why}")]
    InvalidUrlPattern {
        /// Its text.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// Not a URL that others can be relative to.
    #[error("{0:?} is not an absolute URL; use one such as \"https://example.com/\"")]
    InvalidBaseUrl(String),
    /// More patterns in one set than it may have.
    #[error("there are more than {max} patterns; use templates or URL patterns, or `*`")]
    TooMany {
        /// How many it may have.
        max: usize,
    },
    /// JSON of another kind.
    #[error("a pattern must be a string, {{\"exact\": \"…\"}} or {{\"urlpattern\": \"…\"}}")]
    NotAPattern,
}

impl PatternError {
    /// Stable and machine-readable.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "pattern_empty",
            Self::TooLong { .. } => "pattern_too_long",
            Self::ControlCharacter { .. } => "pattern_control_character",
            Self::TooComplex(_) => "pattern_too_complex",
            Self::InvalidTemplate(_) => "invalid_template",
            Self::InvalidUrlPattern { .. } => "invalid_url_pattern",
            Self::InvalidBaseUrl(_) => "invalid_base_url",
            Self::TooMany { .. } => "too_many_patterns",
            Self::NotAPattern => "not_a_pattern",
        }
    }
}
