//! Builds events, and checks their fields.

use std::time::Duration;

use super::{
    Alias, Event, EventName, IdempotencyKey, Invalid, Topic, Traceparent,
    topics::{Topics, parse_topics},
};

/// Longest reconnection time that an event may set.
pub const MAX_RETRY: Duration = Duration::from_secs(24 * 60 * 60);

impl Event {
    /// An event with this data; CR, LF and CRLF in it are line ends and become `data:` lines.
    pub fn builder(data: impl Into<String>) -> EventBuilder {
        EventBuilder {
            data: data.into(),
            ..EventBuilder::default()
        }
    }
}

impl Event {
    /// An event of the broadcaster itself.
    pub(crate) fn internal(topic: &'static str, data: String) -> Self {
        Self {
            topics: Topics::from_iter([Topic::unchecked(topic)]),
            name: None,
            data: data.into(),
            idempotency_key: None,
            alias: None,
            retry_ms: None,
            private: false,
            traceparent: None,
            erased: false,
        }
    }
}

/// Collects an event's fields as text; [`build`](Self::build) is where all of them are checked.
#[derive(Debug, Clone, Default)]
pub struct EventBuilder {
    data: String,
    topics: Vec<String>,
    name: Option<String>,
    idempotency_key: Option<String>,
    alias: Option<String>,
    has_uri_topics: bool,
    retry: Option<Duration>,
    private: bool,
    finishes: bool,
    traceparent: Option<Traceparent>,
}

impl EventBuilder {
    /// Adds a topic; without any the event has [`DEFAULT_TOPIC`](super::DEFAULT_TOPIC).
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

    /// Sets the id that clients of some protocols see in place of the position: see [`Alias::new`].
    #[must_use]
    pub fn alias(mut self, id: impl Into<String>) -> Self {
        self.alias = Some(id.into());
        self
    }

    /// Reads the topics as [`Topic::uri`] does, instead of [`Topic::new`].
    #[must_use]
    pub fn uri_topics(mut self) -> Self {
        self.has_uri_topics = true;
        self
    }

    /// Sets the reconnection time that an `EventSource` takes over from this event, in whole milliseconds; at most
    /// [`MAX_RETRY`].
    #[must_use]
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Finishes the topics of the event, which gets the name [`FINISHED`](super::FINISHED). A stream of topics that are
    /// all finished ends behind the event, and [`Broadcaster::is_finished`](crate::Broadcaster::is_finished) says that
    /// another one would have nothing. A later event of a topic begins it anew.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.finishes = true;
        self
    }

    /// Sends the event only to subscribers whose [`Selector`](super::Selector) admits private events.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Sets the trace that the event is published in. It is kept only if it is sampled: nobody has the spans of another.
    #[must_use]
    pub fn traceparent(mut self, traceparent: Traceparent) -> Self {
        self.traceparent = Some(traceparent).filter(Traceparent::is_sampled);
        self
    }

    /// Checks the fields, and builds the event.
    ///
    /// # Errors
    /// The first field that cannot be part of an event: see [`Topic::new`], [`EventName::new`],
    /// [`IdempotencyKey::new`], [`Alias::new`]; `reserved_topic` for a topic that begins with `$`, `too_many_topics` past
    /// [`MAX_TOPICS`](super::MAX_TOPICS), `invalid_retry` past [`MAX_RETRY`].
    pub fn build(self) -> Result<Event, Invalid> {
        let topics = self.topics()?;
        if let Some(topic) = topics.iter().find(|t| t.is_internal()) {
            return Err(Invalid::new(
                "reserved_topic",
                format!(
                    "the topic {topic} begins with $, which only the server itself publishes to"
                ),
            ));
        }
        self.build_on(topics, EventName::new)
    }

    /// The same for internal topics, which begin with `$`, and for reserved names: clients cannot publish either, but
    /// a history may have them.
    ///
    /// # Errors
    /// As [`build`](Self::build), but for `reserved_topic` and `reserved_event`.
    pub fn build_internal(self) -> Result<Event, Invalid> {
        let topics = self.topics()?;
        self.build_on(topics, EventName::reserved)
    }

    fn topics(&self) -> Result<Topics, Invalid> {
        let parse = if self.has_uri_topics {
            Topic::uri
        } else {
            Topic::new
        };
        parse_topics(&self.topics, parse)
    }

    fn build_on(
        self,
        mut topics: Topics,
        name: fn(&str) -> Result<EventName, Invalid>,
    ) -> Result<Event, Invalid> {
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
        let name = if self.finishes {
            Some(EventName::finished())
        } else {
            self.name.as_deref().map(name).transpose()?
        };
        Ok(Event {
            topics,
            name,
            data: self.data.into(),
            idempotency_key: self
                .idempotency_key
                .as_deref()
                .map(IdempotencyKey::new)
                .transpose()?,
            alias: self.alias.as_deref().map(Alias::new).transpose()?,
            retry_ms: self
                .retry
                .map(|r| u32::try_from(r.as_millis()).unwrap_or(u32::MAX)),
            private: self.private,
            traceparent: self.traceparent.map(Box::new),
            erased: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;
    use crate::event::{EVENT_SOURCE_NAMES, RESERVED_NAMES};

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
