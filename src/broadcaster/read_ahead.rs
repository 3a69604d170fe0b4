//! Reads of history for one stream, the next one begun while what the last one found is being sent.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::{Inner, buffers::Lease, window_slice::CHUNK};
use crate::{
    event::{EventId, Selector},
    history::{Chunk, Found, From, Limit, Unavailable},
};

/// What was found, and room for it and for what it is encoded to.
pub(super) type Reading = BoxFuture<'static, Result<(Chunk, Lease), Unavailable>>;

/// Most that is read at once for a stream that takes all there is.
const MAX_CHUNK: Limit = Limit {
    events: 4 * CHUNK.events,
    bytes: 4 * CHUNK.bytes,
};

/// At most one chunk, so that a reader that stops reading pins no more than it.
pub(super) struct ReadAhead {
    begun: Option<(EventId, Reading)>,
    /// Each is larger than the one before, so that threads wait for each other less often.
    limit: Limit,
}

impl Default for ReadAhead {
    fn default() -> Self {
        Self {
            begun: None,
            limit: CHUNK,
        }
    }
}

impl ReadAhead {
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
        let limit = Limit {
            events: MAX_CHUNK.events.min(self.limit.events * 2),
            bytes: MAX_CHUNK.bytes.min(self.limit.bytes * 2),
        };
        let most = broadcaster.buffers.most_read(limit);
        let Some(lease) = broadcaster.buffers.lease_spare(most) else {
            return;
        };
        self.limit = limit;
        let mut fetching = fetch(broadcaster, selector, (after, limit), lease);
        let fetching = match fetching.as_mut().poll(cx) {
            Poll::Ready(fetched) => ready(fetched).boxed(),
            Poll::Pending => fetching,
        };
        self.begun = Some((after, fetching));
    }

    /// What was begun, if it is about this.
    pub(super) fn take(
        &mut self,
        broadcaster: &Arc<Inner>,
        selector: &Arc<Selector>,
        after: EventId,
    ) -> Option<Reading> {
        let (begun_after, fetching) = self.begun.take()?;
        if begun_after != after {
            return None;
        }
        let (inner, selector) = (Arc::clone(broadcaster), Arc::clone(selector));
        let most = inner.buffers.most_encoded(self.limit);
        let reading = async move {
            let (chunk, lease) = fetching.await?;
            if let Some(lease) = inner.buffers.grow(lease, most) {
                return Ok((chunk, lease));
            }
            // Who held on to it while waiting for the rest could be waited for by others.
            drop(chunk);
            read(&inner, &selector, after, CHUNK).await
        };
        Some(reading.boxed())
    }
}

pub(super) fn read(
    broadcaster: &Arc<Inner>,
    selector: &Arc<Selector>,
    after: EventId,
    limit: Limit,
) -> Reading {
    let (inner, selector) = (Arc::clone(broadcaster), Arc::clone(selector));
    let reading = async move {
        let lease = inner
            .buffers
            .lease(inner.buffers.most_encoded(limit))
            .await?;
        let chunk = inner
            .history
            .read(From::After(after), &selector, limit)
            .await?;
        Ok((chunk, lease))
    };
    reading.boxed()
}

/// Holds no more than what was found.
fn fetch(
    broadcaster: &Inner,
    selector: &Arc<Selector>,
    (after, limit): (EventId, Limit),
    mut lease: Lease,
) -> Reading {
    let (history, selector) = (Arc::clone(&broadcaster.history), Arc::clone(selector));
    let fetching = async move {
        let chunk = history.read(From::After(after), &selector, limit).await?;
        let found = chunk.events.iter().map(Found::held_bytes);
        lease.shrink_to(found.sum());
        Ok((chunk, lease))
    };
    fetching.boxed()
}
