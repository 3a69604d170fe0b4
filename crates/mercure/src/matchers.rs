//! Which topics a client subscribes to.

use std::sync::Arc;

use sse_broadcaster::{
    event::{MAX_TOPICS, Selector, TopicMatcher},
    internal::Shown,
};
use sse_broadcaster_access::{
    BaseUrl, Pattern, PatternSet,
    pattern::{MAX_MATCHERS, MAX_PATTERNS, has_control_or_format, held_regexes},
};
use sse_broadcaster_http::{Refusal, select};

use crate::failure::Failure;

/// Most regular expressions that patterns hold before a client is refused that sends a pattern with one more. Anybody may
/// send patterns, and each of these takes some 60 KiB; nearly all patterns need none.
const MAX_REGEXES: usize = 1_000;

/// Most of these in one subscription: each event that is replayed is checked against all of them.
const MAX_REGEXES_OF_ONE: usize = 20;

/// How a client named what it subscribes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum MatchType {
    /// `topic` of version 0.x: exact, `*`, or a URI template.
    Selector,
    /// `match` and `match_exact` of version 1.0.
    Exact,
    /// `match_urlpattern` of version 1.0.
    UrlPattern,
}

/// One topic, or a pattern of topics.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    pub(crate) match_type: MatchType,
    pub(crate) pattern: Pattern,
}

/// Reads the matchers of a query. `topic` and `match*` may be mixed.
///
/// # Errors
/// 400 for a name that only begins as one of version 1.0 does, for a text that is no such matcher, for too many, and for
/// none.
pub(crate) fn read(
    pairs: &[(String, String)],
    base: impl FnOnce() -> Option<BaseUrl>,
) -> Result<Vec<Matcher>, Failure> {
    let mut named = Vec::new();
    for (name, value) in pairs {
        let match_type = match &name[..] {
            "topic" => MatchType::Selector,
            "match" | "match_exact" => MatchType::Exact,
            "match_urlpattern" => MatchType::UrlPattern,
            other if is_like_match(other) => return Err(unknown(other)),
            _ => continue,
        };
        if !value.is_empty() {
            named.push((match_type, value));
        }
    }
    check_number(&named)?;
    let has_url_patterns = named.iter().any(|(kind, _)| *kind == MatchType::UrlPattern);
    let base = has_url_patterns.then(base).flatten();
    let mut matchers = Vec::with_capacity(named.len());
    let mut regexes = 0;
    for (kind, text) in named {
        let matcher = matcher(kind, text, base.as_ref())?;
        regexes += usize::from(matcher.pattern.has_regex());
        if regexes > MAX_REGEXES_OF_ONE {
            return Err(too_complex(text));
        }
        matchers.push(matcher);
    }
    Ok(matchers)
}

fn too_complex(text: &str) -> Failure {
    let text = Shown(text);
    Failure::invalid(
        "pattern_too_complex",
        format!(
            "{text} is one of more than {MAX_REGEXES_OF_ONE} patterns that need a regular expression; write a slash \
             between the variables, without groups and modifiers"
        ),
    )
}

fn is_like_match(name: &str) -> bool {
    let beginning = name.get(.."match".len());
    beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case("match"))
}

fn unknown(name: &str) -> Failure {
    let name = Shown(name);
    Failure::invalid(
        "unknown_parameter",
        format!("{name} is not a parameter of a hub; write match, match_exact or match_urlpattern"),
    )
}

fn check_number(named: &[(MatchType, &String)]) -> Result<(), Failure> {
    if named.is_empty() {
        return Err(Failure::invalid(
            "topic_missing",
            "the parameter \"topic\" is missing: name what to subscribe to by topic, match, match_exact or \
             match_urlpattern",
        ));
    }
    let of_one = named
        .iter()
        .filter(|(kind, _)| *kind != MatchType::Selector)
        .count();
    let of_zero = named.len() - of_one;
    if of_one > MAX_MATCHERS || of_zero > MAX_PATTERNS {
        return Err(too_many(of_one.max(of_zero)));
    }
    Ok(())
}

fn too_many(given: usize) -> Failure {
    Failure::invalid(
        "too_many_topics",
        format!(
            "{given} topics; at most {MAX_MATCHERS} by match, match_exact and match_urlpattern and {MAX_PATTERNS} by \
             topic are allowed"
        ),
    )
}

