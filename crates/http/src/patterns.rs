//! Subscriptions by patterns of topics.

use std::{any::Any, cell::RefCell, collections::HashMap, sync::Arc};

use sse_broadcaster::{
    Selector, Topic,
    event::{Invalid, MatcherIndex, TopicMatcher},
};
use sse_broadcaster_access::{
    Pattern,
    pattern::{PatternIndex, PatternKind, Slot},
};

/// A selector of the topics that any of these patterns matches. `*` matches all but those that begin with `$`, and of
/// these an exact pattern alone matches one. A broadcaster keeps and asks equal patterns once, however many subscribe
/// by them. Without a pattern it is the topic `default`.
///
/// ```
/// use sse_broadcaster::Event;
/// use sse_broadcaster_access::{Pattern, PatternError};
/// use sse_broadcaster_http::select;
///
/// let patterns = ["news", "orders/{id}"].map(Pattern::selector);
/// let selector = select(patterns.into_iter().collect::<Result<Vec<_>, PatternError>>()?)?;
/// assert!(selector.admits(&Event::builder("").topic("orders/42").build()?));
/// assert!(!selector.admits(&Event::builder("").topic("orders").build()?));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `too_many_topics` for more patterns beside `*` than [`MAX_TOPICS`](sse_broadcaster::event::MAX_TOPICS).
pub fn select(patterns: impl IntoIterator<Item = Pattern>) -> Result<Selector, Invalid> {
    let mut topics = Vec::new();
    let mut matchers: Vec<Arc<dyn TopicMatcher>> = Vec::new();
    let mut is_all = false;
    for pattern in patterns {
        match (pattern.kind(), Topic::uri(pattern.text())) {
            (PatternKind::All, _) => is_all = true,
            (PatternKind::Exact, Ok(topic)) => topics.push(topic),
            _ => matchers.push(Arc::new(PatternMatcher(pattern))),
        }
    }
    let selector = Selector::any_of(topics, matchers)?;
    Ok(if is_all { Selector::all() } else { selector })
}

#[derive(Debug)]
struct PatternMatcher(Pattern);

thread_local! {
    static LAST: RefCell<Last> = RefCell::default();
}

/// What a thread found last: an event goes to all subscribers by one pattern in a row.
#[derive(Default)]
struct Last {
    pattern: Option<Pattern>,
    topic: String,
    matches: bool,
}

impl Last {
    fn matches(&mut self, pattern: &Pattern, topic: &str) -> bool {
        let is_same = |last: &Pattern| last.address() == pattern.address();
        if self.topic != topic || !self.pattern.as_ref().is_some_and(is_same) {
            self.matches = pattern.matches(topic);
            self.pattern = Some(pattern.clone());
            topic.clone_into(&mut self.topic);
        }
        self.matches
    }
}

impl TopicMatcher for PatternMatcher {
    fn matches(&self, topic: &str) -> bool {
        LAST.with_borrow_mut(|last| last.matches(&self.0, topic))
    }

    fn id(&self) -> usize {
        self.0.address()
    }

    fn new_index(&self) -> Option<Box<dyn MatcherIndex>> {
        Some(Box::<Patterns>::default())
    }

    fn description(&self) -> String {
        self.0.text().to_owned()
    }
}

/// Patterns by what topics begin and end with.
#[derive(Debug, Default)]
struct Patterns {
    index: PatternIndex<u32>,
    slots: HashMap<u32, Slot>,
}

impl MatcherIndex for Patterns {
    fn insert(&mut self, key: u32, matcher: &dyn TopicMatcher) -> bool {
        let matcher: &dyn Any = matcher;
        let Some(PatternMatcher(pattern)) = matcher.downcast_ref() else {
            return false;
        };
        let slot = self.index.insert(pattern.clone(), key);
        self.slots.insert(key, slot);
        true
    }

    fn remove(&mut self, key: u32) {
        if let Some(slot) = self.slots.remove(&key) {
            self.index.remove(slot);
        }
    }

    fn find(&self, topic: &str, found: &mut dyn FnMut(u32)) {
        self.index.for_each_match(topic, |key| found(*key));
    }
}

#[cfg(test)]
mod tests {
    use sse_broadcaster::{Event, event::MAX_TOPICS};
    use sse_broadcaster_access::BaseUrl;

    use super::*;

    fn selector(text: &str) -> Pattern {
        Pattern::selector(text).unwrap()
    }

    fn admits(selector: &Selector, topic: &str) -> bool {
        let event = Event::builder("").topic(topic);
        let event = if topic.starts_with('$') {
            event.build_internal()
        } else {
            event.build()
        };
        selector.admits(&event.unwrap())
    }

    #[test]
    fn a_selector_admits_what_any_of_its_patterns_matches() {
        let base = BaseUrl::parse("https://hub.example.com/").unwrap();
        let books = Pattern::url_pattern("/books/:id", Some(&base)).unwrap();
        let selected = select([selector("news"), selector("users/{id}"), books]).unwrap();
        for topic in [
            "news",
            "users/1",
            "/books/1",
            "https://hub.example.com/books/1",
        ] {
            assert!(admits(&selected, topic), "{topic}");
        }
        for topic in ["users/1/2", "/books", "https://example.com/books/1", "new"] {
            assert!(!admits(&selected, topic), "{topic}");
        }
    }

    #[test]
    fn no_pattern_but_an_exact_one_matches_an_internal_topic() {
        for pattern in ["*", "{+all}", "$signal/{name}"] {
            let selected = select([selector(pattern), selector("a{b}")]).unwrap();
            assert!(!admits(&selected, "$signal/x"), "{pattern}");
        }
        let named = select([selector("$signal/x"), selector("a{b}")]).unwrap();
        assert!(admits(&named, "$signal/x"));
    }

    #[test]
    fn selectors_of_equal_patterns_are_equal() {
        let of = |texts: &[&str]| select(texts.iter().map(|text| selector(text))).unwrap();
        assert_eq!(
            of(&["a{b}", "c", "d{e}"]),
            of(&["d{e}", "c", "a{b}", "c", "d{e}"])
        );
        assert_ne!(of(&["a{b}"]), of(&["a{c}"]));
        assert_eq!(of(&["*", "a{b}"]), Selector::all());
        assert_eq!(of(&["c"]), Selector::topics(&["c"]).unwrap());
    }

    #[test]
    fn patterns_of_both_kinds_count_against_one_limit() {
        let of = |count: usize| {
            let texts = (0..count).map(|n| format!("{n}{}", ["", "{a}"][n % 2]));
            select(texts.map(|text| selector(&text)))
        };
        assert!(of(MAX_TOPICS).is_ok());
        assert_eq!(of(MAX_TOPICS + 1).unwrap_err().code(), "too_many_topics");
    }

    #[test]
    fn an_index_finds_the_patterns_that_it_holds() {
        let matcher = |text: &str| PatternMatcher(selector(text));
        let mut index = matcher("a{b}").new_index().unwrap();
        for (key, text) in [(1, "a{b}"), (2, "{+all}"), (3, "b{c}")] {
            assert!(index.insert(key, &matcher(text)));
        }
        let found = |index: &dyn MatcherIndex, topic: &str| {
            let mut found = Vec::new();
            index.find(topic, &mut |key| found.push(key));
            found.sort_unstable();
            found
        };
        assert_eq!(found(&*index, "ax"), [1, 2]);
        index.remove(1);
        assert_eq!(found(&*index, "ax"), [2]);
        assert_eq!(found(&*index, "bx"), [2, 3]);
    }
}
