//! An event's fields as text, wherever they lie.

use std::time::Duration;

use smallvec::SmallVec;

use super::{Alias, Event, EventName, FINISHED, IdempotencyKey, Topic, Traceparent};

/// What an event counts in a log beside its text: ids, pointers, entries in indexes.
const EVENT_OVERHEAD_BYTES: usize = 256;
/// The same of one that was erased.
const ERASED_OVERHEAD_BYTES: usize = 64;

impl Event {
    /// Its fields as text.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields::of(self)
    }

    /// What the event counts against the bounds in bytes of a log, and of a read: its text twice, and a fixed
    /// overhead of 256 bytes, or 64 once it is erased.
    #[must_use]
    pub fn cost(&self) -> usize {
        cost(self.erased, self.names(), self.data.len())
    }
}

/// An event's fields, borrowed from an [`Event`] or from the bytes that it is packed in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields<'a> {
    pub(crate) topics: SmallVec<[&'a str; 1]>,
    pub(crate) name: Option<&'a str>,
    /// UTF-8, which was checked when it was published or read.
    pub(crate) data: &'a [u8],
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) alias: Option<&'a str>,
    pub(crate) retry_ms: Option<u64>,
    pub(crate) private: bool,
    pub(crate) traceparent: Option<Traceparent>,
    pub(crate) erased: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        Self {
            topics: event.topics().iter().map(Topic::as_str).collect(),
            name: event.name().map(EventName::as_str),
            data: event.data().as_bytes(),
            idempotency_key: event.idempotency_key().map(IdempotencyKey::as_str),
            alias: event.alias().map(Alias::as_str),
            retry_ms: event.retry_ms(),
            private: event.is_private(),
            traceparent: event.traceparent().copied(),
            erased: event.is_erased(),
        }
    }

    /// See [`Event::topics`].
    #[must_use]
    pub fn topics(&self) -> &[&'a str] {
        &self.topics
    }

    /// See [`Event::name`].
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }

    /// See [`Event::data`].
    #[must_use]
    pub fn data(&self) -> &'a str {
        str::from_utf8(self.data).unwrap_or_default()
    }

    /// See [`Event::idempotency_key`].
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&'a str> {
        self.idempotency_key
    }

    /// See [`Event::alias`].
    #[must_use]
    pub fn alias(&self) -> Option<&'a str> {
        self.alias
    }

    /// See [`Event::retry`].
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry_ms.map(Duration::from_millis)
    }

    /// See [`Event::is_private`].
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// See [`Event::traceparent`].
    #[must_use]
    pub fn traceparent(&self) -> Option<Traceparent> {
        self.traceparent
    }

    /// See [`Event::is_erased`].
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.erased
    }

    pub(crate) fn finishes(&self) -> bool {
        self.name == Some(FINISHED)
    }

    /// See [`Event::cost`].
    #[must_use]
    pub fn cost(&self) -> usize {
        let topics = self.topics.iter().copied();
        cost(
            self.erased,
            topics
                .chain(self.name)
                .chain(self.idempotency_key)
                .chain(self.alias),
            self.data.len(),
        )
    }
}

/// See [`Event::cost`]; of the texts beside the data, and its bytes.
pub(super) fn cost<'a>(
    is_erased: bool,
    texts: impl Iterator<Item = &'a str>,
    data_bytes: usize,
) -> usize {
    let overhead = if is_erased {
        ERASED_OVERHEAD_BYTES
    } else {
        EVENT_OVERHEAD_BYTES
    };
    overhead + 2 * (texts.map(str::len).sum::<usize>() + data_bytes)
}
