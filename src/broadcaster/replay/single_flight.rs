//! Where streams resume, read and encoded once for all that resume alike: after a restart or a broken
//! network many clients come back at once with the same id.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt as _, Shared};

use super::{buffers::ReplayBuffers, found::Replay, origin::Origin};
use crate::{
    broadcaster::{size::CHUNK, start::Start},
    event::{EncodingKey, EventId, Selector},
    history::{From, History, Unavailable},
    sync::Mutex,
};

/// How long what was read is kept for others. It stays true; but what it lacks by then, each of them
/// has to read.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// Most that are kept: of each, a chunk is pinned.
const MAX_KEPT: usize = 16;

pub(in crate::broadcaster) type Locating =
    Shared<BoxFuture<'static, Result<Arc<Replay>, Unavailable>>>;

/// The first reads of streams that resumed lately.
#[derive(Default)]
pub(super) struct ReplaySingleFlight {
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    selector: Arc<Selector>,
    /// There is room for one encoding of what is read.
    encoding: Option<EncodingKey>,
    origin: Origin,
    begun: Instant,
    locating: Locating,
}

impl ReplaySingleFlight {
    /// The first read of a stream: one that others began, if it is about the same.
    pub(super) fn locate(
        &self,
        (history, buffers): (&Arc<dyn History>, &Arc<ReplayBuffers>),
        selector: &Arc<Selector>,
        encoding: Option<EncodingKey>,
        origin: &Origin,
    ) -> Locating {
        let locating = || {
            locate(
                (Arc::clone(history), Arc::clone(buffers)),
                Arc::clone(selector),
                origin.clone(),
            )
        };
        let Some(position) = position(&origin.start) else {
            return locating();
        };
        let (bounds, now) = (history.bounds(), Instant::now());
        if position < bounds.trim_floor {
            // What history has dropped by now is for it to announce.
            return locating();
        }
        let mut kept = self.kept.lock();
        let found = kept.iter().find(|kept| {
            kept.encoding == encoding
                && kept.origin == *origin
                && kept.selector == *selector
                && kept.is_usable(now, bounds.epoch)
        });
        if let Some(found) = found {
            return found.locating.clone();
        }
        let locating = locating();
        let oldest = if kept.len() < MAX_KEPT {
            None
        } else {
            kept.pop_front()
        };
        kept.push_back(Kept {
            selector: Arc::clone(selector),
            encoding,
            origin: origin.clone(),
            begun: now,
            locating: locating.clone(),
        });
        drop(kept);
        drop(oldest);
        locating
    }

    /// Lets go of what nobody will ask for any more.
    pub(super) fn forget(&self, now: Instant) {
        let mut old = Vec::new();
        let mut kept = self.kept.lock();
        while kept.front().is_some_and(|kept| kept.is_old(now)) {
            old.extend(kept.pop_front());
        }
        drop(kept);
    }
}

impl Kept {
    fn is_old(&self, now: Instant) -> bool {
        now.duration_since(self.begun) >= KEPT_FOR
    }

    fn is_usable(&self, now: Instant, epoch: u64) -> bool {
        !self.is_old(now)
            && match self.locating.peek() {
                None => true,
                // What a gap says of the oldest event is as of now.
                Some(Ok(replay)) => replay.epoch == epoch && !replay.gap,
                Some(Err(_)) => false,
            }
    }
}

/// Where a stream resumes whose read can be shared: what `Last` means changes with each event, and
/// what an own id means may.
fn position(start: &Start) -> Option<EventId> {
    match start {
        Start::After(id) => id.parse().ok(),
        _ => None,
    }
}

fn locate(
    (history, buffers): (Arc<dyn History>, Arc<ReplayBuffers>),
    selector: Arc<Selector>,
    origin: Origin,
) -> Locating {
    let locating = async move {
        let lease = buffers.lease(buffers.most_encoded(CHUNK)).await?;
        let read = origin.read(&*history, &selector, CHUNK, From::Earliest);
        let chunk = read.await?;
        Ok(Arc::new(Replay::of(chunk, lease)))
    };
    locating.boxed().shared()
}
