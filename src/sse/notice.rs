//! What a stream says about itself.

use std::time::{Duration, SystemTime};

use super::Position;

/// What a stream says about itself, between events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// How long to wait before reconnecting when the connection breaks. A stream begins with it.
    Retry(Duration),
    /// The stream has begun: what comes after this position follows.
    Connected(Position),
    /// Events are lost. Boxed, since gaps are rare and every item is moved for every subscriber.
    Gap(Box<Gap>),
    /// Everything due up to here was sent. `None` where the client has no position yet, or keeps the one that it
    /// brought.
    Position(Option<Position>),
    /// Nothing was due for a while.
    Ping,
    /// The same as an event that clients see, for those that asked for it.
    Heartbeat(SystemTime),
    /// The grant ends, and the stream with it: sent once, [`EXPIRING_BEFORE_END`](super::EXPIRING_BEFORE_END), or at
    /// the beginning of a stream that does not last so long.
    Expiring {
        /// How long the stream still lasts.
        after: Duration,
    },
    /// The last notice of a stream that is about to be cut: when to reconnect, and after which position.
    Reconnect {
        /// How long to wait before reconnecting.
        after: Duration,
        /// Where the client resumes; `None` where it has no position yet.
        position: Option<Position>,
    },
}

/// Events are lost between what the client has and the position where the stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What the client asked to go on after, or the last id that it was sent.
    pub requested: String,
    /// Where the stream goes on: after this position. `None` where the last events of topics are sent first, so that a
    /// client which is cut before it has them all gets the gap again; the position follows behind them.
    pub position: Option<Position>,
    /// The oldest event that history holds, of any topic.
    pub oldest: Option<Position>,
}
