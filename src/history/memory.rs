//! History in memory alone: the window is the history.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::{
    AppendError, Appended, Batch, Bounds, Chunk, Expect, From, History, Hold, Limit, NameKind,
    NameRange, Names, Retain, RetainedAt, Retention, Stats, Unavailable, Window,
    ids::{Ids, now_ms},
    retained::Retained,
};
use crate::{
    event::{Event, EventId, OwnId, Selector, Stored},
    sync::Mutex,
};

/// Most own ids of dropped events that are remembered as used, also a part of what history may take. Past it
/// an own id that is new to this log can no longer be told from one that is used again, so it names no place
/// to resume from.
const MAX_SPENT_OWN_IDS: usize = 1 << 20;
const SPENT_SHARE: usize = 16;
/// What remembering one takes.
const SPENT_BYTES: usize = 20;

/// A history that ends with the process.
pub struct Memory {
    window: Arc<Window>,
    /// Taken before the window's lock. No await under it.
    state: Mutex<State>,
    stats: Stats,
}

struct State {
    ids: Ids,
    own_ids: HashMap<OwnId, Own>,
    spent: Spent,
    retained: Retained,
}

struct Own {
    id: EventId,
    /// No other event of this epoch had it, so that it stands for one position.
    once: bool,
}

impl Memory {
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        let ids = Ids::new(now_ms());
        let window = Window::new(retention, fastrand::u64(..), ids.last());
        Self {
            window: Arc::new(window),
            state: Mutex::new(State {
                ids,
                own_ids: HashMap::new(),
                spent: Spent::within(retention.bytes / SPENT_SHARE),
                retained: Retained::default(),
            }),
            stats: Stats::default(),
        }
    }

    fn append_now(&self, batch: Batch) -> Result<Appended, AppendError> {
        let mut state = self.state.lock();
        if batch.events.is_empty() {
            return Err(AppendError::NoEvents);
        }
        let (stored, ids) = state.place(batch.events, &batch.expect, &batch.retain)?;
        if let Some(last) = stored.last() {
            for retain in batch.retain {
                state.retained.write(retain, last.id());
            }
        }
        let dropped = self.window.push(stored);
        state.forget(&dropped);
        Ok(Appended { ids })
    }

    fn expire(&self) {
        if self.window.retention().age.is_none() {
            return;
        }
        let mut state = self.state.lock();
        let dropped = self.window.expire();
        state.forget(&dropped);
    }
}

impl State {
    /// Gives positions, once it is sure that nothing of the batch will be refused.
    fn place(
        &mut self,
        events: Vec<Event>,
        expect: &[Expect],
        retain: &[Retain],
    ) -> Result<(Vec<Arc<Stored>>, Vec<EventId>), AppendError> {
        let is_repeat = |event: &Event| {
            let own_id = event.own_id();
            own_id.is_some_and(|own_id| self.own_ids.contains_key(own_id))
        };
        if !events.iter().all(is_repeat) {
            self.retained.check(expect, retain)?;
        }
        let now = now_ms();
        let mut stored = Vec::with_capacity(events.len());
        let mut ids = Vec::with_capacity(events.len());
        for event in events {
            let own_id = event.own_id().cloned();
            if let Some(first) = own_id.as_ref().and_then(|own_id| self.own_ids.get(own_id)) {
                ids.push(first.id);
                continue;
            }
            let id = self.ids.next(now);
            if let Some(own_id) = own_id {
                let once = !self.spent.may_hold(&own_id);
                self.own_ids.insert(own_id, Own { id, once });
            }
            ids.push(id);
            stored.push(Arc::new(Stored::new(id, now, event)));
        }
        Ok((stored, ids))
    }

    fn forget(&mut self, dropped: &[Arc<Stored>]) {
        for own_id in dropped.iter().filter_map(|stored| stored.event().own_id()) {
            self.own_ids.remove(own_id);
            self.spent.insert(own_id);
        }
    }

    fn place_of(&self, own_id: &str) -> Option<EventId> {
        let own_id = OwnId::new(own_id).ok()?;
        self.own_ids
            .get(&own_id)
            .filter(|own| own.once)
            .map(|own| own.id)
    }
}

/// Own ids whose events are gone, as hashes. It errs on the side of "used": a client that brings an
/// id that stood for two events is told of a gap instead of being moved.
struct Spent {
    most: usize,
    hasher: RandomState,
    hashes: HashSet<u64>,
    overflowed: bool,
}

impl Spent {
    fn within(bytes: usize) -> Self {
        Self {
            most: MAX_SPENT_OWN_IDS.min(bytes / SPENT_BYTES),
            hasher: RandomState::new(),
            hashes: HashSet::new(),
            overflowed: false,
        }
    }

    fn may_hold(&self, own_id: &OwnId) -> bool {
        self.overflowed || self.hashes.contains(&self.hasher.hash_one(own_id))
    }

    fn insert(&mut self, own_id: &OwnId) {
        if self.overflowed {
            return;
        }
        self.hashes.insert(self.hasher.hash_one(own_id));
        if self.hashes.len() > self.most {
            self.overflowed = true;
            self.hashes = HashSet::new();
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

impl History for Memory {
    fn append(&self, batch: Batch, _hold: Hold) -> BoxFuture<'_, Result<Appended, AppendError>> {
        ready(self.append_now(batch)).boxed()
    }

    fn read<'a>(
        &'a self,
        from: From<'a>,
        selector: &'a Selector,
        limit: Limit,
    ) -> BoxFuture<'a, Result<Chunk, Unavailable>> {
        self.expire();
        let from = match from {
            From::Brought(text) => {
                let own = self.state.lock().place_of(text);
                own.map_or(from, From::After)
            }
            _ => from.by_clock(now_ms()),
        };
        ready(Ok(self.window.read(from, selector, limit))).boxed()
    }

    fn tail(&self) -> Arc<Window> {
        Arc::clone(&self.window)
    }

    fn retained<'a>(
        &'a self,
        keys: &'a [&'a str],
    ) -> BoxFuture<'a, Result<RetainedAt, Unavailable>> {
        let state = self.state.lock();
        let values = keys.iter().map(|key| state.retained.get(key));
        let retained = RetainedAt {
            head: state.ids.last(),
            values: values.collect(),
        };
        ready(Ok(retained)).boxed()
    }

    fn names<'a>(
        &'a self,
        kind: NameKind,
        range: NameRange<'a>,
    ) -> BoxFuture<'a, Result<Names, Unavailable>> {
        self.expire();
        let names = match kind {
            NameKind::Topics => self.window.topics(range),
            NameKind::RetainedKeys => self.state.lock().retained.keys(range),
        };
        ready(Ok(names)).boxed()
    }

    fn bounds(&self) -> Bounds {
        self.expire();
        self.window.bounds()
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}
