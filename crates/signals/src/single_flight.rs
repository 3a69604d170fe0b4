//! Documents that were read for one stream, for others that ask for the same.

use std::{
    collections::VecDeque,
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
/// a restart many come at once.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// Most that are kept so, and how large each is.
const MAX_KEPT: usize = 8;
const MAX_KEPT_BYTES: usize = 1 << 20;

pub(super) type Taking = Shared<BoxFuture<'static, Result<StateAt, Unavailable>>>;

/// The names and format of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StateRequest {
    pub(super) names: Arc<[SignalName]>,
    /// The id up to which its client may hold documents.
    pub(super) since: Option<Arc<str>>,
    /// Its client merges: what was removed has to be named.
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
    /// The document with `null` for what was removed; `None` where that is the same.
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

/// What was read lately for streams that ask for the same.
#[derive(Default)]
pub(super) struct SingleFlight {
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    request: StateRequest,
    /// The log, and its head, when it was begun.
    of: (u64, EventId),
    begun: Instant,
    taking: Taking,
}

impl Kept {
    fn is_usable(&self, now: Instant, of: (u64, EventId)) -> bool {
        let is_kept = match self.taking.peek() {
            None => true,
            Some(Ok(state)) => state.bytes() <= MAX_KEPT_BYTES,
            Some(Err(_)) => false,
        };
        self.of == of && is_kept && now.duration_since(self.begun) < KEPT_FOR
    }
}

impl std::fmt::Debug for SingleFlight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SingleFlight")
    }
}

impl SingleFlight {
    pub(super) fn take(
        self: &Arc<Self>,
        broadcaster: &Broadcaster,
        request: &StateRequest,
    ) -> Taking {
        let (now, bounds) = (Instant::now(), broadcaster.bounds());
        let of = (bounds.epoch, bounds.head);
        let mut old = Vec::new();
        let mut kept = self.kept.lock();
        while kept.front().is_some_and(|kept| !kept.is_usable(now, of)) {
            old.extend(kept.pop_front());
        }
        let found = kept
            .iter()
            .find(|kept| kept.request == *request && kept.is_usable(now, of));
        if let Some(found) = found {
            return found.taking.clone();
        }
        let taking = self
            .read(broadcaster.clone(), request.clone())
            .boxed()
            .shared();
        if kept.len() < MAX_KEPT {
            kept.push_back(Kept {
                request: request.clone(),
                of,
                begun: now,
                taking: taking.clone(),
            });
        }
        drop(kept);
        drop(old);
        taking
    }

    fn read(
        self: &Arc<Self>,
        broadcaster: Broadcaster,
        request: StateRequest,
    ) -> impl Future<Output = Result<StateAt, Unavailable>> + use<> {
        let single_flight = Arc::downgrade(self);
        async move {
            let state = read(&broadcaster, &request).await?;
            if state.bytes() > MAX_KEPT_BYTES
                && let Some(single_flight) = single_flight.upgrade()
            {
                // Not kept until somebody else happens to ask.
                let mut kept = single_flight.kept.lock();
                let large = kept.iter().position(|kept| kept.request == request);
                let large = large.and_then(|at| kept.remove(at));
                drop(kept);
                drop(large);
            }
            Ok(state)
        }
    }
}

async fn read(broadcaster: &Broadcaster, request: &StateRequest) -> Result<StateAt, Unavailable> {
    let names = &request.names;
    let keys: Vec<&str> = names.iter().map(SignalName::topic).collect();
    let retained = broadcaster.retained(&keys).await?;
    // Those who do not merge replace what they hold: they need to know of ends alone.
    let asks = request.merges || retained.values.iter().any(Option::is_none);
    let removed = match &request.since {
        // Behind the documents: what is removed later may be named, and what was earlier must be.
        Some(id) if asks => removed::since(broadcaster, names, id, retained.head).await?,
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
