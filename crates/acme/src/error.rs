//! Why there is no certificate.

use std::{fmt, io, time::Duration};

use instant_acme::{Error as Failure, Problem};

/// Most bytes of an authority's text that are shown; a `…` stands for the rest.
const MAX_SHOWN_BYTES: usize = 512;

/// Why there is no certificate, in one line.
#[derive(Debug)]
pub struct OrderError {
    why: String,
    /// How long the authority asks to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl OrderError {
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        Self {
            why: shown(&why.to_string()),
            retry_after: None,
        }
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &io::Error) -> Self {
        Self::new(format_args!("{}: {error}", path.display()))
    }

    /// How long the authority asks to wait, at most [`MAX_RETRY_AFTER`](crate::http::MAX_RETRY_AFTER).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for OrderError {}

impl From<Failure> for OrderError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Api(problem) => Self::new(described(&problem)),
            Failure::Json(error) => Self::new(format_args!(
                "the authority's response is not what RFC 8555 says: {error}"
            )),
            Failure::Timeout(_) => Self::new("the authority did not finish the order in time"),
            Failure::Other(error) => {
                let source = error.source().map(|source| format!(": {source}"));
                Self::new(format_args!("{error}{}", source.unwrap_or_default()))
            }
            other => Self::new(other),
        }
    }
}

/// An authority's problem document (RFC 8555, section 6.7).
pub(crate) fn described(problem: &Problem) -> String {
    let detail = problem.detail.as_deref().unwrap_or("without a reason");
    let mut text = detail.to_owned();
    if let Some(kind) = &problem.r#type {
        text = format!("{text} ({kind})");
    }
    for sub in problem.subproblems.iter().take(3) {
        text = format!("{text}; {sub}");
    }
    text
}

/// Text of an authority in one line of a log: control characters and what is not ASCII are escaped, so that it can
/// neither begin a line of its own nor steer a terminal.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        let before = shown.len();
        if c == ' ' || c.is_ascii_graphic() {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
        if shown.len() > MAX_SHOWN_BYTES {
            shown.truncate(before);
            shown.push('…');
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_an_authority_is_escaped_and_cut() {
        let error = OrderError::new("bad \"name\"\n\u{1b}[2Jé");
        assert_eq!(error.to_string(), "bad \"name\"\\n\\u{1b}[2J\\u{e9}");
        for c in ["x", "\0"] {
            let shown = OrderError::new(c.repeat(1 << 20)).to_string();
            assert!(shown.ends_with('…') && shown.len() <= MAX_SHOWN_BYTES + '…'.len_utf8());
        }
    }
}
