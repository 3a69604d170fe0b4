//! How far a log reaches, and how large it is.

use crate::event::EventId;

/// What a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Which log it is.
    pub epoch: u64,
    /// The last id that retention dropped, or the log's birth id.
    pub trim_floor: EventId,
    /// The oldest event, if there is any.
    pub oldest: Option<EventId>,
    /// The last id given, or the birth id.
    pub head: EventId,
    /// How many events it holds.
    pub events: usize,
    /// Bytes of these: what they take in memory, or in a log by [`Event::cost`](crate::Event::cost).
    pub bytes: usize,
}
