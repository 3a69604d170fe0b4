//! Which events a subscription gets.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Instant,
};

use super::{
    Event, Fields, Invalid, MAX_TOPICS, Matching, ReadAccess, Topic, TopicMatcher,
    access::Access,
    topics::{parse_topics, too_many_topics},
};

/// Which events one subscription gets: those that [`Selector::admits`], in replay and live alike.
///
/// # Examples
/// ```
/// use sse_broadcaster::{Event, Selector};
///
/// let selector = Selector::topics(&["orders", "prices"])?;
/// assert!(selector.admits(&Event::builder("").topic("orders").build()?));
/// assert!(!selector.admits(&Event::builder("").topic("users").build()?));
///
/// let private = Event::builder("").topic("orders").private().build()?;
/// assert!(!selector.admits(&private));
/// assert!(selector.with_private().admits(&private));
/// # Ok::<_, sse_broadcaster::event::Invalid>(())
/// ```
///
/// # Equality
/// Selectors are equal if they admit the same events, whatever their [deadlines](Self::until): what subscribers with
/// equal selectors are due is put together once.
#[derive(Debug, Clone)]
pub struct Selector {
    topics: SelectedTopics,
    access: Access,
    deadline: Option<Instant>,
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.topics == other.topics && self.access == other.access
    }
}

impl Eq for Selector {}

impl Hash for Selector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.topics.hash(state);
        self.access.hash(state);
    }
}

/// The topics that a subscription asks for. A history that does not know a variant reads all events, and asks
/// [`Selector::admits`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SelectedTopics {
    /// Every topic but those that begin with `$`.
    All,
    /// Sorted, without repeats, at least one.
    Topics(Box<[Topic]>),
    /// What matchers select, beside topics.
    Matching(Arc<Matching>),
    /// Every topic, also those that begin with `$`: for reads by the broadcaster itself.
    Every,
}

impl Selector {
    /// All topics but those that begin with `$`, as `?topic=*`.
    #[must_use]
    pub fn all() -> Self {
        Self::of(SelectedTopics::All)
    }

    /// These topics. `*` among them stands for all, and no topic for [`DEFAULT_TOPIC`](super::DEFAULT_TOPIC).
    ///
    /// # Errors
    /// See [`Topic::new`]; `too_many_topics` past [`MAX_TOPICS`](super::MAX_TOPICS).
    pub fn topics<S: AsRef<str>>(texts: &[S]) -> Result<Self, Invalid> {
        if texts.iter().any(|t| t.as_ref() == "*") {
            return Ok(Self::all());
        }
        let mut topics = parse_topics(texts, Topic::new)?;
        if topics.is_empty() {
            topics.push(Topic::default());
        }
        topics.sort();
        Ok(Self::of(SelectedTopics::Topics(topics.into_boxed_slice())))
    }

    /// What this matcher selects, but topics that begin with `$`. Subscribers should share one, or matchers with one
    /// [id](TopicMatcher::id).
    #[must_use]
    pub fn matching(matcher: Arc<dyn TopicMatcher>) -> Self {
        Self::of_matching(Box::default(), vec![matcher])
    }

    /// What any of these topics and matchers selects. Without any it is [`DEFAULT_TOPIC`](super::DEFAULT_TOPIC).
    ///
    /// # Errors
    /// `too_many_topics` if topics and matchers are more than [`MAX_TOPICS`](super::MAX_TOPICS) together.
    pub fn any_of(
        topics: impl IntoIterator<Item = Topic>,
        matchers: impl IntoIterator<Item = Arc<dyn TopicMatcher>>,
    ) -> Result<Self, Invalid> {
        let mut topics: Vec<_> = topics.into_iter().collect();
        let matchers: Vec<_> = matchers.into_iter().collect();
        let count = topics.len() + matchers.len();
        if count > MAX_TOPICS {
            return Err(too_many_topics(count));
        }
        if count == 0 {
            topics.push(Topic::default());
        }
        topics.sort();
        topics.dedup();
        let topics = topics.into_boxed_slice();
        Ok(if matchers.is_empty() {
            Self::of(SelectedTopics::Topics(topics))
        } else {
            Self::of_matching(topics, matchers)
        })
    }

    /// Every event there is.
    pub(crate) fn every_event() -> Self {
        Self::of(SelectedTopics::Every).with_private()
    }

    fn of_matching(topics: Box<[Topic]>, matchers: Vec<Arc<dyn TopicMatcher>>) -> Self {
        let matching = Matching::new(topics, matchers);
        Self::of(SelectedTopics::Matching(Arc::new(matching)))
    }

