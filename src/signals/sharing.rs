//! Documents that were read for one stream, for others that ask for the same.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use parking_lot::Mutex;

use super::SignalName;
use crate::{
    broadcaster::Broadcaster,
    event::EventId,
    history::{RetainedAt, Unavailable},
};

/// How long documents are kept for others that ask for the same, if nothing is published meanwhile: after
/// a restart many come at once.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// Most that are kept so, and how large each is.
const MAX_KEPT: usize = 8;
const MAX_KEPT_BYTES: usize = 1 << 20;

pub(super) type Taking = Shared<BoxFuture<'static, Result<RetainedAt, Unavailable>>>;

/// What was read lately for streams that ask for the same.
#[derive(Default)]
pub(super) struct Sharing {
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    names: Arc<[SignalName]>,
    /// The log, and its head, when it was begun.
    of: (u64, EventId),
    begun: Instant,
    taking: Taking,
}

impl Kept {
    fn is_usable(&self, now: Instant, of: (u64, EventId)) -> bool {
        let is_kept = match self.taking.peek() {
            None => true,
            Some(Ok(retained)) => bytes(retained) <= MAX_KEPT_BYTES,
            Some(Err(_)) => false,
        };
        self.of == of && is_kept && now.duration_since(self.begun) < KEPT_FOR
    }
}

fn bytes(retained: &RetainedAt) -> usize {
    let found = retained.values.iter().flatten();
    found.map(|(text, _)| text.len()).sum()
}

impl std::fmt::Debug for Sharing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sharing")
    }
}

impl Sharing {
    pub(super) fn take(
        self: &Arc<Self>,
        broadcaster: &Broadcaster,
        names: &Arc<[SignalName]>,
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
            .find(|kept| kept.names == *names && kept.is_usable(now, of));
        if let Some(found) = found {
            return found.taking.clone();
        }
        let taking = self
            .read(broadcaster.clone(), Arc::clone(names))
            .boxed()
            .shared();
        if kept.len() < MAX_KEPT {
            kept.push_back(Kept {
                names: Arc::clone(names),
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
        names: Arc<[SignalName]>,
    ) -> impl Future<Output = Result<RetainedAt, Unavailable>> + use<> {
        let sharing = Arc::downgrade(self);
        async move {
            let keys: Vec<&str> = names.iter().map(SignalName::topic).collect();
            let retained = broadcaster.retained(&keys).await?;
            if bytes(&retained) > MAX_KEPT_BYTES
                && let Some(sharing) = sharing.upgrade()
            {
                // Not kept until somebody else happens to ask.
                let mut kept = sharing.kept.lock();
                let large = kept.iter().position(|kept| kept.names == names);
                let large = large.and_then(|at| kept.remove(at));
                drop(kept);
                drop(large);
            }
            Ok(retained)
        }
    }
}
