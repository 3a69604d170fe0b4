//! What is published and what is asked for. Every type here can only be built valid, so nothing
//! behind this module checks for CR, LF, NUL or length again.

#![deny(missing_docs)]

mod encodings;
mod fields;
mod id;
mod names;
mod packed;
mod selector;
mod stored;

use std::{fmt, time::Duration};

use smallvec::SmallVec;

pub(crate) use encodings::Encodings;

pub use fields::Fields;
pub use id::EventId;
pub use names::{
    DEFAULT_TOPIC, EVENT_SOURCE_NAMES, EventName, IdempotencyKey, MAX_NAME_BYTES, RESERVED_NAMES,
    Topic,
};
pub use packed::Fetched;
pub use selector::{SelectedTopics, Selector};
pub use stored::Stored;

/// Most topics that one event may have, and that one subscription may ask for.
pub const MAX_TOPICS: usize = 100;
/// Longest reconnection time that an event may set.
pub const MAX_RETRY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a value cannot be part of an event: a stable code and a sentence for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    code: &'static str,
    detail: String,
}

impl Invalid {
    /// A refusal with this code, and a sentence that names the value and what is allowed.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// Stable, machine-readable, for example `invalid_topic`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Invalid {}

/// Most events have one.
pub(crate) type Topics = SmallVec<[Topic; 1]>;

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
    retry_ms: Option<u64>,
    private: bool,
}

impl Event {
    /// An event with this data; CR, LF and CRLF in it are line ends and become `data:` lines.
    pub fn builder(data: impl Into<String>) -> EventBuilder {
        EventBuilder {
            data: data.into(),
            ..EventBuilder::default()
        }
    }

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

    /// The reconnection time that the event sets, in whole milliseconds; at most [`MAX_RETRY`].
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry_ms.map(Duration::from_millis)
    }

    /// The same in milliseconds; at most [`MAX_RETRY`].
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Given only to subscribers whose [`Selector`] admits private events.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// What the event counts against the bounds in bytes of a log, and of a read: its text twice, and a fixed
    /// overhead.
    #[must_use]
    pub fn cost(&self) -> usize {
        fields::cost(self.names(), self.data.len())
    }

    /// What the event takes in memory, with its entries in indexes and the bytes that are reserved for its
    /// encodings, but for topics that no other event there has.
    pub(crate) fn memory(&self) -> usize {
        let text = |text: &str| TEXT_OVERHEAD_BYTES + text.len();
        let topics = self.topics.iter();
        let name = self.name.as_ref().map(EventName::as_str).map_or(0, text);
        let idempotency_key = self.idempotency_key.as_ref().map_or(0, |idempotency_key| {
            KEY_OVERHEAD_BYTES + text(idempotency_key.as_str())
        });
        STORED_BYTES
            + topics
                .map(|topic| TOPIC_OVERHEAD_BYTES + text(topic.as_str()))
                .sum::<usize>()
            + name
            + idempotency_key
            + self.data.len()
            + self.data.len() / 8
            + self.encoded_bytes()
    }

    /// What is reserved in memory for its encodings.
    pub(crate) fn encoded_bytes(&self) -> usize {
        let name = self.name.as_ref().map_or(0, |name| name.as_str().len());
        ENCODED_OVERHEAD_BYTES + name + self.data.len() + self.data.len() / 8
    }

    /// The most that the event may take in memory.
    #[must_use]
    pub fn most_memory(&self) -> usize {
        self.memory() + self.topics.len() * NEW_TOPIC_BYTES
    }

    /// Its topics, name and idempotency key.
    fn names(&self) -> impl Iterator<Item = &str> {
        let topics = self.topics.iter().map(Topic::as_str);
        let name = self.name.as_ref().map(EventName::as_str);
        topics
            .chain(name)
            .chain(self.idempotency_key.as_ref().map(IdempotencyKey::as_str))
    }

    /// Its fields as text.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields::of(self)
    }

    /// What an event with so many bytes of data, and a topic, name and idempotency key as long as any, takes in memory.
    #[must_use]
    pub fn largest_memory(data_bytes: usize) -> usize {
        let names = TOPIC_OVERHEAD_BYTES + NEW_TOPIC_BYTES + KEY_OVERHEAD_BYTES;
        let texts = 3 * TEXT_OVERHEAD_BYTES + 4 * MAX_NAME_BYTES;
        let data = data_bytes + data_bytes / 8;
        STORED_BYTES + names + texts + 2 * data + ENCODED_OVERHEAD_BYTES
    }
}

// As the allocator rounds them up, with room for collections that grow by doubling.
/// An event's entry in the window, and what it is kept in beside its text.
const STORED_BYTES: usize = 9 * (size_of::<Stored>() + 16) / 8 + 16 + 64;
/// A text that is shared.
const TEXT_OVERHEAD_BYTES: usize = 32;
/// An event's entry among a topic's.
const TOPIC_OVERHEAD_BYTES: usize = size_of::<Topic>() + 16;
/// A topic that the window has no event of yet: its entry, and room for a few events.
pub(crate) const NEW_TOPIC_BYTES: usize = 160;
/// An idempotency key's entry among all.
const KEY_OVERHEAD_BYTES: usize = 96;
/// What an encoding takes beside the text, and its entry among those that are kept.
const ENCODED_OVERHEAD_BYTES: usize = 64 + 64 + 64;

