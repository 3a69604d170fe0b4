//! How much of the log is kept.

use std::time::Duration;

/// How much is kept. Whichever bound is reached first drops the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How many events, at least one.
    pub events: usize,
    /// In memory what the events take there; in a log by [`Event::cost`](crate::Event::cost).
    pub bytes: usize,
    /// By append time; `None` keeps whatever its age.
    pub age: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: 100_000,
            bytes: 64 << 20,
            age: None,
        }
    }
}
