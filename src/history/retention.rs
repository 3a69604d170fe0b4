//! How much of the log is kept.

use std::time::Duration;

/// How much is kept. Whichever bound is reached first drops the oldest events.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use sse_broadcaster::history::Retention;
///
/// let retention = Retention::new()
///     .events(10_000)
///     .bytes(16 << 20)
///     .age(Duration::from_secs(24 * 60 * 60));
/// assert_eq!(retention.events, 10_000);
///
/// // Events of any age are kept by default.
/// assert_eq!(Retention::new().age, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Most events; 100,000 by default.
    pub events: usize,
    /// Most bytes; 64 MiB by default. In memory they are what the events take there, in a log they are counted by
    /// [`Event::cost`](crate::Event::cost).
    pub bytes: usize,
    /// Longest time since an event was appended; `None`, the default, is no bound.
    pub age: Option<Duration>,
}

impl Retention {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            events: 100_000,
            bytes: 64 << 20,
            age: None,
        }
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

    /// Sets [`age`](Self::age): a duration, or `None` for no bound.
    #[must_use]
    pub fn age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.age = age.into();
        self
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::new()
    }
}
