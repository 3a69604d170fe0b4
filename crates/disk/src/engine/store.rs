//! The engine (fjall): three keyspaces that are written in one atomic step.
//!
//! Each holds where the log stood at its last commit. The engine flushes them one by one, so after
//! damage to its journal one could come back further than another.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable as _,
    Snapshot, config::FilterPolicy,
};

use super::fault::Fault;
use crate::{
    lost::{Lost, LostRanges},
    record::{
        Damaged, Own, REPAIR_KEY, STANDING_KEY, STEPS_KEY, Standing, decode_retained, decode_steps,
        id_of, idempotency_index_key,
    },
};
use sse_broadcaster::internal::{Retained, Steps};
use sse_broadcaster::{event::IdempotencyKey, history::Retain};

/// What is collected in memory before it is written to tables.
const MEMTABLE_BYTES: usize = 8 << 20;
/// Tables that are being written, of one keyspace, before commits wait for them.
const MAX_SEALED: usize = 2;
const SEALED_LOOK: Duration = Duration::from_millis(1);
/// Journals on disk, kept until their events are in tables; the engine's least.
const JOURNAL_BYTES: u64 = 64 << 20;
const MAX_OPEN_TABLES: usize = 256;
/// One is kept for what memory collects; the other merges tables.
const WORKER_THREADS: usize = 2;

pub(crate) struct Store {
    db: Database,
    /// Event id → number and event.
    pub(crate) events: Keyspace,
    /// Topic and event id; idempotency keys.
    pub(crate) index: Keyspace,
    /// Retained values.
    pub(crate) values: Keyspace,
    /// Bytes that were committed since the engine was last told to write tables.
    collected: AtomicUsize,
}

impl Store {
    pub(crate) fn open(directory: &Path, cache_bytes: u64) -> Result<Self, Fault> {
        Self::open_with(directory, cache_bytes, WORKER_THREADS)
    }

    /// For a repair: nothing is written or merged in the background, which could meet the damage.
    pub(crate) fn open_idle(directory: &Path, cache_bytes: u64) -> Result<Self, Fault> {
        Self::open_with(directory, cache_bytes, 0)
    }

    fn open_with(directory: &Path, cache_bytes: u64, workers: usize) -> Result<Self, Fault> {
        let db = Database::builder(directory)
            .cache_size(cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(MAX_OPEN_TABLES))
            .worker_threads_unchecked(workers)
            .open()?;
        // Never reached. Told by its own commits, the engine's worker can come to wait for itself.
        let options = || KeyspaceCreateOptions::default().max_memtable_size(u64::MAX);
        // What an index says is there, is there: events need no filter for what is not.
        let events = || {
            let no_filter = FilterPolicy::disabled();
            options()
                .expect_point_read_hits(true)
                .filter_policy(no_filter)
        };
        Ok(Self {
            events: db.keyspace("events", events)?,
            index: db.keyspace("index", options)?,
            values: db.keyspace("values", options)?,
            collected: AtomicUsize::new(0),
            db,
        })
    }

    pub(super) fn batch(&self) -> OwnedWriteBatch {
        self.db.batch()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.db.snapshot()
    }

    pub(crate) fn all(&self) -> [&Keyspace; 3] {
        [&self.events, &self.index, &self.values]
    }

    /// Has the engine write tables when enough is collected: of all keyspaces at once, so that an
    /// idle one keeps no journal.
    pub(super) fn collect(&self, bytes: usize) -> Result<(), Fault> {
        if self.collected.fetch_add(bytes, Ordering::Relaxed) + bytes < MEMTABLE_BYTES {
            return Ok(());
        }
        self.collected.store(0, Ordering::Relaxed);
        for keyspace in self.all() {
            while keyspace.sealed_memtable_count() >= MAX_SEALED {
                // Fails once the worker that we wait for has.
                self.db.persist(PersistMode::Buffer)?;
                std::thread::sleep(SEALED_LOOK);
            }
            keyspace.rotate_memtable()?;
        }
        Ok(())
    }

    /// Where the log stands; `None` when nothing was ever written.
    pub(crate) fn standing(&self) -> Result<Option<Standing>, Fault> {
        let mut found = Vec::new();
        for keyspace in self.all() {
            let value = keyspace.get(STANDING_KEY)?;
            found.push(value.map(|value| Standing::decode(&value)).transpose()?);
        }
        if found.iter().any(|standing| *standing != found[0]) {
            return Err(Fault::Damaged(
                "the end of the journal is lost: its parts end at different events".into(),
            ));
        }
        Ok(found[0])
    }

    pub(crate) fn retained(&self) -> Result<Retained, Fault> {
        let mut retained = Retained::default();
        for item in self.db.snapshot().prefix(&self.values, b"r") {
            let (key, value) = item.into_inner()?;
            let key = str::from_utf8(&key[1..]).map_err(|_| Damaged)?.to_owned();
            let (value, at) = decode_retained(&value)?;
            retained.write(Retain::new(key, Some(value)), at);
        }
        Ok(retained)
    }

    /// When the clock went back.
    pub(crate) fn steps(&self) -> Result<Steps, Fault> {
        let value = self.values.get(STEPS_KEY)?;
        Ok(value.map_or(Ok(Steps::default()), |value| decode_steps(&value))?)
    }

    /// Which events were lost.
    pub(crate) fn lost(&self) -> Result<LostRanges, Fault> {
        let mut ranges = Vec::new();
        for item in self.db.snapshot().prefix(&self.values, b"l") {
            let (key, value) = item.into_inner()?;
            let (to, after) = (id_of(&key[1..])?, id_of(&value)?);
            ranges.push(Lost { after, to });
        }
        Ok(LostRanges::new(ranges))
    }

    /// Whether a repair has begun and not ended.
    pub(crate) fn is_in_repair(&self) -> Result<bool, Fault> {
        Ok(self.values.contains_key(REPAIR_KEY)?)
    }

    /// Fails if the engine has stopped.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        Ok(self.db.persist(PersistMode::Buffer)?)
    }

    pub(crate) fn own(&self, idempotency_key: &IdempotencyKey) -> Result<Option<Own>, Fault> {
        let value = self
            .index
            .get(idempotency_index_key(idempotency_key.as_str()))?;
        Ok(value.map(|value| Own::decode(&value)).transpose()?)
    }

    /// Makes everything before safe from a power loss.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        Ok(self.db.persist(PersistMode::SyncData)?)
    }

    /// Bytes of its files.
    pub(crate) fn size(&self) -> u64 {
        self.db.disk_space().unwrap_or(0)
    }
}
