//! The engine (fjall): three keyspaces that are written in one atomic step.
//!
//! Each holds where the log stood at its last commit. The engine flushes them one by one, so after
//! damage to its journal one could come back further than another.

use std::{
    fmt, io,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, LsmError, OwnedWriteBatch, PersistMode,
    Readable as _, config::FilterPolicy,
};

use super::{
    lost::{Lost, LostRanges},
    record::{
        self, Damaged, Own, REPAIR_KEY, STANDING_KEY, STEPS_KEY, Standing, decode_retained,
        decode_steps, encode_event, encode_steps, id_key, id_of, idempotency_index_key, lost_key,
        topic_key,
    },
    view::View,
};
use sse_broadcaster::internal::{Retained, Steps};
use sse_broadcaster::{
    event::{EventId, IdempotencyKey, Stored},
    history::Retain,
};

/// What is collected in memory before it is written to tables.
const MEMTABLE_BYTES: usize = 8 << 20;
/// What an item costs in memory beside its key and value.
const ITEM_OVERHEAD_BYTES: usize = 64;
/// Tables that are being written, of one keyspace, before commits wait for them.
const MAX_SEALED: usize = 2;
const SEALED_LOOK: Duration = Duration::from_millis(1);
/// Journals on disk, kept until their events are in tables; the engine's least.
const JOURNAL_BYTES: u64 = 64 << 20;
const MAX_OPEN_TABLES: usize = 256;
/// One is kept for what memory collects; the other merges tables.
const WORKER_THREADS: usize = 2;

pub(super) struct Store {
    db: Database,
    /// Event id → number and event.
    pub(super) events: Keyspace,
    /// Topic and event id; own ids.
    pub(super) index: Keyspace,
    /// Retained values.
    pub(super) values: Keyspace,
    /// Bytes that were committed since the engine was last told to write tables.
    collected: AtomicUsize,
}

/// Why the engine did not do as it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// What was read cannot have been written.
    Damaged(String),
    /// A format that this engine does not know.
    Version,
    /// Refused by the disk: full, gone, read-only; or in use by another process.
    Io(String),
    /// The engine takes nothing more: an earlier write failed, or it met damage in the background.
    Stopped,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(why) | Self::Io(why) => f.write_str(why),
            Self::Version => f.write_str("the engine's files are of another version"),
            Self::Stopped => f.write_str("an earlier write has failed"),
        }
    }
}

impl From<fjall::Error> for Fault {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => error.into(),
            fjall::Error::InvalidVersion(_) => Self::Version,
            fjall::Error::Locked => Self::Io("another process has opened it".into()),
            fjall::Error::Poisoned => Self::Stopped,
            fjall::Error::JournalRecovery(why) => Self::Damaged(format!("a journal: {why:?}")),
            fjall::Error::Storage(why) => Self::Damaged(format!("a table: {why:?}")),
            other => Self::Damaged(format!("{other:?}")),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                Self::Damaged(error.to_string())
            }
            // The last where a file is shorter than what is sought in it.
            io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::InvalidInput => {
                Self::Damaged(format!("files of it are missing, or cut off ({error})"))
            }
            _ => Self::Io(error.to_string()),
        }
    }
}

impl From<Damaged> for Fault {
    fn from(Damaged: Damaged) -> Self {
        Self::Damaged("a record that cannot be read".into())
    }
}

impl Store {
    pub(super) fn open(directory: &Path, cache_bytes: u64) -> Result<Self, Fault> {
        Self::open_with(directory, cache_bytes, WORKER_THREADS)
    }

    /// For a repair: nothing is written or merged in the background, which could meet the damage.
    pub(super) fn open_idle(directory: &Path, cache_bytes: u64) -> Result<Self, Fault> {
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

    pub(super) fn all(&self) -> [&Keyspace; 3] {
        [&self.events, &self.index, &self.values]
    }

    /// Has the engine write tables when enough is collected: of all keyspaces at once, so that an
    /// idle one keeps no journal.
    fn collect(&self, bytes: usize) -> Result<(), Fault> {
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
    pub(super) fn standing(&self) -> Result<Option<Standing>, Fault> {
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

    pub(super) fn retained(&self) -> Result<Retained, Fault> {
        let mut retained = Retained::default();
        for item in self.db.snapshot().prefix(&self.values, b"r") {
            let (key, value) = item.into_inner()?;
            let key = str::from_utf8(&key[1..]).map_err(|_| Damaged)?.to_owned();
            let (value, at) = decode_retained(&value)?;
            let value = Some(value);
            retained.write(Retain { key, value }, at);
        }
        Ok(retained)
    }

    /// When the clock went back.
    pub(super) fn steps(&self) -> Result<Steps, Fault> {
        let value = self.values.get(STEPS_KEY)?;
        Ok(value.map_or(Ok(Steps::default()), |value| decode_steps(&value))?)
    }

    /// Which events were lost.
    pub(super) fn lost(&self) -> Result<LostRanges, Fault> {
        let mut ranges = Vec::new();
        for item in self.db.snapshot().prefix(&self.values, b"l") {
            let (key, value) = item.into_inner()?;
            let (to, after) = (id_of(&key[1..])?, id_of(&value)?);
            ranges.push(Lost { after, to });
        }
        Ok(LostRanges::new(ranges))
    }

    /// Whether a repair has begun and not ended.
    pub(super) fn is_in_repair(&self) -> Result<bool, Fault> {
        Ok(self.values.contains_key(REPAIR_KEY)?)
    }

    /// Fails if the engine has stopped.
    pub(super) fn check(&self) -> Result<(), Fault> {
        Ok(self.db.persist(PersistMode::Buffer)?)
    }

    /// The log as of one commit.
    pub(super) fn view(&self) -> View<'_> {
        View::new(self, self.db.snapshot())
    }

    pub(super) fn own(&self, idempotency_key: &IdempotencyKey) -> Result<Option<Own>, Fault> {
        let value = self
            .index
            .get(idempotency_index_key(idempotency_key.as_str()))?;
        Ok(value.map(|value| Own::decode(&value)).transpose()?)
    }

    pub(super) fn begin(&self) -> Commit<'_> {
        Commit {
            store: self,
            batch: self.db.batch(),
            bytes: 0,
        }
    }

    /// Makes everything before safe from a power loss.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        Ok(self.db.persist(PersistMode::SyncData)?)
    }

