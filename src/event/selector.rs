//! Which events a subscription gets.

use std::time::Instant;

use super::{Event, Fields, Invalid, Topic, topics::parse_topics};

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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selector {
    topics: SelectedTopics,
    private: bool,
    until: Option<Instant>,
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
        let mut topics = parse_topics(texts)?;
        if topics.is_empty() {
            topics.push(Topic::default());
        }
        topics.sort();
        Ok(Self::of(SelectedTopics::Topics(topics.into_boxed_slice())))
    }

    fn of(topics: SelectedTopics) -> Self {
        Self {
            topics,
            private: false,
            until: None,
        }
    }

    /// Admits private events of these topics, too.
    #[must_use]
    pub fn with_private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Ends the grant, and with it the stream, at this time. It is checked with each ping, so that the stream may last
    /// up to a `ping_interval` longer.
    #[must_use]
    pub fn until(mut self, until: Instant) -> Self {
        self.until = Some(until);
        self
    }

    /// The topics that are requested.
    #[must_use]
    pub fn selected(&self) -> &SelectedTopics {
        &self.topics
    }

    pub(crate) fn admits_private(&self) -> bool {
        self.private
    }

    pub(crate) fn has_ended(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// Whether this subscription gets this event.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        let topics = event.topics().iter().map(Topic::as_str);
        self.admits_any(topics, event.is_private())
    }

    /// The same of an event's fields.
    #[must_use]
    pub fn admits_fields(&self, fields: &Fields<'_>) -> bool {
        self.admits_any(fields.topics.iter().copied(), fields.private)
    }

    fn admits_any<'a>(&self, mut topics: impl Iterator<Item = &'a str>, private: bool) -> bool {
        if private && !self.private {
            return false;
        }
        match &self.topics {
            SelectedTopics::All => topics.any(|topic| !Topic::is_internal_name(topic)),
            SelectedTopics::Topics(selected) => {
                topics.any(|topic| selected.iter().any(|one| one.as_str() == topic))
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
}
