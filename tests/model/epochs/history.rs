//! A history that can go on as another log.

use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, FutureExt, ready};
use sse_broadcaster::{
    EventId, Selector,
    event::Stored,
    history::{
        AppendError, Appended, Batch, Bounds, Chunk, From, History, Limit, NameKind, NameRange,
        Names, ReservationGuard, RetainedAt, Retention, Stats, Unavailable, Window,
    },
};

use super::{WINDOW, after};
use crate::model::gate::Gate;

/// A log that can be replaced by another one, as when a Redis server has lost its data.
#[derive(Clone)]
pub(super) struct ReplaceableLog {
    window: Arc<Window>,
    /// Every position of each log, its birth first.
    pub(super) logs: Arc<Mutex<Vec<Vec<EventId>>>>,
    pub(super) gate: Gate,
    stats: Arc<Stats>,
}

impl ReplaceableLog {
    pub(super) fn new() -> Self {
        let retention = Retention::new().events(WINDOW);
        let birth = EventId::new(1_000, 0);
        Self {
            window: Arc::new(Window::new(retention, 0, birth)),
            logs: Arc::new(Mutex::new(vec![vec![birth]])),
            gate: Gate::default(),
            stats: Arc::default(),
        }
    }

    pub(super) fn replace(&self, head: EventId) {
        let mut logs = self.logs.lock().unwrap();
        logs.push(vec![head]);
        self.window.restart(logs.len() as u64, head);
    }

    fn append_now(&self, batch: Batch) -> Appended {
        let mut logs = self.logs.lock().unwrap();
        let log = logs.last_mut().unwrap();
        let mut store = |event| {
            let id = after(log[log.len() - 1], 1);
            log.push(id);
            Arc::new(Stored::new(id, id.ms(), event))
        };
        let stored: Vec<_> = batch.events.into_iter().map(&mut store).collect();
        let ids = stored.iter().map(|stored| stored.id()).collect();
        self.window.push(stored);
        Appended { ids }
    }
}

impl History for ReplaceableLog {
    fn append(
        &self,
        batch: Batch,
        _: ReservationGuard,
    ) -> BoxFuture<'_, Result<Appended, AppendError>> {
        ready(Ok(self.append_now(batch))).boxed()
    }

    fn read<'a>(
        &'a self,
        from: From<'a>,
        selector: &'a Selector,
        limit: Limit,
    ) -> BoxFuture<'a, Result<Chunk, Unavailable>> {
        async move {
            let chunk = self.window.read(from, selector, limit);
            self.gate.pass().await?;
            Ok(chunk)
        }
        .boxed()
    }

    fn tail(&self) -> Arc<Window> {
        Arc::clone(&self.window)
    }

    fn retained<'a>(
        &'a self,
        _keys: &'a [&'a str],
    ) -> BoxFuture<'a, Result<RetainedAt, Unavailable>> {
        ready(Err(Unavailable::new("a test"))).boxed()
    }

    fn names<'a>(
        &'a self,
        _kind: NameKind,
        range: NameRange<'a>,
    ) -> BoxFuture<'a, Result<Names, Unavailable>> {
        ready(Ok(self.window.topics(range))).boxed()
    }

    fn bounds(&self) -> Bounds {
        self.window.bounds()
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}
