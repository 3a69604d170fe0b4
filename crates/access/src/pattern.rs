//! Patterns of topics.
//!
//! | pattern | matches |
//! |---|---|
//! | `*` | every topic |
//! | a text | the topic that is equal to it, byte for byte |
//! | a URI template (RFC 6570), `https://example.com/books/{id}` | its expansions, and the text itself |
//! | a URL pattern (WHATWG), `/books/:id` | URLs, read relative to a base URL |
//!
//! A template or URL pattern is compiled once for as long as anybody holds it, however many use it. Matching
//! takes time linear in the length of the topic, whatever the pattern.
//!
//! ```
//! use sse_broadcaster_access::pattern::{BaseUrl, Pattern, PatternSet};
//!
//! let template = Pattern::selector("https://example.com/users/{id}/notes")?;
//! assert!(template.matches("https://example.com/users/17/notes"));
//! assert!(!template.matches("https://example.com/users/17/8/notes"));
//!
//! let base = BaseUrl::parse("https://hub.example.com/")?;
//! let books = Pattern::url_pattern("/books/:id", Some(&base))?;
//! assert!(books.matches("https://hub.example.com/books/1"));
//! assert!(books.matches("/books/1"));
//! assert!(!books.matches("/books/1/reviews"));
//!
//! let set = PatternSet::new([template, books, Pattern::selector("prices")?])?;
//! assert!(set.matches("prices"));
//! assert!(!set.matches("price"));
//! # Ok::<_, sse_broadcaster_access::PatternError>(())
//! ```

use std::sync::Arc;

use serde_json::{Value, json};

use crate::intern::Interner;

mod affixes;
mod counted;
mod error;
#[cfg(test)]
mod expansion_tests;
mod identity;
mod index;
mod memo;
#[cfg(test)]
mod pattern_tests;
mod recent;
mod set;
mod template;
#[cfg(test)]
mod template_tests;
mod text;
mod url;

pub use counted::held_regexes;
pub use error::PatternError;
pub use index::{PatternIndex, Slot};
pub use set::PatternSet;
pub use text::has_control_or_format;
pub use url::BaseUrl;

use identity::identity;
use template::Template;
use url::UrlPattern;

/// Longest text of a pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4_096;
/// Longest topic that a template or URL pattern can match, in bytes. Longer ones match only `*` and themselves.
pub const MAX_MATCHED_TOPIC_BYTES: usize = 4_096;
/// Largest compiled template, in bytes. This bounds the time, too, that compiling takes: some 2 ms. Nearly all templates
/// compile to no regular expression, in less than a microsecond.
pub const MAX_TEMPLATE_BYTES: usize = 256 << 10;
/// Largest compiled component of a URL pattern, of which there are eight; each takes less than a millisecond.
pub const MAX_COMPONENT_BYTES: usize = 64 << 10;
/// Most patterns in one set.
pub const MAX_PATTERNS: usize = 1_000;
/// Most matchers in one subscription, and most topics in one token, of Mercure 1.0.
pub const MAX_MATCHERS: usize = 100;
/// Most variables in one URI template.
pub const MAX_VARIABLES: usize = 32;

/// Which topics: one pattern. Cloning copies a pointer; equal templates and URL patterns share one compilation.
#[derive(Clone)]
pub struct Pattern(Arc<Compiled>);

/// What a [`Pattern`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatternKind {
    /// `*`: every topic.
    All,
    /// One topic.
    Exact,
    /// The expansions of a URI template, and its text.
    Template,
    /// The literal parts of a URI template, with any text in place of its variables.
    Covering,
    /// URLs.
    UrlPattern,
}

struct Compiled {
    text: Box<str>,
    matcher: Matcher,
}

enum Matcher {
    All,
    Exact,
    Template(Box<Template>),
    Covering(Box<Template>),
    UrlPattern(Box<UrlPattern>),
}

