//! The engine (fjall): three keyspaces that are written in one atomic step.
//!
//! Each holds where the log stood at its last commit. The engine flushes them one by one, so after
//! damage to its journal one could come back further than another.

use std::{fmt, io, path::Path};

use bytes::Bytes;
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, LsmError, OwnedWriteBatch, PersistMode,
    Readable as _,
};

use super::{
    record::{
        self, Damaged, Own, STANDING_KEY, Standing, decode_retained, encode_event, id_key,
        own_id_key, topic_key,
    },
    view::View,
};
use crate::{
    event::{EventId, OwnId, Stored},
    history::{Retain, retained::Retained},
};

/// What each keyspace collects in memory before it writes a table.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// Journals on disk, kept until their events are in tables; the engine's least.
const JOURNAL_BYTES: u64 = 64 << 20;
const MAX_OPEN_TABLES: usize = 256;
const WORKER_THREADS: usize = 1;

pub(super) struct Store {
    db: Database,
    /// Event id → number and event.
    pub(super) events: Keyspace,
    /// Topic and event id; own ids.
    pub(super) index: Keyspace,
    /// Retained values.
    pub(super) values: Keyspace,
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
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(why) | Self::Io(why) => f.write_str(why),
            Self::Version => f.write_str("the engine's files are of another version"),
        }
    }
}

impl From<fjall::Error> for Fault {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => error.into(),
            fjall::Error::InvalidVersion(_) => Self::Version,
            fjall::Error::Locked => Self::Io("another process has opened it".into()),
            fjall::Error::Poisoned => Self::Io("an earlier write has failed".into()),
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
        let db = Database::builder(directory)
            .cache_size(cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(MAX_OPEN_TABLES))
            .worker_threads(WORKER_THREADS)
            .open()?;
        let keyspace = |name| {
            db.keyspace(name, || {
                KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
            })
        };
        Ok(Self {
            events: keyspace("events")?,
            index: keyspace("index")?,
            values: keyspace("values")?,
            db,
        })
    }

    /// Where the log stands; `None` when nothing was ever written.
    pub(super) fn standing(&self) -> Result<Option<Standing>, Fault> {
        let mut found = Vec::new();
        for keyspace in [&self.events, &self.index, &self.values] {
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

    /// The log as of one commit.
    pub(super) fn view(&self) -> View<'_> {
        View::new(self, self.db.snapshot())
    }

    pub(super) fn own(&self, own_id: &OwnId) -> Result<Option<Own>, Fault> {
        let value = self.index.get(own_id_key(own_id.as_str()))?;
        Ok(value.map(|value| Own::decode(&value)).transpose()?)
    }

    pub(super) fn begin(&self) -> Commit<'_> {
        Commit {
            store: self,
            batch: self.db.batch(),
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
}

impl Commit<'_> {
    pub(super) fn insert(&mut self, number: u64, stored: &Stored) {
        let (id, event) = (stored.id(), stored.event());
        let value = encode_event(number, event);
        self.batch.insert(&self.store.events, id_key(id), value);
        for topic in event.topics() {
            let key = topic_key(topic, id);
            self.batch.insert(&self.store.index, key, []);
        }
    }

    /// Its own id is left to [`own`](Self::own) and [`forget`](Self::forget).
    pub(super) fn remove(&mut self, stored: &Stored) {
        let id = stored.id();
        self.batch.remove(&self.store.events, id_key(id));
        for topic in stored.event().topics() {
            self.batch.remove(&self.store.index, topic_key(topic, id));
        }
    }

    pub(super) fn own(&mut self, own_id: &OwnId, own: Own) {
        let key = own_id_key(own_id.as_str());
        self.batch.insert(&self.store.index, key, own.encode());
    }

    pub(super) fn forget(&mut self, own_id: &OwnId) {
        let key = own_id_key(own_id.as_str());
        self.batch.remove(&self.store.index, key);
    }

    pub(super) fn retain(&mut self, key: &str, value: Option<&(Bytes, EventId)>) {
        let key = [b"r", key.as_bytes()].concat();
        match value {
            Some((value, at)) => {
                let value = record::encode_retained(value, *at);
                self.batch.insert(&self.store.values, key, value);
            }
            None => self.batch.remove(&self.store.values, key),
        }
    }

    /// Writes it all: the kernel has it when this returns, and with `sync` the disk.
    pub(super) fn finish(mut self, standing: &Standing, sync: bool) -> Result<(), Fault> {
        let value = standing.encode();
        let store = self.store;
        for keyspace in [&store.events, &store.index, &store.values] {
            self.batch.insert(keyspace, STANDING_KEY, value.as_slice());
        }
        // Without a mode, what was written would stay in the process.
        let mode = if sync {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        Ok(self.batch.durability(Some(mode)).commit()?)
    }
}
