//! The state that a stream is sent whole before the events that change it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Stage, Step, Subscription};
use crate::{
    broadcaster::{
        replay::{buffers::Lease, origin::Origin},
        size::CHUNK,
        snapshot::{Snapshot, Snapshots},
        start::Start,
        stats::Ended,
    },
    event::EventId,
    history::Unavailable,
};

/// How many parts of its state one stream may be sent in a row before it is cut. More than any state has:
/// it changes faster than its client reads, or history loses its position again and again; and without
/// all of it, what follows would be changes of something that the client does not have.
const MAX_PARTS_IN_A_ROW: u16 = 1_000;

/// Where the state is read, and how far the stream is in it.
pub(super) struct StateParts {
    snapshots: Arc<dyn Snapshots>,
    /// Parts that were read since events followed.
    in_a_row: u16,
}

/// A read of the state, and room for what it finds.
pub(super) type Snapshotting = BoxFuture<'static, Result<(Snapshot, Lease), Unavailable>>;

/// Boxed, since most streams never do.
pub(super) struct SendingState {
    /// The position that the whole state is as of; `None` where there is more of it.
    at: Option<EventId>,
    blocks: std::vec::IntoIter<Bytes>,
}

impl SendingState {
    /// The next block, or the end, with the position.
    pub(super) fn next_block(&mut self) -> Result<Bytes, Option<EventId>> {
        self.blocks.next().ok_or(self.at)
    }
}

impl StateParts {
    pub(super) fn new(snapshots: Arc<dyn Snapshots>) -> Self {
        Self {
            snapshots,
            in_a_row: 0,
        }
    }

    /// Events follow.
    pub(super) fn are_complete(&mut self) {
        self.in_a_row = 0;
    }
}

impl Subscription {
    /// Has the state read next, or what is left of it, where the stream is of that kind; or the stream
    /// cut.
    pub(super) fn read_state(&mut self) -> bool {
        self.read_state_by(|snapshots| snapshots.take())
    }

    /// The same where a gap was just announced.
    pub(super) fn read_state_behind_gap(&mut self) -> bool {
        self.read_state_by(|snapshots| snapshots.take_behind_gap())
    }

    fn read_state_by(
        &mut self,
        take: impl FnOnce(&dyn Snapshots) -> BoxFuture<'static, Result<Snapshot, Unavailable>>,
    ) -> bool {
        let Some(state) = &mut self.state else {
            return false;
        };
        if state.in_a_row >= MAX_PARTS_IN_A_ROW {
            self.stage = Stage::Disconnected;
            self.ended = Ended::Refused;
            return true;
        }
        state.in_a_row += 1;
        let reading = take(&*state.snapshots);
        let buffers = Arc::clone(self.inner.replays.buffers());
        let snapshotting = async move {
            let lease = buffers.lease(buffers.most_read(CHUNK)).await?;
            Ok((reading.await?, lease))
        };
        self.stage = Stage::Snapshotting(snapshotting.boxed());
        true
    }

    pub(super) fn has_read_state(&mut self, read: Result<(Snapshot, Lease), Unavailable>) -> Step {
        let Ok((Snapshot { at, blocks, more }, lease)) = read else {
            return self.refuse();
        };
        self.stage = Stage::SendingState(Box::new(SendingState {
            at: (!more).then_some(at),
            blocks: lease.hold_unshared(blocks).into_iter(),
        }));
        Step::Again
    }

    pub(super) fn has_sent_state(&mut self, at: Option<EventId>) -> Step {
        if let Some(at) = at {
            let start = Start::After(at.to_string());
            let origin = Origin::trusted(start.clone());
            return self.locate(start, &origin);
        }
        self.read_state();
        Step::Again
    }
}
