//! One log of each kind, small enough to overflow.

use std::{sync::Arc, time::Duration};

use sse_broadcaster::{
    Event, EventId, Memory, Selector,
    history::{
        AppendError, Appended, Batch, Chunk, Found, From, History, Limit, ReservationGuard,
        Retention, SyncPolicy, Window,
    },
};
use sse_broadcaster_disk as disk;
use sse_broadcaster_disk::Disk;
use sse_broadcaster_postgres::{Postgres, PostgresOptions};
use sse_broadcaster_redis::{Redis, RedisOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    support::postgres::{PostgresServer, new_schema},
    support::redis::{RedisServer, SNAPSHOTS},
    support::wait_until,
};

pub const ALL: Limit = Limit::new(usize::MAX, usize::MAX);
/// Longer than by default: it shares the machine with many tests.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(4);

/// What a log keeps, and what of it is in memory, in events.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub log: usize,
    pub window: usize,
    pub bytes: usize,
}

/// Everything that a promise does fits.
pub const LARGE: Size = Size {
    log: 10_000,
    window: 10_000,
    bytes: 64 << 20,
};

pub struct Log {
    place: Place,
    size: Size,
    pub runtime: Runtime,
    pub history: Option<Arc<dyn History>>,
}

enum Place {
    Memory,
    Disk(TempDir),
    Redis(RedisServer),
    /// With the schema.
    Postgres(Arc<PostgresServer>, String),
}

impl Log {
    pub fn in_memory(size: Size) -> Self {
        Self::at(Place::Memory, size)
    }

    pub fn on_disk(size: Size) -> Self {
        Self::at(Place::Disk(tempfile::tempdir().unwrap()), size)
    }

    pub fn in_redis(size: Size) -> Self {
        Self::at(Place::Redis(RedisServer::start_with(&SNAPSHOTS)), size)
    }

    pub fn in_postgres(size: Size) -> Self {
        let place = Place::Postgres(PostgresServer::shared(), new_schema());
        Self::at(place, size)
    }

    fn at(place: Place, size: Size) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let mut log = Self {
            place,
            size,
            runtime: runtime.unwrap(),
            history: None,
        };
        log.open();
        log
    }

    fn open(&mut self) {
        let retention = |events| Retention::new().events(events).bytes(self.size.bytes);
        let (whole, window) = (retention(self.size.log), retention(self.size.window));
        let history: Arc<dyn History> = match &self.place {
            Place::Memory => Arc::new(Memory::new(whole)),
            Place::Disk(directory) => {
                let opened = Disk::open(
                    disk::Options::new(directory.path().join("log"))
                        .wait(Duration::ZERO)
                        .sync(SyncPolicy::Never)
                        .retention(whole)
                        .window(window)
                        .cache_bytes(1 << 20),
                );
                Arc::new(opened.unwrap())
            }
            Place::Redis(server) => {
                let _runtime = self.runtime.enter();
                let connected = Redis::connect(
                    RedisOptions::new(format!("redis://127.0.0.1:{}", server.port))
                        .prefix("test")
                        .timeout(DATABASE_TIMEOUT)
                        .retention(whole)
                        .window(window),
                );
                Arc::new(connected.unwrap())
            }
            Place::Postgres(server, schema) => {
                let _runtime = self.runtime.enter();
                let connected = Postgres::connect(
                    PostgresOptions::new(server.url())
                        .schema(schema.as_str())
                        .timeout(DATABASE_TIMEOUT)
                        .retention(whole)
                        .window(window),
                );
                Arc::new(connected.unwrap())
            }
        };
        wait_until("the log is there", || {
            history.health().is_ok() && history.bounds().epoch != 0
        });
        self.history = Some(history);
    }

    /// Closes it and opens it again, where that is another than a new one.
    pub fn reopen(&mut self) -> bool {
        if let Place::Memory = self.place {
            return false;
        }
        if let Some(history) = self.history.take() {
            self.runtime.block_on(history.close());
        }
        self.open();
        true
    }

    pub fn history(&self) -> &Arc<dyn History> {
        self.history.as_ref().unwrap()
    }

    pub fn window(&self) -> Arc<Window> {
        self.history().tail()
    }

    /// Appends, and waits until it has come through the window.
    pub fn append(&self, batch: impl Into<Batch>) -> Result<Appended, AppendError> {
        let appended = self
            .history()
            .append(batch.into(), ReservationGuard::default());
        let appended = self.runtime.block_on(appended);
        if let Ok(appended) = &appended {
            self.wait_for(appended.ids.iter().max().copied());
        }
        appended
    }

    pub fn wait_for(&self, id: Option<EventId>) {
        let window = self.window();
        wait_until("the window has it", || {
            id.is_none_or(|id| window.bounds().head >= id)
        });
    }

    /// One event of a topic; its position.
    pub fn publish(&self, topic: &str, data: &str) -> EventId {
        self.append(event(topic, data)).unwrap().ids[0]
    }

    pub fn read(&self, from: From<'_>, selector: &Selector, limit: Limit) -> Chunk {
        let read = self.history().read(from, selector, limit);
        self.runtime.block_on(read).unwrap()
    }

    /// Everything that matches, chunk by chunk.
    pub fn read_all(&self, from: From<'_>, selector: &Selector, limit: Limit) -> Vec<EventId> {
        let (mut ids, mut from) = (Vec::new(), from);
        loop {
            let chunk = self.read(from, selector, limit);
            assert!(chunk.events.len() <= limit.events);
            ids.extend(chunk.events.iter().map(Found::id));
            if chunk.read_to >= self.window().bounds().head {
                return ids;
            }
            from = From::After(chunk.read_to);
        }
    }
}

pub fn event(topic: &str, data: &str) -> Event {
    Event::builder(data).topic(topic).build().unwrap()
}

pub fn named(idempotency_key: &str) -> Event {
    Event::builder(idempotency_key)
        .idempotency_key(idempotency_key)
        .build()
        .unwrap()
}

pub fn ids(chunk: &Chunk) -> Vec<EventId> {
    chunk.events.iter().map(Found::id).collect()
}
