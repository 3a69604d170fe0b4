//! WHATWG URL patterns, on the crate `urlpattern`, with a bound on what they compile to.

use std::{
    fmt,
    hash::{Hash, Hasher},
    panic,
    sync::{Arc, OnceLock},
};

use url::Url;
use urlpattern::{
    UrlPatternInit, UrlPatternOptions,
    matcher::{InnerMatcher, Matcher},
    regexp::RegExp,
};

use super::{MAX_COMPONENT_BYTES, PatternError, counted::CountedRegex};

/// What relative URL patterns and topics are relative to, for example the URL of the server.
#[derive(Clone)]
pub struct BaseUrl(Arc<Url>);

impl BaseUrl {
    /// An absolute URL.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let url = Url::parse(text).ok().filter(|url| !url.cannot_be_a_base());
        url.map(|url| Self(Arc::new(url)))
            .ok_or_else(|| PatternError::InvalidBaseUrl(text.to_owned()))
    }

    /// The URL, normalized.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for BaseUrl {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for BaseUrl {}

impl Hash for BaseUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Ord for BaseUrl {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for BaseUrl {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({:?})", self.as_str())
    }
}

/// The regular expression of a component. It tells whether it matches, not what its groups hold.
#[derive(Debug)]
struct Bounded {
    text: String,
    /// Set once the component is known to need it, or here if it may be invalid: of most components it is not. `None`
    /// if it does not compile.
    compiled: OnceLock<Option<Compiled>>,
}

#[derive(Debug)]
enum Compiled {
    Steps(Steps),
    Regex(CountedRegex),
}

impl Bounded {
    fn compile(text: &str) -> Option<Compiled> {
        if let Some(steps) = Steps::of(text) {
            return Some(Compiled::Steps(steps));
        }
        let regex = CountedRegex::compile(text, MAX_COMPONENT_BYTES, MAX_COMPONENT_BYTES);
        regex.ok().map(Compiled::Regex)
    }

    /// Compiles it, and returns whether that succeeded. Called when a pattern is received, so that matching a topic
    /// compiles nothing.
    fn prepare(&self) -> bool {
        let compiled = self.compiled.get_or_init(|| Self::compile(&self.text));
        compiled.is_some()
    }

    fn compiled(&self) -> Option<&Compiled> {
        self.compiled.get()?.as_ref()
    }
}

impl RegExp for Bounded {
    fn syntax() -> urlpattern::RegexSyntax {
        urlpattern::RegexSyntax::Rust
    }

    fn parse(text: &str, _flags: &str, _force_eval: bool) -> Result<Self, ()> {
        // What `*` and `:name` become. What the pattern's author wrote as such is in parentheses, too.
        let others = text.replace("(.*)", "").replace("([^/]+?)", "");
        let compiled = if others.contains('(') {
            OnceLock::from(Some(Self::compile(text).ok_or(())?))
        } else {
            OnceLock::new()
        };
        let text = text.to_owned();
        Ok(Self { text, compiled })
    }

    fn matches<'a>(&self, text: &'a str) -> Option<Vec<Option<&'a str>>> {
        let matches = match self.compiled()? {
            Compiled::Steps(steps) => steps.matches(text),
            Compiled::Regex(regex) => regex.is_match(text),
        };
        matches.then(Vec::new)
    }

    fn pattern_string(&self) -> &str {
        &self.text
    }
}

mod steps;
mod topic;

use steps::Steps;
pub(super) use topic::TopicUrl;

#[derive(Debug, Clone, Copy)]
enum Component {
    Pathname,
    Hostname,
    Protocol,
    Port,
    Search,
    Hash,
    Username,
    Password,
}

/// A compiled URL pattern.
pub(super) struct UrlPattern {
    base: Option<BaseUrl>,
    /// Those that do not match everything, the most selective ones first.
    components: Box<[(Component, Matcher<Bounded>)]>,
    /// With what the [key](TopicUrl::key) of each URL that matches begins and ends.
    affixes: (Box<[u8]>, Box<[u8]>),
}

/// The parser counts the brackets of IPv6 addresses, and does not expect these. One behind a backslash stands for itself.
fn has_stray_bracket(text: &str) -> bool {
    let (mut open, mut is_escaped) = (0_usize, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'[' => open += 1,
            b']' if open == 0 => return true,
            b']' => open -= 1,
            _ => {}
        }
    }
    false
}

impl UrlPattern {
    /// A panic of the parser counts as a pattern that is not valid: anybody may send one, and the thread serves others.
    pub(super) fn compile(text: &str, base: Option<&BaseUrl>) -> Result<Self, PatternError> {
        let why = |why: &str| PatternError::InvalidUrlPattern {
            text: text.to_owned(),
            why: why.to_owned(),
        };
        if has_stray_bracket(text) {
            return Err(why("there is a ] without a [ before it"));
        }
        let compiled = panic::catch_unwind(|| Self::try_compile(text, base));
        compiled.unwrap_or_else(|_| Err(why("it cannot be parsed")))
    }

