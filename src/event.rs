//! Events, and which of them a subscription gets. Every type here can only be built valid, so no other module checks
//! for CR, LF, NUL or length again.

mod access;
mod builder;
mod encodings;
mod fields;
mod id;
mod invalid;
mod matcher;
mod memory;
mod names;
mod packed;
mod selector;
mod stored;
mod topics;
mod traceparent;

use std::time::Duration;

use topics::Topics;

pub(crate) use encodings::{EncodingKey, Encodings};
pub(crate) use matcher::Matcher;
pub(crate) use memory::NEW_TOPIC_BYTES;

pub use access::ReadAccess;
pub use builder::{EventBuilder, MAX_RETRY};
pub use fields::Fields;
pub use id::EventId;
pub use invalid::Invalid;
pub use matcher::{MatcherIndex, Matching, TopicMatcher};
pub use names::{
    Alias, DEFAULT_TOPIC, EVENT_SOURCE_NAMES, EventName, FINISHED, IdempotencyKey, MAX_NAME_BYTES,
    MAX_URI_BYTES, RESERVED_NAMES, Topic,
};
pub use packed::Fetched;
pub use selector::{SelectedTopics, Selector};
pub use stored::Stored;
pub use topics::MAX_TOPICS;
pub use traceparent::{InvalidTraceparent, Traceparent};

/// What is published. Built by [`Event::builder`]; it never changes.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use sse_broadcaster::Event;
///
/// let event = Event::builder("{\"price\":12}")
///     .topic("orders")
///     .topic("orders/42")
///     .name("changed")
///     .idempotency_key("order-42-changed-7")
///     .retry(Duration::from_secs(3))
///     .build()?;
/// assert_eq!(event.topics().len(), 2);
///
/// let refused = Event::builder("").topic("a\nb").build().unwrap_err();
/// assert_eq!(refused.code(), "invalid_topic");
/// # Ok::<_, sse_broadcaster::event::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    topics: Topics,
    name: Option<EventName>,
    data: Box<str>,
    idempotency_key: Option<IdempotencyKey>,
    alias: Option<Alias>,
    /// In 32 bits, which leaves room for `traceparent`.
    retry_ms: Option<u32>,
    private: bool,
    /// Most events have none.
    traceparent: Option<Box<Traceparent>>,
    erased: bool,
}

impl Event {
    /// At least one, without repeats.
    #[must_use]
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// The `event:` field; without one an `EventSource` dispatches `message`.
    #[must_use]
    pub fn name(&self) -> Option<&EventName> {
        self.name.as_ref()
    }

    /// As it was published; its line ends become `data:` lines on the wire.
    #[must_use]
    pub fn data(&self) -> &str {
        &self.data
    }

    /// By which a repeated publish is recognized.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    /// What clients of some protocols see as its id, and may resume after.
    #[must_use]
    pub fn alias(&self) -> Option<&Alias> {
        self.alias.as_ref()
    }

    /// The reconnection time that the event sets, in whole milliseconds; at most [`MAX_RETRY`].
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry_ms().map(Duration::from_millis)
    }

    /// The same in milliseconds; at most [`MAX_RETRY`].
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms.map(u64::from)
    }

    /// Given only to subscribers whose [`Selector`] admits private events.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// The trace that it was published in, if that was sampled.
    #[must_use]
    pub fn traceparent(&self) -> Option<&Traceparent> {
        self.traceparent.as_deref()
    }

    /// The same event in this trace, unless it is in one already or this one is not sampled.
    #[must_use]
    pub fn in_trace(mut self, traceparent: Option<Traceparent>) -> Self {
        if self.traceparent.is_none() {
            let sampled = traceparent.filter(Traceparent::is_sampled);
            self.traceparent = sampled.map(Box::new);
        }
        self
    }

    /// Whether it was [erased](crate::history::History::erase): its topics are left of it, and whether it was private.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.erased
    }

    /// What is left of it once it is erased.
    #[must_use]
    pub fn erased(&self) -> Self {
        Self {
            topics: self.topics.clone(),
            name: None,
            data: "".into(),
            idempotency_key: None,
            alias: None,
            retry_ms: None,
            private: self.private,
            traceparent: None,
            erased: true,
        }
    }

    /// Whether it finishes its topics: see [`EventBuilder::finish`].
    #[must_use]
    pub fn finishes(&self) -> bool {
        self.name
            .as_ref()
            .is_some_and(|name| name.as_str() == FINISHED)
    }

    /// Its topics, name, idempotency key and alias.
    fn names(&self) -> impl Iterator<Item = &str> {
        let topics = self.topics.iter().map(Topic::as_str);
        let name = self.name.as_ref().map(EventName::as_str);
        topics
            .chain(name)
            .chain(self.idempotency_key.as_ref().map(IdempotencyKey::as_str))
            .chain(self.alias.as_ref().map(Alias::as_str))
    }
}