/// Collects an event's fields as text; [`build`](Self::build) is where all of them are checked.
#[derive(Debug, Clone, Default)]
pub struct EventBuilder {
    data: String,
    topics: Vec<String>,
    name: Option<String>,
    idempotency_key: Option<String>,
    retry: Option<Duration>,
    private: bool,
}

impl EventBuilder {
    /// Adds a topic; without any the event has [`DEFAULT_TOPIC`].
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topics.push(topic.into());
        self
    }

    /// Sets the name, by which pages listen: see [`EventName::new`].
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the key by which a repeated publish is recognized: see [`IdempotencyKey::new`].
    #[must_use]
    pub fn idempotency_key(mut self, id: impl Into<String>) -> Self {
        self.idempotency_key = Some(id.into());
        self
    }

    /// Sets the reconnection time that an `EventSource` takes over from this event, in whole milliseconds; at most
    /// [`MAX_RETRY`].
    #[must_use]
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Sends the event only to subscribers whose [`Selector`] admits private events.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// # Errors
    /// The first field that cannot be part of an event: see [`Topic::new`], [`EventName::new`],
    /// [`IdempotencyKey::new`]; `reserved_topic` for a topic that begins with `$`, `too_many_topics` past
    /// [`MAX_TOPICS`], `invalid_retry` past [`MAX_RETRY`].
    pub fn build(self) -> Result<Event, Invalid> {
        let topics = parse_topics(&self.topics)?;
        if let Some(topic) = topics.iter().find(|t| t.is_system()) {
            return Err(Invalid::new(
                "reserved_topic",
                format!(
                    "the topic {topic} begins with $, which only the server itself publishes to"
                ),
            ));
        }
        self.build_on(topics)
    }

    /// The same on topics of our own, which nobody else can publish to.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_ours(self) -> Result<Event, Invalid> {
        let topics = parse_topics(&self.topics)?;
        self.build_on(topics)
    }

    fn build_on(self, mut topics: Topics) -> Result<Event, Invalid> {
        if topics.is_empty() {
            topics.push(Topic::default());
        }
        if self.retry.is_some_and(|retry| retry > MAX_RETRY) {
            return Err(Invalid::new(
                "invalid_retry",
                format!(
                    "retry is at most {} milliseconds, a day",
                    MAX_RETRY.as_millis()
                ),
            ));
        }
        Ok(Event {
            topics,
            name: self.name.as_deref().map(EventName::new).transpose()?,
            data: self.data.into(),
            idempotency_key: self
                .idempotency_key
                .as_deref()
                .map(IdempotencyKey::new)
                .transpose()?,
            retry_ms: self
                .retry
                .map(|r| u64::try_from(r.as_millis()).unwrap_or(u64::MAX)),
            private: self.private,
        })
    }
}

fn parse_topics<S: AsRef<str>>(texts: &[S]) -> Result<Topics, Invalid> {
    if texts.len() > MAX_TOPICS {
        return Err(Invalid::new(
            "too_many_topics",
            format!("{} topics; at most {MAX_TOPICS} are allowed", texts.len()),
        ));
    }
    let mut topics = Topics::with_capacity(texts.len());
    for text in texts {
        let topic = Topic::new(text.as_ref())?;
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    Ok(topics)
}

/// How the topics of signals begin; the signal's name follows.
pub const SIGNAL_TOPICS: &str = "$signal/";

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: fmt::Debug>(result: Result<T, Invalid>) -> &'static str {
        result.unwrap_err().code()
    }

    #[test]
    fn an_event_without_a_topic_has_the_default_one() {
        let event = Event::builder("hello").build().unwrap();
        assert_eq!(event.topics(), [Topic::default()]);
    }

    #[test]
    fn line_ends_and_nul_are_refused_in_every_field_of_a_line() {
        for bad in ["a\rb", "a\nb", "a\0b", "\u{85}", ""] {
            assert_eq!(code(Event::builder("").topic(bad).build()), "invalid_topic");
            assert_eq!(code(Event::builder("").name(bad).build()), "invalid_event");
            assert_eq!(
                code(Event::builder("").idempotency_key(bad).build()),
                "invalid_id"
            );
        }
    }

    #[test]
    fn reserved_names_and_topics_cannot_be_published() {
        for name in RESERVED_NAMES.into_iter().chain(EVENT_SOURCE_NAMES) {
            assert_eq!(
                code(Event::builder("").name(name).build()),
                "reserved_event"
            );
        }
        assert_eq!(
            code(Event::builder("").topic("$x").build()),
            "reserved_topic"
        );
        assert_eq!(
            code(Event::builder("").topic("a*").build()),
            "invalid_topic"
        );
        assert_eq!(
            code(Event::builder("").topic("{a}").build()),
            "invalid_topic"
        );
    }
}