    fn of(topics: SelectedTopics) -> Self {
        Self {
            topics,
            access: Access::Public,
            deadline: None,
        }
    }

    /// Admits private events of these topics, too.
    #[must_use]
    pub fn with_private(mut self) -> Self {
        self.access = Access::Everything;
        self
    }

    /// Admits what this access grants. Subscribers of the same access should share one, so that what they are due
    /// is put together once for all of them.
    #[must_use]
    pub fn with_access(mut self, access: Arc<dyn ReadAccess>) -> Self {
        self.access = Access::By(access);
        self
    }

    /// Ends the grant at this time, and the stream at this time at the latest: each at a time of its own within the
    /// last fifth of its grant, and within the last 10 s, so that clients whose grants end together come back one
    /// after the other. [`Notice::Expiring`](crate::sse::Notice::Expiring) is sent 30 s before. The stream is then
    /// cut.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Whether the other is equal, and its grant ends at the same time.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self == other && self.deadline == other.deadline
    }

    /// The topics that are requested.
    #[must_use]
    pub fn selected(&self) -> &SelectedTopics {
        &self.topics
    }

    /// Whether some private events may be admitted.
    pub(crate) fn admits_private(&self) -> bool {
        !matches!(self.access, Access::Public)
    }

    /// Whether every event of the topics is admitted.
    pub(crate) fn admits_everything(&self) -> bool {
        matches!(self.access, Access::Everything)
    }

    /// Whether events are admitted one by one.
    pub(crate) fn admits_by_grants(&self) -> bool {
        matches!(self.access, Access::By(_))
    }

    /// When the grant ends, if it does.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn is_revoked(&self) -> bool {
        matches!(&self.access, Access::By(access) if access.is_revoked())
    }

    /// Whether this subscription gets this event.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        self.selects(event_topics(event)) && self.may_read(event)
    }

    /// The same of an event's fields.
    #[must_use]
    pub fn admits_fields(&self, fields: &Fields<'_>) -> bool {
        let topics = || fields.topics.iter().copied();
        self.selects(topics()) && self.may_read_topics(topics, fields.private)
    }

    /// Whether the subscriber may read this event, which it need not have asked for.
    #[must_use]
    pub fn may_read(&self, event: &Event) -> bool {
        self.may_read_topics(|| event_topics(event), event.is_private())
    }

    /// Whether it was asked for events of this topic, which the subscriber may read or not.
    #[must_use]
    pub fn selects_topic(&self, topic: &str) -> bool {
        self.selects(std::iter::once(topic))
    }

    fn selects<'a>(&self, mut topics: impl Iterator<Item = &'a str>) -> bool {
        match &self.topics {
            SelectedTopics::All => topics.any(|topic| !Topic::is_internal_name(topic)),
            SelectedTopics::Topics(selected) => {
                topics.any(|topic| selected.iter().any(|one| one.as_str() == topic))
            }
            SelectedTopics::Matching(matching) => topics.any(|topic| matching.selects(topic)),
            SelectedTopics::Every => true,
        }
    }

    fn may_read_topics<'a, T>(&self, topics: impl Fn() -> T, private: bool) -> bool
    where
        T: Iterator<Item = &'a str>,
    {
        self.access.may_read(topics, private)
    }
}

fn event_topics(event: &Event) -> impl Iterator<Item = &str> {
    event.topics().iter().map(Topic::as_str)
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn a_selector_admits_by_any_shared_topic_and_private_events_only_when_granted() {
        let event = Event::builder("").topic("a").topic("b").build().unwrap();
        let private = Event::builder("").topic("a").private().build().unwrap();
        let asks = |topics: &[&str]| Selector::topics(topics).unwrap();
        assert!(asks(&["b", "c"]).admits(&event));
        assert!(asks(&["c", "*"]).admits(&event));
        assert!(!asks(&["c"]).admits(&event));
        assert!(!asks(&[]).admits(&event));
        assert!(!asks(&["a"]).admits(&private));
        assert!(asks(&["a"]).with_private().admits(&private));
        assert!(!asks(&["b"]).with_private().admits(&private));
    }

    #[test]
    fn selectors_are_equal_whatever_their_deadlines() {
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(1);
        let until = |deadline| Selector::all().until(deadline);
        assert_eq!(until(now), until(later));
        let hasher = std::hash::RandomState::new();
        assert_eq!(hasher.hash_one(until(now)), hasher.hash_one(until(later)));
    }
}
