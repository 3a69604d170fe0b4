//! Patterns are equal if they were made from the same text in the same way, whether they share memory or not.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::{BaseUrl, Compiled, Matcher, Pattern, PatternKind};

/// By which patterns are equal, ordered and hashed.
pub(super) fn identity(pattern: &Compiled) -> (PatternKind, &str, Option<&BaseUrl>) {
    let (kind, base) = match &pattern.matcher {
        Matcher::All => (PatternKind::All, None),
        Matcher::Exact => (PatternKind::Exact, None),
        Matcher::Template(_) => (PatternKind::Template, None),
        Matcher::Covering(_) => (PatternKind::Covering, None),
        Matcher::UrlPattern(pattern) => (PatternKind::UrlPattern, pattern.base()),
    };
    (kind, &pattern.text, base)
}

impl PartialEq for Compiled {
    fn eq(&self, other: &Self) -> bool {
        identity(self) == identity(other)
    }
}

impl Eq for Compiled {}

impl Hash for Compiled {
    fn hash<H: Hasher>(&self, state: &mut H) {
        identity(self).hash(state);
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        identity(&self.0).cmp(&identity(&other.0))
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.kind(), self.text())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
