//! The path below which the routes are, for proxies that do not remove it.

use std::{fmt, sync::Arc};

use sse_broadcaster::internal::Shown;

/// Longest base path.
const MAX_BYTES: usize = 128;

/// The path below which all routes are, for example `/live`; by default it is empty. Clones share the text.
///
/// ```
/// use sse_broadcaster_http::BasePath;
///
/// let base = BasePath::parse("/live")?;
/// assert_eq!(base.strip("/live/events"), Some("/events"));
/// assert_eq!(base.strip("/events"), None);
/// # Ok::<_, sse_broadcaster_http::InvalidBasePath>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(Arc<str>);

/// A text that is no base path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidBasePath(String);

impl BasePath {
    /// The base path of this text: segments that each begin with a slash, of letters, digits and `-._~`.
    ///
    /// # Errors
    /// Anything else, such as a slash at the end, an empty segment, or one that is `.` or `..`.
    pub fn parse(text: &str) -> Result<Self, InvalidBasePath> {
        let bad = |why: String| Err(InvalidBasePath(why));
        let shown = Shown(text);
        if text.len() > MAX_BYTES {
            return bad(format!("{shown} is longer than {MAX_BYTES} bytes"));
        }
        let Some(segments) = text.strip_prefix('/') else {
            return bad(format!(
                "{shown} does not begin with a slash; write a path such as /live"
            ));
        };
        if text.ends_with('/') {
            let without = text.trim_end_matches('/');
            return bad(match without {
                "" => "/ is no prefix; leave it out for routes at the root".to_owned(),
                without => format!("{shown} ends with a slash; write {}", Shown(without)),
            });
        }
        for segment in segments.split('/') {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if segment.is_empty() || matches!(segment, "." | "..") {
                return bad(format!(
                    "{shown} has the segment \"{segment}\", which clients and proxies resolve; write a path such as /live"
                ));
            }
            if !segment.bytes().all(is_allowed) {
                return bad(format!(
                    "{shown} has other characters than letters, digits and -._~; write a path such as /live"
                ));
            }
        }
        Ok(Self(text.into()))
    }

    /// The path, without a slash at its end; empty where the routes are at the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the routes are at the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What follows the base path in a path, with the slash before it. `None` if the path is not below it.
    #[must_use]
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.as_str())?;
        (self.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_the_base_path_only_with_a_slash_behind_it() {
        for (base, path, rest) in [
            ("/live", "/live/events", Some("/events")),
            ("/live", "/live/", Some("/")),
            ("/live", "/live", None),
            ("/live", "/lives/events", None),
            ("/live", "/LIVE/events", None),
            ("/live", "/events", None),
            ("/a/b.c", "/a/b.c/d", Some("/d")),
        ] {
            assert_eq!(
                BasePath::parse(base).unwrap().strip(path),
                rest,
                "{base} {path}"
            );
        }
        assert_eq!(BasePath::default().strip("/events"), Some("/events"));
        assert_eq!(BasePath::default().strip("*"), Some("*"));
    }

    #[test]
    fn what_is_no_base_path_is_rejected_with_what_would_be_right() {
        for (text, why) in [
            ("", "does not begin with a slash"),
            ("live", "does not begin with a slash"),
            ("http://host/live", "does not begin with a slash"),
            ("/", "leave it out"),
            ("//", "leave it out"),
            ("/live/", "write /live"),
            ("/a//b", "the segment \"\""),
            ("//a", "the segment \"\""),
            ("/a/../b", "the segment \"..\""),
            ("/.", "the segment \".\""),
            ("/a?b", "other characters"),
            ("/a#b", "other characters"),
            ("/a%20b", "other characters"),
            ("/a b", "other characters"),
            ("/\u{e9}", "other characters"),
            ("/a{b}", "other characters"),
            ("/a\r\nb", "other characters"),
        ] {
            let error = BasePath::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(BasePath::parse(&format!("/{}", "a".repeat(127))).is_ok());
        assert!(BasePath::parse(&format!("/{}", "a".repeat(128))).is_err());
    }
}
