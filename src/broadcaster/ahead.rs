//! Reads of history for one stream, the next one begun while what the last one found is being sent.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::{Inner, recent::CHUNK};
use crate::{
    event::{EventId, Selector},
    history::{Chunk, From, Limit, Unavailable},
};

pub(super) type Reading = BoxFuture<'static, Result<Chunk, Unavailable>>;

/// Most that is read at once for a stream that takes all there is.
const MAX_CHUNK: Limit = Limit {
    events: 4 * CHUNK.events,
    bytes: 4 * CHUNK.bytes,
};

/// At most one chunk, so that a reader that stops reading pins no more than it.
pub(super) struct Ahead {
    begun: Option<(EventId, Reading)>,
    /// Each is larger than the one before, so that threads wait for each other less often.
    limit: Limit,
}

impl Default for Ahead {
    fn default() -> Self {
        Self {
            begun: None,
            limit: CHUNK,
        }
    }
}

impl Ahead {
    /// Begins to read what comes after `after`, if that has to be fetched from somewhere.
    pub(super) fn begin(
        &mut self,
        broadcaster: &Inner,
        selector: &Arc<Selector>,
        after: EventId,
        cx: &mut Context<'_>,
    ) {
        let held_from = broadcaster.window.bounds().trim_floor;
        if after >= held_from || after < broadcaster.history.bounds().trim_floor {
            return;
        }
        self.limit = Limit {
            events: MAX_CHUNK.events.min(self.limit.events * 2),
            bytes: MAX_CHUNK.bytes.min(self.limit.bytes * 2),
        };
        let mut reading = read(broadcaster, selector, after, self.limit);
        let reading = match reading.as_mut().poll(cx) {
            Poll::Ready(read) => ready(read).boxed(),
            Poll::Pending => reading,
        };
        self.begun = Some((after, reading));
    }

    /// What was begun, if it is about this.
    pub(super) fn take(&mut self, after: EventId) -> Option<Reading> {
        let (begun_after, reading) = self.begun.take()?;
        (begun_after == after).then_some(reading)
    }
}

pub(super) fn read(
    broadcaster: &Inner,
    selector: &Arc<Selector>,
    after: EventId,
    limit: Limit,
) -> Reading {
    let (history, selector) = (Arc::clone(&broadcaster.history), Arc::clone(selector));
    async move { history.read(From::After(after), &selector, limit).await }.boxed()
}