fn matcher(match_type: MatchType, text: &str, base: Option<&BaseUrl>) -> Result<Matcher, Failure> {
    let pattern = match match_type {
        _ if text == "*" => Ok(Pattern::all()),
        MatchType::Selector => Pattern::selector(text),
        MatchType::Exact => Pattern::exact(text),
        MatchType::UrlPattern => Pattern::url_pattern(text, base),
    };
    let invalid = |why: sse_broadcaster_access::PatternError| {
        let text = Shown(text);
        Failure::invalid(
            "invalid_topic",
            format!("{text} cannot be subscribed to: {why}"),
        )
    };
    let pattern = pattern.map_err(invalid)?;
    if pattern.has_regex() && held_regexes() > MAX_REGEXES {
        return Err(too_many_regexes(text));
    }
    Ok(Matcher {
        match_type,
        pattern,
    })
}

fn too_many_regexes(text: &str) -> Failure {
    let text = Shown(text);
    let detail = format!(
        "{text} needs a regular expression, and the server holds as many as it may; write a slash between its \
         variables, without groups and modifiers, or try again later"
    );
    Refusal::unavailable("too_many_regexes", detail).into()
}

/// What the matchers ask for.
///
/// # Errors
/// 400 for more topics than a subscription may have.
pub(crate) fn selector(matchers: &[Matcher]) -> Result<Selector, Failure> {
    let patterns = matchers.iter().map(|matcher| matcher.pattern.clone());
    if matchers.len() <= MAX_TOPICS {
        return Ok(select(patterns)?);
    }
    let many = PatternSet::new(patterns).map_err(|_| too_many(matchers.len()))?;
    if many.is_all() {
        return Ok(Selector::all());
    }
    Ok(Selector::matching(Arc::new(Many(many))))
}

/// More topics and patterns than a selector has each by itself.
#[derive(Debug)]
struct Many(PatternSet);

impl TopicMatcher for Many {
    fn matches(&self, topic: &str) -> bool {
        self.0.matches(topic)
    }

    fn rules(&self) -> usize {
        self.0.iter().len()
    }
}

/// Checks a text of a client for characters that do not show.
///
/// # Errors
/// 400 with this code.
pub(crate) fn check_visible(what: &str, code: &'static str, text: &str) -> Result<(), Failure> {
    if has_control_or_format(text) {
        return Err(Failure::invalid(
            code,
            format!("{what} has control or format characters; leave them out"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matchers(query: &str) -> Result<Vec<Matcher>, Failure> {
        let pairs: Vec<_> = sse_broadcaster_http::query::lossy_pairs(query.as_bytes()).collect();
        read(&pairs, || {
            BaseUrl::parse("https://example.com/.well-known/mercure").ok()
        })
    }

    #[test]
    fn parameters_of_both_versions_may_be_mixed_and_others_are_ignored() {
        for (query, count) in [
            ("topic=a&topic=b", 2),
            ("match=a&match_exact=b&match_urlpattern=/c/:id", 3),
            ("topic=a&match=b&lastEventID=x&foo=1", 2),
            ("topic=https%3A%2F%2Fexample.com%2F%7Bid%7D", 1),
            ("topic=*", 1),
            ("match_urlpattern=*", 1),
            ("topic=&match=a", 1),
        ] {
            assert_eq!(matchers(query).unwrap().len(), count, "{query}");
        }
    }

    #[test]
    fn what_only_resembles_a_matcher_is_refused() {
        for query in [
            "",
            "topic=",
            "foo=1",
            "matches=a",
            "Match=a",
            "MATCH_EXACT=a",
            "match_foo=a",
            "match=a&match[]=b",
            "match=a%00",
            "match=a%E2%80%8B",
            "match_urlpattern=%7Bunclosed",
        ] {
            assert!(matchers(query).is_err(), "{query}");
        }
        let many = |name: &str, count| vec![format!("{name}=a"); count].join("&");
        assert!(matchers(&many("match", 100)).is_ok() && matchers(&many("match", 101)).is_err());
        assert!(
            matchers(&many("topic", 1_000)).is_ok() && matchers(&many("topic", 1_001)).is_err()
        );
        assert!(matchers(&format!("match={}", "x".repeat(4_096))).is_ok());
        assert!(matchers(&format!("match={}", "x".repeat(4_097))).is_err());
    }
}
