//! Reads of history for one stream, the next one begun while what the last one found is being sent.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{FutureExt, ready};

use super::{Reading, ReplayReader, buffers::Lease, read};
use crate::{
    broadcaster::size::CHUNK,
    event::{EventId, Selector},
    history::{Found, From, Limit, Window},
};

/// Most that is read at once for a stream that takes all there is.
const MAX_CHUNK: Limit = Limit {
    events: 4 * CHUNK.events,
    bytes: 4 * CHUNK.bytes,
};

/// At most one chunk, so that a reader that stops reading pins no more than it.
pub(in crate::broadcaster) struct ReadAhead {
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
    pub(in crate::broadcaster) fn begin(
        &mut self,
        (reader, window): (&ReplayReader, &Window),
        selector: &Arc<Selector>,
        after: EventId,
        cx: &mut Context<'_>,
    ) {
        let held_from = window.bounds().trim_floor;
        if after >= held_from || after < reader.history.bounds().trim_floor {
            return;
        }
        let limit = Limit {
            events: MAX_CHUNK.events.min(self.limit.events * 2),
            bytes: MAX_CHUNK.bytes.min(self.limit.bytes * 2),
        };
        let most = reader.buffers.most_read(limit);
        let Some(lease) = reader.buffers.lease_spare(most) else {
            return;
        };
        self.limit = limit;
        let mut fetching = fetch(reader, selector, (after, limit), lease);
        let fetching = match fetching.as_mut().poll(cx) {
            Poll::Ready(fetched) => ready(fetched).boxed(),
            Poll::Pending => fetching,
        };
        self.begun = Some((after, fetching));
    }

    /// What was begun, if it is about this.
    pub(in crate::broadcaster) fn take(
        &mut self,
        reader: &ReplayReader,
        selector: &Arc<Selector>,
        after: EventId,
    ) -> Option<Reading> {
        let (begun_after, fetching) = self.begun.take()?;
        if begun_after != after {
            return None;
        }
        let (history, buffers) = (Arc::clone(&reader.history), Arc::clone(&reader.buffers));
        let selector = Arc::clone(selector);
        let most = buffers.most_encoded(self.limit);
        let reading = async move {
            let (chunk, lease) = fetching.await?;
            if let Some(lease) = buffers.grow(lease, most) {
                return Ok((chunk, lease));
            }
            // Who held on to it while waiting for the rest could be waited for by others.
            drop(chunk);
            read((history, buffers), selector, after, CHUNK).await
        };
        Some(reading.boxed())
    }
}

/// Holds no more than what was found.
fn fetch(
    reader: &ReplayReader,
    selector: &Arc<Selector>,
    (after, limit): (EventId, Limit),
    mut lease: Lease,
) -> Reading {
    let (history, selector) = (Arc::clone(&reader.history), Arc::clone(selector));
    let fetching = async move {
        let chunk = history.read(From::After(after), &selector, limit).await?;
        let found = chunk.events.iter().map(Found::held_bytes);
        lease.shrink_to(found.sum());
        Ok((chunk, lease))
    };
    fetching.boxed()
}
