//! One atomic write to all keyspaces.

use bytes::Bytes;
use fjall::{Keyspace, OwnedWriteBatch, PersistMode};

use super::{fault::Fault, store::Store};
use crate::{
    lost::Lost,
    record::{
        self, Listed, Own, REPAIR_KEY, STANDING_KEY, STEPS_KEY, Standing, encode_event,
        encode_steps, id_key, idempotency_index_key, lost_key, topic_key, topic_value,
    },
};
use sse_broadcaster::event::{EventId, IdempotencyKey, Stored};
use sse_broadcaster::internal::Steps;

/// What an item costs in memory beside its key and value.
const ITEM_OVERHEAD_BYTES: usize = 64;

impl Store {
    pub(crate) fn begin(&self) -> Commit<'_> {
        Commit {
            store: self,
            batch: self.batch(),
            bytes: 0,
        }
    }
}

/// What is written in one atomic step. No key is written twice in one: which would win is not said.
pub(crate) struct Commit<'a> {
    store: &'a Store,
    batch: OwnedWriteBatch,
    bytes: usize,
}

impl Commit<'_> {
    pub(crate) fn insert(&mut self, number: u64, stored: &Stored) {
        let (id, event) = (stored.id(), stored.event());
        let value = encode_event(number, stored.time_ms(), event);
        self.put(&self.store.events, &id_key(id), &value);
        let listed = Listed::of(event.is_erased());
        for topic in event.topics() {
            let key = topic_key(listed, topic.as_str(), id);
            let value = topic_value(event.topics().len());
            self.put(&self.store.index, &key, value);
        }
    }

    /// Puts what is left of an event in its place. Its idempotency key is left to [`own`](Self::own) and
    /// [`forget`](Self::forget).
    pub(crate) fn erase(&mut self, number: u64, left: &Stored) {
        self.insert(number, left);
        self.unlist(Listed::Whole, left);
    }

    /// Its idempotency key is left to [`own`](Self::own) and [`forget`](Self::forget).
    pub(crate) fn remove(&mut self, stored: &Stored) {
        self.delete(&self.store.events, &id_key(stored.id()));
        self.unlist(Listed::of(stored.event().is_erased()), stored);
    }

    fn unlist(&mut self, listed: Listed, stored: &Stored) {
        for topic in stored.event().topics() {
            let key = topic_key(listed, topic.as_str(), stored.id());
            self.delete(&self.store.index, &key);
        }
    }

    pub(crate) fn own(&mut self, idempotency_key: &IdempotencyKey, own: Own) {
        self.put_own(&idempotency_index_key(idempotency_key.as_str()), own);
    }

    /// The same under the key of the index.
    pub(crate) fn put_own(&mut self, key: &[u8], own: Own) {
        self.put(&self.store.index, key, &own.encode());
    }

    pub(crate) fn forget(&mut self, idempotency_key: &IdempotencyKey) {
        self.delete(
            &self.store.index,
            &idempotency_index_key(idempotency_key.as_str()),
        );
    }

    pub(crate) fn lose(&mut self, lost: Lost) {
        let value = id_key(lost.after);
        self.put(&self.store.values, &lost_key(lost.to), &value);
    }

    /// Of events that retention has reached.
    pub(crate) fn drop_lost(&mut self, lost: Lost) {
        self.delete(&self.store.values, &lost_key(lost.to));
    }

    pub(crate) fn steps(&mut self, steps: &Steps) {
        self.put(&self.store.values, &STEPS_KEY, &encode_steps(steps));
    }

    pub(crate) fn begin_repair(&mut self) {
        self.put(&self.store.values, &REPAIR_KEY, &[]);
    }

    pub(crate) fn end_repair(&mut self) {
        self.delete(&self.store.values, &REPAIR_KEY);
    }

    pub(crate) fn retain(&mut self, key: &str, value: Option<&(Bytes, EventId)>) {
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
    pub(crate) fn finish(mut self, standing: &Standing, sync: bool) -> Result<(), Fault> {
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
    pub(crate) fn finish_idle(mut self, standing: Option<&Standing>) -> Result<(), Fault> {
        if let Some(standing) = standing {
            self.stand(standing);
        }
        Ok(self
            .batch
            .durability(Some(PersistMode::SyncData))
            .commit()?)
    }

    /// By how much it has grown.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn put(&mut self, keyspace: &Keyspace, key: &[u8], value: &[u8]) {
        self.bytes += ITEM_OVERHEAD_BYTES + key.len() + value.len();
        self.batch.insert(keyspace, key, value);
    }

    pub(crate) fn delete(&mut self, keyspace: &Keyspace, key: &[u8]) {
        self.bytes += ITEM_OVERHEAD_BYTES + key.len();
        self.batch.remove(keyspace, key);
    }
}