    fn try_compile(text: &str, base: Option<&BaseUrl>) -> Result<Self, PatternError> {
        let invalid = |why: urlpattern::Error| match why {
            urlpattern::Error::RegExp(()) => PatternError::InvalidUrlPattern {
                text: text.to_owned(),
                why: "a regular expression in it is invalid, or compiles to too much".to_owned(),
            },
            why => PatternError::InvalidUrlPattern {
                text: text.to_owned(),
                why: why.to_string(),
            },
        };
        let base_url = base.map(|base| (*base.0).clone());
        let init =
            UrlPatternInit::parse_constructor_string::<Bounded>(text, base_url).map_err(invalid)?;
        let parsed = urlpattern::UrlPattern::<Bounded>::parse(init, UrlPatternOptions::default())
            .map_err(invalid)?;
        let prefix = key_prefix(
            &parsed.protocol.matcher,
            &parsed.hostname.matcher,
            &parsed.pathname.matcher,
        );
        let suffix = parsed.pathname.matcher.suffix.as_bytes().into();
        let mut components = vec![
            (Component::Pathname, parsed.pathname.matcher),
            (Component::Hostname, parsed.hostname.matcher),
            (Component::Protocol, parsed.protocol.matcher),
            (Component::Port, parsed.port.matcher),
            (Component::Search, parsed.search.matcher),
            (Component::Hash, parsed.hash.matcher),
            (Component::Username, parsed.username.matcher),
            (Component::Password, parsed.password.matcher),
        ];
        components.retain(|(_, matcher)| !matches_all(matcher));
        if !components.iter().all(|(_, matcher)| prepare(matcher)) {
            return Err(invalid(urlpattern::Error::RegExp(())));
        }
        Ok(Self {
            base: base.cloned(),
            components: components.into(),
            affixes: (prefix.into(), suffix),
        })
    }

    pub(super) fn has_regex(&self) -> bool {
        let is_regex = |matcher: &Matcher<Bounded>| match &matcher.inner {
            InnerMatcher::RegExp { regexp } => {
                let compiled = regexp.as_ref().ok().and_then(Bounded::compiled);
                matches!(compiled, Some(Compiled::Regex(_)))
            }
            _ => false,
        };
        self.components.iter().any(|(_, matcher)| is_regex(matcher))
    }

    pub(super) fn base(&self) -> Option<&BaseUrl> {
        self.base.as_ref()
    }

    pub(super) fn affixes(&self) -> (&[u8], &[u8]) {
        (&self.affixes.0, &self.affixes.1)
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        TopicUrl::with(self.base.as_ref(), topic, |url| {
            url.is_some_and(|url| self.matches_url(url))
        })
    }

    pub(super) fn matches_url(&self, url: &TopicUrl) -> bool {
        let matches = |(component, matcher): &(Component, Matcher<Bounded>)| {
            component_matches(matcher, url.component(*component))
        };
        self.components.iter().all(matches)
    }
}

/// As [`Matcher::matches`], but without a list of what its groups hold.
fn component_matches(matcher: &Matcher<Bounded>, input: &str) -> bool {
    let between = input.strip_prefix(&*matcher.prefix);
    let between = between.and_then(|rest| rest.strip_suffix(&*matcher.suffix));
    between.is_some_and(|between| match &matcher.inner {
        InnerMatcher::Literal { literal } => between == literal,
        InnerMatcher::SingleCapture {
            filter,
            allow_empty,
        } => {
            (*allow_empty || !between.is_empty())
                && filter.is_none_or(|filter| !between.contains(filter))
        }
        InnerMatcher::RegExp { regexp } => {
            let regexp = regexp.as_ref();
            regexp.is_ok_and(|regexp| regexp.matches(between).is_some())
        }
    })
}

fn prepare(matcher: &Matcher<Bounded>) -> bool {
    match &matcher.inner {
        InnerMatcher::RegExp { regexp } => regexp.as_ref().is_ok_and(Bounded::prepare),
        _ => true,
    }
}

fn matches_all(matcher: &Matcher<Bounded>) -> bool {
    let is_bare = matcher.prefix.is_empty() && matcher.suffix.is_empty();
    let is_any = matches!(
        matcher.inner,
        InnerMatcher::SingleCapture {
            filter: None,
            allow_empty: true
        }
    );
    is_bare && is_any
}

fn key_prefix(
    protocol: &Matcher<Bounded>,
    hostname: &Matcher<Bounded>,
    pathname: &Matcher<Bounded>,
) -> Vec<u8> {
    let mut key = Vec::new();
    for (matcher, end) in [(protocol, "\0"), (hostname, "\0"), (pathname, "")] {
        if let InnerMatcher::Literal { literal } = &matcher.inner {
            key.extend_from_slice(literal.as_bytes());
            key.extend_from_slice(end.as_bytes());
        } else {
            key.extend_from_slice(matcher.prefix.as_bytes());
            break;
        }
    }
    key
}
