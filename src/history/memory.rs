//! History in memory alone: the window is the history.

mod dropped_keys;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::{
    AppendError, Appended, Batch, Bounds, Chunk, Erased, Erasure, From, History, Limit, NameKind,
    NameRange, Names, Precondition, ReservationGuard, Retain, RetainedAt, Retention, Unavailable,
    Window,
    ids::Ids,
    retained::{Retained, drop_repeats},
};
use crate::{
    clock::now_ms,
    event::{Event, EventId, IdempotencyKey, Selector, Stored},
    sync::Mutex,
};
use dropped_keys::DroppedKeys;

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
    keys: HashMap<IdempotencyKey, Keyed>,
    dropped_keys: DroppedKeys,
    retained: Retained,
}

/// The event that has an idempotency key.
struct Keyed {
    id: EventId,
    /// No event before it had the key, so that a client may resume after the key.
    is_first: bool,
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
                keys: HashMap::new(),
                dropped_keys: DroppedKeys::new(retention.bytes),
                retained: Retained::default(),
            }),
        }
    }

    fn append_now(&self, batch: Batch) -> Result<Appended, AppendError> {
        let mut state = self.state.lock();
        if batch.events.is_empty() {
            return Err(AppendError::NoEvents);
        }
        let mut retain = batch.retain;
        drop_repeats(&mut retain, || state.new_events(&batch.events));
        let (stored, ids) = state.assign(batch.events, &batch.preconditions, &retain)?;
        if let Some(last) = stored.last() {
            state.retained.write_batch(retain, &ids, last.id());
        }
        let dropped = self.window.push(stored);
        state.forget(&dropped);
        Ok(Appended { ids })
    }

    fn erase_now(&self, erasure: &Erasure) -> Result<Erased, AppendError> {
        let mut state = self.state.lock();
        let Some((event, erased)) = self.window.next_erasure(erasure) else {
            return Ok(Erased::default());
        };
        let (stored, _) = state.assign(vec![event], &[], &[])?;
        let dropped = self.window.push(stored);
        state.forget(&dropped);
        Ok(erased)
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
    /// Whether each of these events will be appended, and is no repeat.
    fn new_events<'a>(&self, events: &'a [Event]) -> Vec<bool> {
        let mut keys = HashSet::new();
        let is_new = |event: &'a Event| {
            let key = event.idempotency_key();
            key.is_none_or(|key| !self.keys.contains_key(key) && keys.insert(key))
        };
        events.iter().map(is_new).collect()
    }

    /// Gives ids to the events that are not repeats, once nothing of the batch can be refused any more. Returns
    /// these events, and one id for each event of the batch.
    fn assign(
        &mut self,
        events: Vec<Event>,
        preconditions: &[Precondition],
        retain: &[Retain],
    ) -> Result<(Vec<Arc<Stored>>, Vec<EventId>), AppendError> {
        let is_repeat = |event: &Event| {
            let key = event.idempotency_key();
            key.is_some_and(|key| self.keys.contains_key(key))
        };
        if !events.iter().all(is_repeat) {
            self.retained.check(preconditions, retain)?;
        }
        let now = now_ms();
        let mut stored = Vec::with_capacity(events.len());
        let mut ids = Vec::with_capacity(events.len());
        for event in events {
            let key = event.idempotency_key();
            if let Some(first) = key.and_then(|key| self.keys.get(key)) {
                ids.push(first.id);
                continue;
            }
            let id = self.ids.next(now);
            if let Some(key) = key.cloned() {
                let is_first = !self.dropped_keys.may_hold(&key);
                self.keys.insert(key, Keyed { id, is_first });
            }
            ids.push(id);
            stored.push(Arc::new(Stored::new(id, now, event)));
        }
        Ok((stored, ids))
    }

    fn forget(&mut self, dropped: &[Arc<Stored>]) {
        for key in dropped
            .iter()
            .filter_map(|stored| stored.event().idempotency_key())
        {
            self.keys.remove(key);
            self.dropped_keys.insert(key);
        }
    }

    /// The position that an idempotency key stands for, where that is certain.
    fn position_of(&self, key: &str) -> Option<EventId> {
        let key = IdempotencyKey::new(key).ok()?;
        let keyed = self.keys.get(&key).filter(|keyed| keyed.is_first)?;
        Some(keyed.id)
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
                let position = self.state.lock().position_of(text);
                position.map_or(from, From::After)
            }
            _ => from,
        };
        ready(Ok(self.window.read(from, selector, limit))).boxed()
    }

    fn erase(
        &self,
        erasure: Erasure,
        _reserved: ReservationGuard,
    ) -> BoxFuture<'_, Result<Erased, AppendError>> {
        ready(self.erase_now(&erasure)).boxed()
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
