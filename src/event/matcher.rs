//! Topics selected by a rule instead of by name.

use std::{
    any::{Any, TypeId},
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::Topic;

/// Selects topics by a rule, for example a pattern of URLs. It is never asked about topics that begin with `$`.
///
/// Called under a lock, and for each event and subscriber: it should return within a microsecond, and must do so in
/// time linear in the length of the topic.
///
/// ```
/// use std::sync::Arc;
/// use sse_broadcaster::{Event, Selector, event::TopicMatcher};
///
/// /// All topics below one.
/// #[derive(Debug)]
/// struct Below(&'static str);
///
/// impl TopicMatcher for Below {
///     fn matches(&self, topic: &str) -> bool {
///         topic.strip_prefix(self.0).is_some_and(|rest| rest.starts_with('/'))
///     }
/// }
///
/// let below: Arc<dyn TopicMatcher> = Arc::new(Below("orders"));
/// let selector = Selector::any_of(["news".parse()?], [below])?;
/// assert!(selector.admits(&Event::builder("").topic("orders/42").build()?));
/// assert!(!selector.admits(&Event::builder("").topic("users/42").build()?));
/// # Ok::<_, sse_broadcaster::event::Invalid>(())
/// ```
pub trait TopicMatcher: Any + fmt::Debug + Send + Sync {
    /// Whether it selects this topic: the same at each call.
    fn matches(&self, topic: &str) -> bool;

    /// Two matchers of one type that have the same id while both exist select the same topics, and are kept and asked
    /// once. By default each is its own, and a subscriber shares one by cloning its `Arc`.
    fn id(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>().addr()
    }

    /// How many rules it consists of: reads check fewer events at once for a matcher of many.
    fn rules(&self) -> usize {
        1
    }

    /// What it selects, for operators.
    fn description(&self) -> String {
        format!("{self:?}")
    }

    /// An empty index for matchers of this kind. Without one, which is the default, a topic that was not published
    /// lately costs as much as there are different matchers.
    fn new_index(&self) -> Option<Box<dyn MatcherIndex>> {
        None
    }
}

/// Finds those of many matchers that match a topic without asking each of them.
pub trait MatcherIndex: fmt::Debug + Send + Sync {
    /// Adds a matcher under a key that no other has; false if the index is not for matchers of its kind.
    fn insert(&mut self, key: u32, matcher: &dyn TopicMatcher) -> bool;

    /// Removes the matcher that has this key, if it was added.
    fn remove(&mut self, key: u32);

    /// Calls `found` once with the key of each matcher that matches this topic, in any order.
    fn find(&self, topic: &str, found: &mut dyn FnMut(u32));
}

/// A matcher, which is equal to others of the same type and id.
#[derive(Debug, Clone)]
pub(crate) struct Matcher(Arc<dyn TopicMatcher>);

impl Matcher {
    pub(crate) fn get(&self) -> &dyn TopicMatcher {
        &*self.0
    }

    fn identity(&self) -> (TypeId, usize) {
        let matcher: &dyn Any = self.get();
        (matcher.type_id(), self.0.id())
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Matcher {}

impl Hash for Matcher {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// Topics and matchers, of which any may select.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Matching {
    /// Sorted, without repeats.
    topics: Box<[Topic]>,
    /// In the order of their identity, without repeats, at least one.
    matchers: Box<[Matcher]>,
}

impl Matching {
    pub(super) fn new(topics: Box<[Topic]>, matchers: Vec<Arc<dyn TopicMatcher>>) -> Self {
        let mut matchers: Vec<_> = matchers.into_iter().map(Matcher).collect();
        matchers.sort_by_key(Matcher::identity);
        matchers.dedup();
        Self {
            topics,
            matchers: matchers.into(),
        }
    }

    /// The topics that are selected by name, sorted and without repeats.
    #[must_use]
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// The matchers, at least one, in no particular order and without repeats.
    pub fn matchers(&self) -> impl Iterator<Item = &dyn TopicMatcher> {
        self.matchers.iter().map(Matcher::get)
    }

    /// The same, to be compared and kept.
    pub(crate) fn handles(&self) -> &[Matcher] {
        &self.matchers
    }

    /// How many rules all matchers have together, at least one.
    #[must_use]
    pub fn rules(&self) -> usize {
        let rules: usize = self.matchers().map(TopicMatcher::rules).sum();
        rules.max(1)
    }

    /// Whether it selects this topic.
    #[must_use]
    pub fn selects(&self, topic: &str) -> bool {
        let is_named = || self.topics.iter().any(|one| one.as_str() == topic);
        let is_matched = || {
            !Topic::is_internal_name(topic) && self.matchers().any(|matcher| matcher.matches(topic))
        };
        is_named() || is_matched()
    }
}
