//! History in memory alone: the window is the history.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::{
    AppendError, Appended, Batch, Bounds, Chunk, From, History, Limit, NameKind, NameRange, Names,
    Precondition, ReservationGuard, Retain, RetainedAt, Retention, Unavailable, Window,
    ids::Ids,
    retained::Retained,
};
use crate::{
    clock::now_ms,
    event::{Event, EventId, IdempotencyKey, Selector, Stored},
    sync::Mutex,
};

/// Most idempotency keys of dropped events that are remembered as used, also a part of what history may take. Past it
/// a key that is new to this log can no longer be told from one that is used again, so it names no place
/// to resume from.
const MAX_SPENT_KEYS: usize = 1 << 20;
const SPENT_SHARE: usize = 16;
/// What remembering one takes.
const SPENT_BYTES: usize = 20;

/// A history that ends with the process.
///
/// # Examples
/// ```
/// use sse_broadcaster::{Broadcaster, Event, Memory, Options, history::Retention};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let appended = broadcaster.publish(Event::builder("hello").topic("news").build()?).await?;
/// assert_eq!(appended.ids.len(), 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Memory {
    window: Arc<Window>,
    /// Taken before the window's lock. No await under it.
    state: Mutex<State>,
}

struct State {
    ids: Ids,
    idempotency_keys: HashMap<IdempotencyKey, Own>,
    spent: Spent,
    retained: Retained,
}

struct Own {
    id: EventId,
    /// No other event of this epoch had it, so that it stands for one position.
    once: bool,
}

impl Memory {
    /// An empty history, which is a log of its own.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        let ids = Ids::new(now_ms());
        let window = Window::new(retention, fastrand::u64(..), ids.last());
        Self {
            window: Arc::new(window),
            state: Mutex::new(State {
                ids,
                idempotency_keys: HashMap::new(),
                spent: Spent::within(retention.bytes / SPENT_SHARE),
                retained: Retained::default(),
            }),
        }
    }

    fn append_now(&self, batch: Batch) -> Result<Appended, AppendError> {
        let mut state = self.state.lock();
        if batch.events.is_empty() {
            return Err(AppendError::NoEvents);
        }
        let (stored, ids) = state.assign(batch.events, &batch.preconditions, &batch.retain)?;
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
    fn assign(
        &mut self,
        events: Vec<Event>,
        preconditions: &[Precondition],
        retain: &[Retain],
    ) -> Result<(Vec<Arc<Stored>>, Vec<EventId>), AppendError> {
        let is_repeat = |event: &Event| {
            let idempotency_key = event.idempotency_key();
            idempotency_key
                .is_some_and(|idempotency_key| self.idempotency_keys.contains_key(idempotency_key))
        };
        if !events.iter().all(is_repeat) {
            self.retained.check(preconditions, retain)?;
        }
        let now = now_ms();
        let mut stored = Vec::with_capacity(events.len());
        let mut ids = Vec::with_capacity(events.len());
        for event in events {
            let idempotency_key = event.idempotency_key().cloned();
            if let Some(first) = idempotency_key
                .as_ref()
                .and_then(|idempotency_key| self.idempotency_keys.get(idempotency_key))
            {
                ids.push(first.id);
                continue;
            }
            let id = self.ids.next(now);
            if let Some(idempotency_key) = idempotency_key {
                let once = !self.spent.may_hold(&idempotency_key);
                self.idempotency_keys
                    .insert(idempotency_key, Own { id, once });
            }
            ids.push(id);
            stored.push(Arc::new(Stored::new(id, now, event)));
        }
        Ok((stored, ids))
    }

    fn forget(&mut self, dropped: &[Arc<Stored>]) {
        for idempotency_key in dropped
            .iter()
            .filter_map(|stored| stored.event().idempotency_key())
        {
            self.idempotency_keys.remove(idempotency_key);
            self.spent.insert(idempotency_key);
        }
    }

    fn position_of(&self, idempotency_key: &str) -> Option<EventId> {
        let idempotency_key = IdempotencyKey::new(idempotency_key).ok()?;
        self.idempotency_keys
            .get(&idempotency_key)
            .filter(|own| own.once)
            .map(|own| own.id)
    }
}

/// Idempotency keys whose events are gone, as hashes. It errs on the side of "used": a client that brings an
/// id that stood for two events receives a gap instead of being moved.
struct Spent {
    most: usize,
    hasher: RandomState,
    hashes: HashSet<u64>,
    overflowed: bool,
}

impl Spent {
    fn within(bytes: usize) -> Self {
        Self {
            most: MAX_SPENT_KEYS.min(bytes / SPENT_BYTES),
            hasher: RandomState::new(),
            hashes: HashSet::new(),
            overflowed: false,
        }
    }

    fn may_hold(&self, idempotency_key: &IdempotencyKey) -> bool {
        self.overflowed || self.hashes.contains(&self.hasher.hash_one(idempotency_key))
    }

    fn insert(&mut self, idempotency_key: &IdempotencyKey) {
        if self.overflowed {
            return;
        }
        self.hashes.insert(self.hasher.hash_one(idempotency_key));
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
    fn append(
        &self,
        batch: Batch,
        _reserved: ReservationGuard,
    ) -> BoxFuture<'_, Result<Appended, AppendError>> {
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
            From::LastEventId(text) => {
                let own = self.state.lock().position_of(text);
                own.map_or(from, From::After)
            }
            _ => from,
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
}