static COMPILED: Interner<Compiled> = Interner::new();

impl Pattern {
    /// `*`, which matches every topic.
    #[must_use]
    pub fn all() -> Self {
        Self::uncompiled("*", Matcher::All)
    }

    /// The topic that is equal to `text`, even if that is `*` or has braces.
    ///
    /// # Errors
    /// An empty or too long text, or one with control or format characters.
    pub fn exact(text: &str) -> Result<Self, PatternError> {
        text::check(text)?;
        Ok(Self::uncompiled(text, Matcher::Exact))
    }

    /// `*`; or, if `text` is a URI template with at least one `{`, its expansions; or the topic equal to
    /// `text`. An invalid template is just a text.
    ///
    /// # Errors
    /// An empty or too long text, one with control or format characters, or a template that compiles to more
    /// than [`MAX_TEMPLATE_BYTES`] or has more than [`MAX_VARIABLES`].
    pub fn selector(text: &str) -> Result<Self, PatternError> {
        text::check(text)?;
        if text == "*" {
            return Ok(Self::all());
        }
        if !text.contains('{') {
            return Ok(Self::uncompiled(text, Matcher::Exact));
        }
        if let Some(known) = Self::known(PatternKind::Template, text, None) {
            return Ok(known);
        }
        Ok(match Template::compile(text)? {
            Some(template) => Self::compiled(text, Matcher::Template(Box::new(template))),
            None => Self::uncompiled(text, Matcher::Exact),
        })
    }

    /// The pattern for what needs protection: of a template, any text stands in place of each variable. A grant by a
    /// template covers what the template can expand to and nothing else, but a topic that only resembles an expansion,
    /// such as `users/a b` for `users/{id}`, must not be without protection. Other patterns stay as they are.
    ///
    /// # Errors
    /// A template that compiles to more than [`MAX_TEMPLATE_BYTES`].
    pub fn covering(&self) -> Result<Self, PatternError> {
        let template = match self.kind() {
            PatternKind::Template => Template::compile_covering(self.text())?,
            _ => None,
        };
        Ok(template.map_or_else(
            || self.clone(),
            |template| Self::compiled(self.text(), Matcher::Covering(Box::new(template))),
        ))
    }

    /// A WHATWG URL pattern, case-sensitive. A relative one, and topics that are relative URLs, are read
    /// against `base`; without it both must be absolute. `*` matches every topic, URL or not.
    ///
    /// # Errors
    /// An empty or too long text, one with control or format characters, one that is no URL pattern, one that
    /// is relative without a base, or one that compiles to more than [`MAX_COMPONENT_BYTES`] in a component.
    pub fn url_pattern(text: &str, base: Option<&BaseUrl>) -> Result<Self, PatternError> {
        text::check(text)?;
        if text == "*" {
            return Ok(Self::all());
        }
        if let Some(known) = Self::known(PatternKind::UrlPattern, text, base) {
            return Ok(known);
        }
        let pattern = UrlPattern::compile(text, base)?;
        Ok(Self::compiled(text, Matcher::UrlPattern(Box::new(pattern))))
    }

    /// The same for a text that is written for this server. One with braces that is no template is a mistake: as the
    /// text of a topic it would match none, and protect or revoke nothing.
    ///
    /// # Errors
    /// [`PatternError::InvalidTemplate`] for such a text, and as [`selector`](Self::selector).
    pub fn strict_selector(text: &str) -> Result<Self, PatternError> {
        let pattern = Self::selector(text)?;
        if pattern.kind() == PatternKind::Exact && has_brace(text) {
            return Err(PatternError::InvalidTemplate(text.to_owned()));
        }
        Ok(pattern)
    }

