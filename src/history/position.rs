//! A position in the log, by number as well as by id.

use crate::event::{EventId, Stored};

/// A position in the log: the id of the event before it, and how many events this process has seen up to it.
/// Numbers tell how far two positions are apart, which ids do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// Which log it is in.
    pub epoch: u64,
    /// Events before it, counted from the start of the process.
    pub(crate) number: u64,
    /// Bytes of these events, by [`Event::most_memory`](crate::Event::most_memory).
    pub(crate) bytes: u64,
    /// The id of the last event before it, or the log's birth id.
    pub(crate) id: EventId,
}

impl LogPosition {
    /// The start of what this process sees of a log whose last id is `id`.
    pub(crate) fn start(epoch: u64, id: EventId) -> Self {
        Self {
            epoch,
            number: 0,
            bytes: 0,
            id,
        }
    }

    /// Moves past the next event.
    pub(crate) fn pass(&mut self, stored: &Stored) {
        self.number += 1;
        self.bytes += stored.event().most_memory() as u64;
        self.id = stored.id();
    }
}