    /// Bytes of its files.
    pub(super) fn size(&self) -> u64 {
        self.db.disk_space().unwrap_or(0)
    }
}

/// What is written in one atomic step. No key is written twice in one: which would win is not said.
pub(super) struct Commit<'a> {
    store: &'a Store,
    batch: OwnedWriteBatch,
    bytes: usize,
}

impl Commit<'_> {
    pub(super) fn insert(&mut self, number: u64, stored: &Stored) {
        let (id, event) = (stored.id(), stored.event());
        let value = encode_event(number, stored.time_ms(), event);
        self.put(&self.store.events, &id_key(id), &value);
        for topic in event.topics() {
            self.put(&self.store.index, &topic_key(topic.as_str(), id), &[]);
        }
    }

    /// Its own id is left to [`own`](Self::own) and [`forget`](Self::forget).
    pub(super) fn remove(&mut self, stored: &Stored) {
        let id = stored.id();
        self.delete(&self.store.events, &id_key(id));
        for topic in stored.event().topics() {
            self.delete(&self.store.index, &topic_key(topic.as_str(), id));
        }
    }

    pub(super) fn own(&mut self, idempotency_key: &IdempotencyKey, own: Own) {
        let key = idempotency_index_key(idempotency_key.as_str());
        self.put(&self.store.index, &key, &own.encode());
    }

    pub(super) fn forget(&mut self, idempotency_key: &IdempotencyKey) {
        self.delete(
            &self.store.index,
            &idempotency_index_key(idempotency_key.as_str()),
        );
    }

    pub(super) fn lose(&mut self, lost: Lost) {
        let value = id_key(lost.after);
        self.put(&self.store.values, &lost_key(lost.to), &value);
    }

    /// Of events that retention has reached.
    pub(super) fn drop_lost(&mut self, lost: Lost) {
        self.delete(&self.store.values, &lost_key(lost.to));
    }

    pub(super) fn steps(&mut self, steps: &Steps) {
        self.put(&self.store.values, &STEPS_KEY, &encode_steps(steps));
    }

    pub(super) fn begin_repair(&mut self) {
        self.put(&self.store.values, &REPAIR_KEY, &[]);
    }

    pub(super) fn end_repair(&mut self) {
        self.delete(&self.store.values, &REPAIR_KEY);
    }

    pub(super) fn retain(&mut self, key: &str, value: Option<&(Bytes, EventId)>) {
        let key = [b"r", key.as_bytes()].concat();
        match value {
            Some((value, at)) => {
                let value = record::encode_retained(value, *at);
                self.put(&self.store.values, &key, &value);
            }
            None => self.delete(&self.store.values, &key),
        }
    }

    /// Writes it all: the kernel has it when this returns, and with `sync` the disk.
    pub(super) fn finish(mut self, standing: &Standing, sync: bool) -> Result<(), Fault> {
        self.stand(standing);
        // Without a mode, what was written would stay in the process.
        let mode = if sync {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        self.batch.durability(Some(mode)).commit()?;
        self.store.collect(self.bytes)
    }

    fn stand(&mut self, standing: &Standing) {
        let value = standing.encode();
        for keyspace in self.store.all() {
            self.put(keyspace, &STANDING_KEY, &value);
        }
    }

    /// The same in the middle of a repair, where nothing may be written to tables; synced. `None`: the
    /// log stands where it stood.
    pub(super) fn finish_idle(mut self, standing: Option<&Standing>) -> Result<(), Fault> {
        if let Some(standing) = standing {
            self.stand(standing);
        }
        Ok(self
            .batch
            .durability(Some(PersistMode::SyncData))
            .commit()?)
    }

    /// By how much it has grown.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn put(&mut self, keyspace: &Keyspace, key: &[u8], value: &[u8]) {
        self.bytes += ITEM_OVERHEAD_BYTES + key.len() + value.len();
        self.batch.insert(keyspace, key, value);
    }

    pub(super) fn delete(&mut self, keyspace: &Keyspace, key: &[u8]) {
        self.bytes += ITEM_OVERHEAD_BYTES + key.len();
        self.batch.remove(keyspace, key);
    }
}
