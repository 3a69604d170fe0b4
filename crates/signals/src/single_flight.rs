//! Single flight: documents that are read for one stream are shared with others that ask for the same.

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use parking_lot::Mutex;

use super::{
    SignalName,
    removed::{self, Members, Unknown},
};
use sse_broadcaster::{broadcaster::Broadcaster, event::EventId, history::Unavailable};

/// How long documents are kept for others that ask for the same, if nothing is published meanwhile: after
/// a restart many clients come back at once.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// Most reads that are kept.
const MAX_READS: usize = 8;
/// Larger states are not kept once they are read.
const MAX_KEPT_BYTES: usize = 1 << 20;

pub(super) type Reading = Shared<BoxFuture<'static, Result<StateAt, Unavailable>>>;

/// What one stream needs to read. Equal requests share one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StateRequest {
    pub(super) names: Arc<[SignalName]>,
    /// The id up to which its client may hold documents.
    pub(super) since: Option<Arc<str>>,
    /// Its client merges: removed members have to be named.
    pub(super) merges: bool,
}

/// Documents as of one head.
#[derive(Debug, Clone)]
pub(super) struct StateAt {
    pub(super) head: EventId,
    /// In the order of the names.
    pub(super) signals: Arc<[SignalAt]>,
    /// Whether `since` is known, and all that was removed since.
    pub(super) is_known: bool,
}

#[derive(Debug)]
pub(super) struct SignalAt {
    pub(super) document: Option<(Bytes, EventId)>,
    /// The document with `null` for removed members; `None` where that is the document itself.
    pub(super) merge: Option<Bytes>,
    /// The signal itself was removed since.
    pub(super) removed: bool,
}

impl StateAt {
    fn bytes(&self) -> usize {
        let bytes = |signal: &SignalAt| {
            let document = signal.document.as_ref().map_or(0, |(text, _)| text.len());
            document + signal.merge.as_ref().map_or(0, Bytes::len)
        };
        self.signals.iter().map(bytes).sum()
    }
}

/// The reads of the last second.
#[derive(Default)]
pub(super) struct SingleFlight {
    reads: Mutex<VecDeque<RecentRead>>,
}

struct RecentRead {
    request: StateRequest,
    /// The epoch and the head of the history when the read began.
    begun_at: (u64, EventId),
    begun: Instant,
    reading: Reading,
}

impl RecentRead {
    fn is_usable(&self, now: Instant, at: (u64, EventId)) -> bool {
        let is_kept = match self.reading.peek() {
            None => true,
            Some(Ok(state)) => state.bytes() <= MAX_KEPT_BYTES,
            Some(Err(_)) => false,
        };
        self.begun_at == at && is_kept && now.duration_since(self.begun) < KEPT_FOR
    }
}

impl fmt::Debug for SingleFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SingleFlight")
    }
}

impl SingleFlight {
    pub(super) fn read(
        self: &Arc<Self>,
        broadcaster: &Broadcaster,
        request: &StateRequest,
    ) -> Reading {
        let (now, bounds) = (Instant::now(), broadcaster.bounds());
        let at = (bounds.epoch, bounds.head);
        // Dropped after the lock: they may hold large documents.
        let mut outdated = Vec::new();
        let mut reads = self.reads.lock();
        while reads.front().is_some_and(|read| !read.is_usable(now, at)) {
            outdated.extend(reads.pop_front());
        }
        let same = reads
            .iter()
            .find(|read| read.request == *request && read.is_usable(now, at));
        if let Some(same) = same {
            return same.reading.clone();
        }
        let reading = self
            .read_anew(broadcaster.clone(), request.clone())
            .boxed()
            .shared();
        if reads.len() < MAX_READS {
            reads.push_back(RecentRead {
                request: request.clone(),
                begun_at: at,
                begun: now,
                reading: reading.clone(),
            });
        }
        drop(reads);
        drop(outdated);
        reading
    }

    fn read_anew(
        self: &Arc<Self>,
        broadcaster: Broadcaster,
        request: StateRequest,
    ) -> impl Future<Output = Result<StateAt, Unavailable>> + use<> {
        let single_flight = Arc::downgrade(self);
        async move {
            let state = read_state(&broadcaster, &request).await?;
            if state.bytes() > MAX_KEPT_BYTES
                && let Some(single_flight) = single_flight.upgrade()
            {
                // Large documents do not wait in memory for the next request.
                let mut reads = single_flight.reads.lock();
                let large = reads.iter().position(|read| read.request == request);
                let large = large.and_then(|at| reads.remove(at));
                drop(reads);
                drop(large);
            }
            Ok(state)
        }
    }
}

async fn read_state(
    broadcaster: &Broadcaster,
    request: &StateRequest,
) -> Result<StateAt, Unavailable> {
    let names = &request.names;
    let keys: Vec<&str> = names.iter().map(SignalName::topic).collect();
    let retained = broadcaster.retained(&keys).await?;
    // Clients that do not merge replace what they hold: they need to know of removed signals only.
    let needs_removed = request.merges || retained.values.iter().any(Option::is_none);
    let removed = match &request.since {
        // After the documents were read: what is removed later may be named, what was removed earlier must be.
        Some(id) if needs_removed => removed::since(broadcaster, names, id, retained.head).await?,
        _ => Err(Unknown),
    };
    let is_known = removed.is_ok();
    let mut removed = removed.unwrap_or_default().into_iter();
    let signals = retained.values.into_iter().map(|document| {
        let removed = removed.next().unwrap_or_default();
        let merge = |members: &Members, text: &Bytes| members.merged_with(text).map(Bytes::from);
        let text = document.as_ref().map(|(text, _)| text);
        SignalAt {
            merge: text
                .filter(|_| request.merges)
                .and_then(|text| merge(&removed.members, text)),
            removed: removed.whole,
            document,
        }
    });
    Ok(StateAt {
        head: retained.head,
        signals: signals.collect(),
        is_known,
    })
}