    /// From JSON as in our own claim: a string, as [`strict_selector`](Self::strict_selector) reads it; or an object
    /// with the one member `exact` or `urlpattern`.
    ///
    /// # Errors
    /// [`PatternError::NotAPattern`] for anything else, and as the constructors.
    pub fn from_json(value: &Value, base: Option<&BaseUrl>) -> Result<Self, PatternError> {
        let member = match value {
            Value::String(text) => return Self::strict_selector(text),
            Value::Object(object) if object.len() == 1 => object.iter().next(),
            _ => None,
        };
        match member.map(|(name, text)| (name.as_str(), text)) {
            Some(("exact", Value::String(text))) => Self::exact(text),
            Some(("urlpattern", Value::String(text))) => Self::url_pattern(text, base),
            _ => Err(PatternError::NotAPattern),
        }
    }

    /// As [`from_json`](Self::from_json) reads it, given the same base.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self.kind() {
            PatternKind::Exact if *self.0.text == *"*" || has_brace(&self.0.text) => {
                json!({ "exact": self.text() })
            }
            PatternKind::UrlPattern => json!({ "urlpattern": self.text() }),
            _ => json!(self.text()),
        }
    }

    /// Whether it matches the topic.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match &self.0.matcher {
            Matcher::All => true,
            Matcher::Exact => *self.0.text == *topic,
            Matcher::Template(template) | Matcher::Covering(template) => {
                *self.0.text == *topic || is_short(topic) && template.matches(topic)
            }
            Matcher::UrlPattern(pattern) => is_short(topic) && pattern.matches(topic),
        }
    }

    fn matches_url(&self, url: &url::TopicUrl) -> bool {
        match &self.0.matcher {
            Matcher::UrlPattern(pattern) => pattern.matches_url(url),
            _ => false,
        }
    }

    /// A text that each topic which a template matches begins with; `None` for other patterns.
    pub(crate) fn literal_prefix(&self) -> Option<&[u8]> {
        match &self.0.matcher {
            Matcher::Template(template) | Matcher::Covering(template) => Some(template.affixes().0),
            _ => None,
        }
    }

    /// Where it is kept in memory: the same for equal templates and URL patterns that are held at the same time, and
    /// for clones of other patterns.
    #[must_use]
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Whether it needs a regular expression, of which each takes some 60 KiB; see [`held_regexes`].
    #[must_use]
    pub fn has_regex(&self) -> bool {
        match &self.0.matcher {
            Matcher::Template(template) | Matcher::Covering(template) => template.has_regex(),
            Matcher::UrlPattern(pattern) => pattern.has_regex(),
            Matcher::All | Matcher::Exact => false,
        }
    }

    /// The text that it was made from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> PatternKind {
        match &self.0.matcher {
            Matcher::All => PatternKind::All,
            Matcher::Exact => PatternKind::Exact,
            Matcher::Template(_) => PatternKind::Template,
            Matcher::Covering(_) => PatternKind::Covering,
            Matcher::UrlPattern(_) => PatternKind::UrlPattern,
        }
    }

    /// The base of a URL pattern.
    #[must_use]
    pub fn base(&self) -> Option<&BaseUrl> {
        match &self.0.matcher {
            Matcher::UrlPattern(pattern) => pattern.base(),
            _ => None,
        }
    }

    /// The one that is held already.
    fn known(kind: PatternKind, text: &str, base: Option<&BaseUrl>) -> Option<Self> {
        let is_it = |held: &Compiled| identity(held) == (kind, text, base);
        COMPILED.find(&(kind, text, base), is_it).map(Self)
    }

    fn compiled(text: &str, matcher: Matcher) -> Self {
        let text = text.into();
        Self(COMPILED.intern(Compiled { text, matcher }))
    }

    fn uncompiled(text: &str, matcher: Matcher) -> Self {
        let text = text.into();
        Self(Arc::new(Compiled { text, matcher }))
    }
}

fn has_brace(text: &str) -> bool {
    text.contains(['{', '}'])
}

fn is_short(topic: &str) -> bool {
    topic.len() <= MAX_MATCHED_TOPIC_BYTES
}
