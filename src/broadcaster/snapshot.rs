//! State that a stream is sent whole before the events that change it.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{event::EventId, history::Unavailable};

/// Where the state of one stream comes from. It is asked when the stream begins, resumed or not, and
/// behind every gap, so that no change is ever applied to a state that lacks the one before it.
pub trait Snapshots: Send + Sync + 'static {
    /// The state, whole, or the next part of it. Where it fails, the stream is cut, for its client to
    /// come back.
    fn take(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>>;

    /// The same where a `gap` was just sent: what the client holds may lack any change.
    fn take_behind_gap(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        self.take()
    }
}

/// State as of a position.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// Of the last part, a position that history gave: each change up to it is in the state, and those
    /// after it are sent behind it, in order. Where some of these may be in the state, too, they must do
    /// no harm twice.
    pub at: EventId,
    /// Whole blocks of the event stream without ids, as [`Frame::block`](crate::sse::Frame::block)
    /// writes them. Each item is written by itself, and may hold several, or a piece of one.
    pub blocks: Vec<Bytes>,
    /// There is more, to be asked for once this has been written: a client that does not read pins one
    /// part alone. What changed meanwhile of parts that were sent is for a later part to tell.
    pub more: bool,
}

impl Snapshot {
    /// The whole state, or its last part.
    #[must_use]
    pub fn last(at: EventId, blocks: Vec<Bytes>) -> Self {
        Self {
            at,
            blocks,
            more: false,
        }
    }

    /// A part that others follow.
    #[must_use]
    pub fn part(at: EventId, blocks: Vec<Bytes>) -> Self {
        Self {
            at,
            blocks,
            more: true,
        }
    }
}
