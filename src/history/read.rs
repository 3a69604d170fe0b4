//! Where a read begins, how much it takes, and what it finds.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    clock::from_unix_ms,
    event::{Event, EventId, Fetched, Fields, Stored},
};

/// Where a read begins. A history has to know all of these, so that the enum is exhaustive: a variant that is added
/// breaks each history until it reads from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From<'a> {
    /// After a position that history returned to this process; it may be one that has no event.
    After(EventId),
    /// After what a client sent: a position or an idempotency key. An unknown one means a gap.
    LastEventId(&'a str),
    /// At the first event that was appended at or after this time. Events have their times to the millisecond, to
    /// which it is rounded down.
    Since(SystemTime),
    /// At the first event that was appended at most so long ago, by the log's own clock.
    Ago(Duration),
    /// At the oldest event.
    Earliest,
    /// At the last so many events that the selector admits.
    Last(usize),
}

impl From<'_> {
    /// [`Ago`](Self::Ago) as [`Since`](Self::Since), by a clock that shows this time; others as they are.
    #[must_use]
    pub fn by_clock(self, now: SystemTime) -> Self {
        match self {
            Self::Ago(age) => Self::Since(now.checked_sub(age).unwrap_or(UNIX_EPOCH)),
            from => from,
        }
    }
}

/// How much one read may return.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limit {
    /// Most events.
    pub events: usize,
    /// Most bytes of these, by [`Event::cost`]; the first event may be larger.
    pub bytes: usize,
}

impl Limit {
    /// At most so many events, and so many bytes of them.
    #[must_use]
    pub const fn new(events: usize, bytes: usize) -> Self {
        Self { events, bytes }
    }

    /// Sets [`events`](Self::events).
    #[must_use]
    pub const fn events(mut self, events: usize) -> Self {
        self.events = events;
        self
    }

    /// Sets [`bytes`](Self::bytes).
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

/// An event that a read found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Found {
    /// In memory, where others find it too.
    Shared(Arc<Stored>),
    /// Fetched from the log for this read alone.
    Fetched(Fetched),
}

impl Found {
    /// Its position.
    #[must_use]
    pub fn id(&self) -> EventId {
        match self {
            Self::Shared(stored) => stored.id(),
            Self::Fetched(fetched) => fetched.id(),
        }
    }

    /// Bytes that nobody but this read holds.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Shared(_) => 0,
            Self::Fetched(fetched) => fetched.packed_bytes(),
        }
    }

    /// As [`Stored::time`].
    #[must_use]
    pub fn time(&self) -> SystemTime {
        from_unix_ms(self.time_ms())
    }

    /// As [`Stored::time_ms`].
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        match self {
            Self::Shared(stored) => stored.time_ms(),
            Self::Fetched(fetched) => fetched.time_ms(),
        }
    }

    /// Its fields as text.
    pub fn fields(&self) -> Fields<'_> {
        match self {
            Self::Shared(stored) => stored.event().fields(),
            Self::Fetched(fetched) => fetched.fields(),
        }
    }

    pub(crate) fn is_erased(&self) -> bool {
        match self {
            Self::Shared(stored) => stored.event().is_erased(),
            Self::Fetched(fetched) => fetched.fields().is_erased(),
        }
    }

    /// See [`Event::finishes`](crate::Event::finishes).
    pub(crate) fn finishes(&self) -> bool {
        match self {
            Self::Shared(stored) => stored.event().finishes(),
            Self::Fetched(fetched) => fetched.fields().finishes(),
        }
    }

    /// About as many bytes as its text takes.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Shared(stored) => stored.event().data().len(),
            Self::Fetched(fetched) => fetched.packed_bytes(),
        }
    }

    /// The event; one that was fetched is built the first time.
    #[must_use]
    pub fn event(&self) -> &Event {
        match self {
            Self::Shared(stored) => stored.event(),
            Self::Fetched(fetched) => fetched.event(),
        }
    }
}

/// What one read found.
#[derive(Debug)]
pub struct Chunk {
    /// The log that was read.
    pub epoch: u64,
    /// The position after which was read.
    pub after: EventId,
    /// Something between the requested position and `after` is lost, or that position was never known.
    pub gap: bool,
    /// The newest event between `after` and `read_to` that the selector admits, and that was erased.
    pub erased: Option<EventId>,
    /// In the order of their ids.
    pub events: Vec<Found>,
    /// Every event up to here that the selector admits is in `events`.
    pub read_to: EventId,
    /// The oldest event of the log, of any topic.
    pub oldest: Option<EventId>,
}

impl Chunk {
    /// The same without erased events among `events`, of which the newest becomes [`erased`](Self::erased).
    #[must_use]
    pub fn without_erased(mut self) -> Self {
        let is_erased = |found: &&Found| found.is_erased();
        if let Some(newest) = self.events.iter().rfind(is_erased) {
            self.erased = Some(newest.id());
            self.events.retain(|found| !found.is_erased());
        }
        self
    }
}
