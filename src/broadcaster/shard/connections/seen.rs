//! What a shard shows of a connection.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    broadcaster::{peer::Peer, shard::sender_indexes::SenderIndex},
    event::{EventId, Selector},
    history::LogPosition,
    sse::Cursor,
};

/// A gap that a connection was sent: it misses the events after one position up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GapSent {
    /// The last id that it was sent before.
    pub after: EventId,
    /// Where its stream went on.
    pub to: EventId,
    /// When, in milliseconds since the Unix epoch.
    pub sent_ms: u64,
}

/// A connection, as of when its shard was locked.
pub(in crate::broadcaster) struct Seen {
    pub(in crate::broadcaster) index: SenderIndex,
    pub(in crate::broadcaster) serial: u32,
    pub(in crate::broadcaster) peer: Peer,
    pub(in crate::broadcaster) opened_ms: u64,
    pub(in crate::broadcaster) selector: Arc<Selector>,
    pub(in crate::broadcaster) cursor: Cursor,
    /// Up to here everything that matches was sent; `None` while it is opened.
    pub(in crate::broadcaster) complete_to: Option<EventId>,
    pub(in crate::broadcaster) last_sent: Option<EventId>,
    pub(in crate::broadcaster) begins_after: Option<EventId>,
    /// The last ones that it was sent.
    pub(in crate::broadcaster) gaps: VecDeque<GapSent>,
    pub(in crate::broadcaster) shard_position: LogPosition,
}
