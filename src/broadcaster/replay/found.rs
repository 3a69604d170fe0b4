//! What one read of history found.

use super::buffers::Lease;
use crate::{broadcaster::item::Events, event::EventId, history::Chunk};

/// See [`Chunk`]. Its events are shared by all streams that are sent them, and hold their part of the buffers.
pub(in crate::broadcaster) struct Replay {
    pub(in crate::broadcaster) epoch: u64,
    pub(in crate::broadcaster) after: EventId,
    pub(in crate::broadcaster) gap: bool,
    /// See [`Chunk::erased`].
    pub(in crate::broadcaster) erased: Option<EventId>,
    pub(in crate::broadcaster) oldest: Option<EventId>,
    pub(in crate::broadcaster) read_to: EventId,
    pub(in crate::broadcaster) events: Option<Events>,
}

impl Replay {
    pub(in crate::broadcaster) fn of(chunk: Chunk, lease: Lease) -> Self {
        Self {
            epoch: chunk.epoch,
            after: chunk.after,
            gap: chunk.gap,
            erased: chunk.erased,
            oldest: chunk.oldest,
            read_to: chunk.read_to,
            events: Events::read(chunk.events, lease),
        }
    }

    /// The same without its events, which are read again later.
    pub(in crate::broadcaster) fn without_events(&self) -> Self {
        Self {
            read_to: self.after,
            events: None,
            ..*self
        }
    }

    pub(in crate::broadcaster) fn read_to(&self) -> ReadTo {
        ReadTo {
            epoch: self.epoch,
            id: self.read_to,
        }
    }

    /// The id of the newest event.
    pub(in crate::broadcaster) fn last_id(&self) -> Option<EventId> {
        self.events.as_ref().map(Events::last_id)
    }
}

/// Up to where history was read.
#[derive(Debug, Clone, Copy)]
pub(in crate::broadcaster) struct ReadTo {
    pub(in crate::broadcaster) epoch: u64,
    pub(in crate::broadcaster) id: EventId,
}
